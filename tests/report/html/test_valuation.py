"""The page of a valuation: board, removal curves and agreement, safe and complete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from harness.report.html.valuation import valuation_page
from harness.valuation.report import ValuationReport


@pytest.fixture(scope="module")
def text(valuation: ValuationReport) -> str:
    return valuation_page([valuation, replace(valuation, dataset="again")], title="Values & more")


def columns(text: str, name: str) -> dict[str, list[object]]:
    """The inline data of a chart."""
    found = re.search(f'id="{name}-spec">(.*?)</script>', text)
    assert found is not None
    data: dict[str, list[object]] = json.loads(found.group(1))["data"]["columns"]
    return data


def test_curves_are_means_over_seeds(text: str, valuation: ValuationReport) -> None:
    data = columns(text, "data-1-curves")
    at = [i for i, name in enumerate(data["valuator"]) if name == "random" and data["first"][i] == "highest values"]
    curves = valuation.curves[valuation.curves["valuator"] == "random"]
    expected = curves.groupby("removed")["remove_high"].mean()
    assert [data["share"][i] for i in at] == pytest.approx(list(expected.index))
    assert [data["mean"][i] for i in at] == pytest.approx(list(expected), abs=1e-4)


def test_agreement_is_the_whole_matrix(text: str, valuation: ValuationReport) -> None:
    data = columns(text, "data-2-agreement")
    cells = {(row, column): rho for row, column, rho in zip(data["row"], data["column"], data["rho"], strict=True)}
    assert len(cells) == 4
    for (row, column), rho in cells.items():
        assert rho == pytest.approx(valuation.agreement.loc[str(row), str(column)], abs=1e-3)


def test_a_valuator_without_an_order_has_empty_cells(valuation: ValuationReport) -> None:
    agreement = valuation.agreement.copy()
    agreement.loc["random"] = np.nan
    agreement["random"] = np.nan
    text = valuation_page([replace(valuation, agreement=agreement)], title="t")
    assert columns(text, "data-1-agreement")["rho"].count(None) == 3


def test_the_board_has_every_column_and_names_are_escaped(text: str, valuation: ValuationReport) -> None:
    for heading in ("AUROC", "worst AUROC", "F1", "removal area", "stability", "seconds", "peak MB"):
        assert f'<th scope="col">{heading}</th>' in text
        assert f"<dt>{heading}</dt>" in text
    best = valuation.board["auroc_min"].max()
    assert f'<td class="best">{best:.3f}</td>' in text
    assert f"<td>{valuation.board['auroc'].max():.3f}</td>" in text, "one draw crowns nobody"
    assert "<b>blobs</b>" not in text
    assert "<title>Values &amp; more</title>" in text


def test_the_policy_allows_exactly_the_scripts_of_the_page(text: str) -> None:
    run = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digests = {base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in run}
    assert digests == set(re.findall(r"&#39;sha256-([^&]+)&#39;", text))
