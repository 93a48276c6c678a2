"""Notebooks and papers: tables, charts, methods in words, and the literature of what was used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.records.model import RecordFolder, find_records
from harness.report import Leaderboard, build, compare
from harness.report.paper.citations import citations
from harness.report.paper.document import paper

RESULTS = Path(__file__).parents[2] / "leaderboard" / "results"


@pytest.fixture(scope="module")
def records() -> list[RecordFolder]:
    return find_records([RESULTS / "quickstart"])


@pytest.fixture(scope="module")
def leaderboard(records: list[RecordFolder]) -> Leaderboard:
    return build(records, baselines=())


def arm(records: list[RecordFolder], name: str) -> list[RecordFolder]:
    return [record for record in records if record.header.arm == name]


def test_notebooks_show_tables(records: list[RecordFolder], leaderboard: Leaderboard) -> None:
    (found,) = compare(arm(records, "only"), arm(records, "bliss"))
    for shown, expected in ((leaderboard, "bliss+wldv"), (found, "bliss against only"), (records[0], "accuracy/clean")):
        text = shown._repr_html_()
        assert expected in text
        assert text.count("<table>") == text.count("</table>") >= 1


def test_names_are_escaped(leaderboard: Leaderboard) -> None:
    (board,) = leaderboard.boards
    evil = board.model_copy(update={"dataset": "<script>alert(1)</script>"})
    assert "<script>" not in leaderboard.model_copy(update={"boards": (evil,)})._repr_html_()


@pytest.mark.parametrize("name", ["uu", "reliability", "wrong"])
def test_charts_are_the_pages_and_stand_alone(leaderboard: Leaderboard, tmp_path: Path, name: str) -> None:
    found = leaderboard.plot(name)
    spec = json.loads(found.save(tmp_path / "chart.json").read_text())
    rows = spec["data"]["values"]
    assert {row["arm"] for row in rows} == {row.arm for row in leaderboard.boards[0].rows}
    svg = found.save(tmp_path / "chart.svg").read_text()
    assert svg.startswith("<svg")
    assert "bliss+wldv" in svg
    bundle: dict[str, Any] = found._repr_mimebundle_()
    assert bundle["image/svg+xml"] == svg


def test_what_cannot_be_drawn_is_said(leaderboard: Leaderboard, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no chart 'reliabilty'.*reliability"):
        leaderboard.plot("reliabilty")
    with pytest.raises(InputError, match="no data set 'film'"):
        leaderboard.plot("uu", "film")
    with pytest.raises(InputError, match=r"saved as \.json, \.svg or \.png"):
        leaderboard.plot("uu").save(tmp_path / "chart.pdf")
    with pytest.raises(InputError, match="no records to draw"):
        Leaderboard().plot()


def test_every_entry_of_the_bibliography_is_whole_and_used() -> None:
    from harness.registry import registry
    from harness.report.paper.citations import _known

    names = {f"{entry.kind}:{entry.name}" for entry in registry().entries()}
    methods = {"always", "holm", "mcnemar", "overall"}
    keys = [entry.key for entry in _known()]
    assert len(keys) == len(set(keys)) > 30
    for entry in _known():
        assert entry.used <= names | methods, entry.key
        assert entry.bibtex.count("{") == entry.bibtex.count("}")
        assert "used=" not in entry.bibtex
        assert re.search(r"year=\{\d{4}\}", entry.bibtex)


def test_only_what_was_used_is_cited() -> None:
    keys = {entry.key for entry in citations(["valuator:bliss-harness-valuators/dvrl", "holm", "metric:nobody/knows"])}
    assert keys == {"chen2024bliss", "yoon2020dvrl", "holm1979simple"}


def test_the_paper_says_what_was_run(records: list[RecordFolder], leaderboard: Leaderboard) -> None:
    files = paper(records, leaderboard)
    text = files["paper.tex"]
    for said in (
        r"On \textit{reviews}~\cite{pang2005seeing,maas2011imdb} (",
        r"attacked by \textit{deepwordbug}~\cite{gao2018deepwordbug}",
        r"Arm \textit{only} is trained on the original data as they are.",
        r"weighted by the data values of \textit{dvrl}~\cite{yoon2020dvrl}",
        "McNemar's exact test",
        "trained networks are compared, not methods",
        "bliss+wldv against only",
    ):
        assert said in text
    assert text.isascii()
    cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", text) for key in keys.split(",")}
    there = set(re.findall(r"@\w+\{([^,]+),", files["references.bib"]))
    assert cited <= there
    assert "jin2020textfooler" not in there


def test_the_command_writes_both_files(cli: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, _, _ = cli("paper", RESULTS / "quickstart", "--output", tmp_path / "paper")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "paper").iterdir()) == ["paper.tex", "references.bib"]
    code, out, _ = cli("paper", RESULTS / "quickstart")
    assert code == 0
    assert "%% references.bib" in out


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_the_paper_compiles(records: list[RecordFolder], tmp_path: Path) -> None:
    everything = find_records([RESULTS])
    for name, text in paper(everything, build(everything, baselines=())).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for command in (["pdflatex", "-interaction=nonstopmode", "paper"], ["bibtex", "paper"], ["pdflatex", "paper"]):
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout[-3000:]
