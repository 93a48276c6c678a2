"""Numbers as text."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.digits import exact, significant, to_significant

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(FLOATS)
def test_an_exact_number_reads_back(value: float) -> None:
    assert float(exact(value)) == value


def test_usual_thresholds_keep_their_names() -> None:
    assert [exact(tau) for tau in (0.65, 0.8, 0.9, 1.0, 1)] == ["0.65", "0.8", "0.9", "1", "1"]


@given(st.floats(-1e300, 1e300), st.integers(0, 3))
def test_a_figure_keeps_three_digits(value: float, decimals: int) -> None:
    shown = float(significant(value, decimals=decimals).replace(",", ""))
    assert math.isclose(shown, value, rel_tol=0.005)
    assert not significant(0.0).startswith("-")


def test_figures_by_hand() -> None:
    figures = {
        -0.0: "0",
        4.26e-6: "4.26e-06",
        0.00123: "0.00123",
        0.5: "0.5",
        12.345: "12.3",
        1234.5: "1,234",
        5e8: "500,000,000",
    }
    assert {value: significant(value) for value in figures} == figures
    assert significant(12.3456, decimals=3) == "12.346"
    assert significant(math.nan) == "nan"
    assert to_significant(math.pi * 1e-9) == 3.1416e-9
