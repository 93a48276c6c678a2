"""Numbers as text: exact where they name something, with significant digits where people read them."""

from __future__ import annotations

SIGNIFICANT = 3
"""Significant digits of a figure whose magnitude nobody knows beforehand."""

TOOLTIP = f".{SIGNIFICANT}~g"
"""The same as a number format of Vega (d3-format)."""


def exact(value: float) -> str:
    """The shortest text that reads back as the same number, so that two numbers never share a name.

    >>> exact(0.65), exact(1.0), exact(0.9999999)
    ('0.65', '1', '0.9999999')
    """
    return repr(float(value)).removesuffix(".0")


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def significant(value: float, *, decimals: int = 0) -> str:
    """A figure with :data:`SIGNIFICANT` significant digits, its whole part in full; zeros at the end are left out.

    Below 0.0001 and from 1e15 on it is written with an exponent.

    Args:
        value: The figure.
        decimals: Decimals, at most 3, that a figure above 1 keeps at least.

    >>> significant(0.000123456), significant(0.0500), significant(12.3456), significant(12.3456, decimals=3)
    ('0.000123', '0.05', '12.3', '12.346')
    >>> significant(-4.2e-7), significant(12345.6), significant(-0.0)
    ('-4.2e-07', '12,346', '0')
    """
    size = abs(value)
    if size == 0:
        return "0"
    if not 1 <= size < 1e15:
        return f"{value:.{SIGNIFICANT}g}"
    if size >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.{max(decimals, SIGNIFICANT - len(str(int(size))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_significant(value: float, digits: int = SIGNIFICANT + 2) -> float:
    """The number rounded to so many significant digits: for what a page carries along.

    >>> to_significant(-1.23456789e-8)
    -1.2346e-08
    """
    return float(f"{value:.{digits}g}")
