"""The HTML report as a document: complete, safe, small, the same every time. The browser's view is tested beside this."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.report.html as report
from harness.errors import InputError, StoreError
from harness.records.model import RecordFolder, find_records
from harness.records.writer import write_record
from harness.report.baselines import Baselines, ReportedEntry
from harness.report.html import charting, curves
from harness.report.html.examples import edits
from harness.report.html.sections import sections as group_records
from harness.report.html.spots import outline
from harness.report.html.values import value_boxes
from harness.report.leaderboard import Leaderboard
from harness.report.packing import pack
from harness.testing.records import PretendArm, pretend_record
from harness.unknowns import TAUS, Predictions

Maker = Callable[..., list[RecordFolder]]
HOSTILE = "</script><script>alert(1)</script><!-- <b>bold</b> & \u2028 end"


@dataclass
class Document(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: list[tuple[dict[str, str | None], str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.elements[-1:] and self.elements[-1][0] == "script" and self.scripts[-1][1] == "":
            self.scripts[-1] = (self.scripts[-1][0], data)

    def data(self, name: str) -> object:
        """The JSON of a script element."""
        return json.loads(next(text for attributes, text in self.scripts if attributes.get("id") == name))


def page(records: list[RecordFolder]) -> str:
    return report.render(records, Leaderboard.build(records), title="A title")


@pytest.fixture(scope="module")
def records(make_records: Maker, tmp_path_factory: pytest.TempPathFactory) -> list[RecordFolder]:
    folder = tmp_path_factory.mktemp("records")
    make_records(folder, dataset="reviews", n=160)
    make_records(folder, dataset="pairs", n=60, pairs=True, seeds=(0,), labels=("no", "perhaps", "yes"))
    return find_records([folder])


@pytest.fixture(scope="module")
def board(records: list[RecordFolder]) -> Leaderboard:
    return Leaderboard.build(records)


@pytest.fixture(scope="module")
def document(records: list[RecordFolder], board: Leaderboard) -> Document:
    return Document(report.render(records, board, title="A title"))


def test_the_page_needs_nothing_but_itself(document: Document) -> None:
    for tag, attributes in document.elements:
        for name in ("src", "href", "srcset", "poster", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,", (tag, name, value)
    assert "sourceMappingURL" not in document.text
    assert "@import" not in document.text


def test_the_policy_allows_exactly_the_scripts_of_the_page(document: Document) -> None:
    policy = next(a["content"] for tag, a in document.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    run = [text for attributes, text in document.scripts if attributes.get("type") != "application/json"]
    digests = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run}
    assert digests == set(re.findall(r"'sha256-([^']+)'", policy))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy


def test_every_data_set_has_its_figures(document: Document) -> None:
    ids = {attributes.get("id") for _, attributes in document.elements}
    for key in ("data-1", "data-2"):
        names = ("overview", "uu", "reliability", "wrong", "map", "remove", "values", "times")
        assert {f"{key}-{name}" for name in names} <= ids
    spec = document.data("data-2-uu-spec")
    assert isinstance(spec, dict)
    assert set(spec["data"]["columns"]["population"]) == {"clean", "perturbed", "deployed"}


def test_blind_spots_are_outlined_where_their_members_are(records: list[RecordFolder], document: Document) -> None:
    spec = document.data("data-2-map-spec")
    assert isinstance(spec, dict)
    outlines = pd.DataFrame(spec["layer"][0]["data"]["columns"])
    for record in records:
        header = record.header
        if (header.dataset, header.seed) != ("reviews", 0):
            continue
        members, positions = record.frame("tables/blind-spots.blind_spot_members"), record.frame("map")
        assert members is not None
        assert positions is not None
        where = members.merge(positions, on="id")
        drawn = outlines[outlines["arm"] == header.arm]
        for axis in "xy":
            assert drawn[axis].min() == pytest.approx(where[axis].min(), abs=1e-3)
            assert drawn[axis].max() == pytest.approx(where[axis].max(), abs=1e-3)
        assert set(drawn["size"]) == {len(members)}


COORDINATE = st.integers(-50, 50).map(float)


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=12))
def test_an_outline_encloses_its_points(points: list[tuple[float, float]]) -> None:
    corners = outline(np.asarray(points))
    assert set(map(tuple, corners)) <= set(points)
    if len(corners) < 3:  # all on the line between its ends
        start, end = corners[0], corners[-1]
        for point in np.asarray(points) - start:
            assert abs(np.linalg.det(np.stack([point, end - start]))) < 1e-6
            assert -1e-9 <= point @ (end - start) <= (end - start) @ (end - start) + 1e-9
        return
    sides = np.roll(corners, -1, axis=0) - corners
    for point in points:
        to = np.asarray(point) - corners
        assert (sides[:, 0] * to[:, 1] - sides[:, 1] * to[:, 0] >= -1e-6).all()  # left of every side, counterclockwise


def test_charts_are_named_and_have_their_numbers_as_a_table(document: Document) -> None:
    charts = [a for _, a in document.elements if a.get("class") == "chart"]
    assert len(charts) == 16
    assert all(chart["role"] == "img" and len(chart["aria-label"] or "") > 30 for chart in charts)
    assert document.text.count("Numbers as a table") == 16


def test_planted_blind_spots_are_shown_where_there_are_some(make_records: Maker, tmp_path: Path) -> None:
    records = make_records(tmp_path, n=80, planted=True)
    document = Document(page(records))
    spec = document.data("data-1-planted-spec")
    assert isinstance(spec, dict)
    columns = spec["data"]["columns"]
    assert set(columns["spot"]) == {"quiet"}
    mine = columns["accuracy"][columns["arm"].index("bliss")]
    board = Leaderboard.build(records).boards[0]
    assert mine == pytest.approx(board.row("bliss").scores["planted_accuracy/quiet"].value, abs=1e-4)
    heads = [a for tag, a in document.elements if tag == "th" and a.get("data-column", "").startswith("planted_")]
    shown = {a["data-column"] for a in heads if "hidden" not in a}
    assert shown == {"planted_found", "planted_hit", "planted_accuracy", "planted_repaired", "planted_cost"}
    plain = Document(page(make_records(tmp_path / "plain", n=80)))
    assert all(attributes.get("id") != "data-1-planted" for _, attributes in plain.elements)


def test_the_same_records_give_the_same_bytes(records: list[RecordFolder], board: Leaderboard) -> None:
    some = [record for record in records if record.header.dataset == "pairs"]
    assert report.render(some, board, title="t") == report.render(some, board, title="t")


def test_the_charting_script_is_kept_and_a_damaged_copy_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    charting.charting.cache_clear()
    script = charting.charting()
    (kept,) = (tmp_path / "harness").iterdir()
    assert kept.read_bytes().endswith(script.encode())

    def no_bundle(*_: object, **__: object) -> str:
        raise AssertionError("bundled again")

    with monkeypatch.context() as patch:
        patch.setattr("vl_convert.javascript_bundle", no_bundle)
        charting.charting.cache_clear()
        assert charting.charting() == script
    kept.write_bytes(kept.read_bytes()[:-1])
    charting.charting.cache_clear()
    assert charting.charting() == script
    assert kept.read_bytes().endswith(script.encode())


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = charting.charting()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda *_, **__: "bundle")
    charting.charting.cache_clear()
    assert charting.charting() == "(() => {bundle})();"
    charting.charting.cache_clear()
    monkeypatch.undo()
    assert charting.charting() == script


def test_text_of_the_data_stays_text(make_records: Maker, tmp_path: Path) -> None:
    arms = {"only": {}, HOSTILE: {"weights": "dvrl"}}
    made = make_records(
        tmp_path,
        dataset="x",
        texts=[f"{HOSTILE} {i}" for i in range(80)],
        n=40,
        arms={"only": {}},
        labels=(HOSTILE, "b"),
    )
    renamed = [
        RecordFolder(r.folder, r.header.model_copy(update={"dataset": HOSTILE, "arm": name, "suite": HOSTILE}))
        for name in arms
        for r in made
    ]
    document = Document(page(renamed))
    plain = Document(page(made))
    executable = [attributes for attributes, _ in document.scripts if attributes.get("type") != "application/json"]
    assert len(executable) == len([a for a, _ in plain.scripts if a.get("type") != "application/json"])
    assert not [tag for tag, _ in document.elements if tag == "b"]
    browser = document.data("example-data")
    assert isinstance(browser, list)
    assert browser[0]["arms"] == ["only", HOSTILE]
    assert browser[0]["examples"][0]["texts"][0].startswith(HOSTILE)
    assert "<" not in next(text for a, text in document.scripts if a.get("id") == "example-data")


def test_reported_rows_are_marked(records: list[RecordFolder], board: Leaderboard) -> None:
    entry = ReportedEntry(dataset="reviews", arm="only", scores={"accuracy/clean": 0.5})
    paper = Baselines(name="paper", citation="Paper 2020", entries=(entry,))
    text = report.render([], Leaderboard.build(records, baselines=[paper]), title="t")
    assert text.count('class="reported"') == 1
    assert 'title="Paper 2020' in text
    assert 'class="reported"' not in report.render([], board, title="t")


def test_a_leaderboard_without_records_is_a_page_of_its_own(board: Leaderboard) -> None:
    document = Document(report.render([], board, title="Board"))
    assert len(document.text) < 150_000
    assert any(attributes.get("data-arm") == "bliss" for _, attributes in document.elements)
    assert not [a for _, a in document.elements if a.get("class") == "chart"]


def test_records_without_texts_maps_or_tables_still_make_a_page(make_records: Maker, tmp_path: Path) -> None:
    for record in make_records(tmp_path, n=50, seeds=(0,)):
        for name in ("texts", "map", "synthetic", "rejected"):
            (record.folder / f"{name}.parquet").unlink(missing_ok=True)
        for table in record.tables():
            (record.folder / f"{table}.parquet").unlink()
    document = Document(page(find_records([tmp_path])))
    ids = {attributes.get("id") for _, attributes in document.elements}
    assert {"data-1-uu", "data-1-reliability", "examples"} <= ids
    assert not {"data-1-map", "data-1-remove", "data-1-values"} & ids
    browser = document.data("example-data")
    assert isinstance(browser, list)
    assert "texts" not in browser[0]["examples"][0]
    assert browser[0]["uus"] == []


def test_records_without_metrics_still_make_a_page(tmp_path: Path) -> None:
    found = [pretend_record(tmp_path / name, PretendArm(name), size=20, metrics=()) for name in ("only", "other")]
    assert "other" in page(found)


def test_a_classifier_that_never_errs_has_no_histogram_of_errors(make_records: Maker, tmp_path: Path) -> None:
    made = make_records(tmp_path, n=30, seeds=(0,), arms={"only": {}, "wldv": {}})
    for record in made:
        predictions = record.frame("predictions")
        assert predictions is not None
        predictions["label"] = predictions[["prob_0", "prob_1"]].to_numpy().argmax(axis=1)
        predictions["status"] = "failed"
        predictions.to_parquet(record.folder / "predictions.parquet")
    ids = {attributes.get("id") for _, attributes in Document(page(made)).elements}
    assert "data-1-uu" in ids
    assert "data-1-wrong" not in ids


def test_arms_may_lack_a_seed(make_records: Maker, tmp_path: Path) -> None:
    made = make_records(tmp_path, n=50, seeds=(0, 1))
    some = [r for r in made if (r.header.arm, r.header.seed) not in {("bliss", 1), ("only", 0)}]
    document = Document(page(some))
    browser = document.data("example-data")
    assert isinstance(browser, list)
    first = browser[0]["examples"][0]
    assert len(first["p"]) == len(browser[0]["arms"]) * 2
    assert first["p"].count(None) == 2


def test_a_damaged_file_is_one_clear_message(make_records: Maker, tmp_path: Path) -> None:
    made = make_records(tmp_path, n=30, seeds=(0,), arms={"only": {}})
    board = Leaderboard.build(made)
    (made[0].folder / "texts.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"texts\.parquet: damaged"):
        report.render(made, board, title="t")


def test_a_folder_that_cannot_be_written_is_one_clear_message(board: Leaderboard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        report.write(tmp_path / "file" / "report.html", [], board, title="t")
    path = report.write(tmp_path / "new" / "report.html", [], board, title="t")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_large_texts_are_sampled_and_the_page_says_so(make_records: Maker, tmp_path: Path) -> None:
    long = ["<br>" * 1500 + str(i) for i in range(300)]  # in a page every < takes six bytes
    document = Document(page(make_records(tmp_path, texts=long, n=300, seeds=(0,), arms={"only": {}, "wldv": {}})))
    assert len(document.text.encode()) < 5_000_000
    browser = document.data("example-data")
    assert isinstance(browser, list)
    shown = len(browser[0]["examples"])
    assert 20 < shown < 300
    assert f"A sample of {shown} of the 300 test examples." in document.text
    assert f"the browser holds {shown} of 300 test examples" in document.text


@given(st.text(max_size=60), st.text(max_size=60))
def test_edits_lead_from_one_text_to_the_other(original: str, changed: str) -> None:
    out, at = "", 0
    flat = edits(original, changed)
    for start, removed, inserted in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        assert isinstance(start, int)
        assert isinstance(removed, int)
        out += original[at:start] + str(inserted)
        at = start + removed
    assert out + original[at:] == changed


def test_uu_curves_agree_with_the_scores_of_the_records(records: list[RecordFolder]) -> None:
    board = next(board for board in group_records(records) if board.title == "reviews")
    curve = curves.uu_curves(board).set_index(["population", "arm", "tau"])
    for population in ("clean", "perturbed", "deployed"):
        for arm in board.arms:
            values = [board.records[arm, s].header.scores[f"uu@0.8/{population}"].value for s in board.seeds]
            assert curve.loc[(population, arm, 0.8), "mean"] == pytest.approx(np.mean(values), abs=0.01)
            assert curve.loc[(population, arm, 0.8), "low"] == min(values)
            assert curve.loc[(population, arm, 0.8), "high"] == max(values)


def guesses(confidence: np.ndarray, wrong: np.ndarray) -> Predictions:
    """Predictions of the first of two classes with a given confidence."""
    return Predictions.all(wrong.astype(int), np.stack([confidence, 1 - confidence], axis=1))


def test_a_confidence_equal_to_the_threshold_counts() -> None:
    confidence = np.asarray([0.65, 0.8, 0.9, 0.95], dtype=np.float32)
    counts = guesses(confidence, np.asarray([True, True, False, True])).uu_counts()
    assert dict(zip(TAUS, counts.tolist(), strict=True))[0.65] == 3
    assert counts[np.asarray(TAUS) == 0.81] == 1


def test_bins_take_confidences_on_their_bounds_as_the_scores_do() -> None:
    confidence = np.asarray([0.6, 0.6, 0.66, 0.8, 0.8, 0.85], dtype=np.float32)
    wrong = np.asarray([True, True, False, False, False, True])
    member = Mock(populations={"clean": guesses(confidence, wrong)})
    member.configure_mock(
        **{"table.return_value": None, "header.seed": 0, "header.scores": {}, "header.components": {}}
    )
    one = Mock(populations=("clean",), arms=("a",), of=lambda arm: [member])
    bins = curves.reliability(one)
    assert bins["right"].tolist() == [0.6, 0.6667, 0.8, 0.8667]
    assert curves.calibration_errors(bins)["ece"].item() == pytest.approx(0.465, abs=1e-4)
    member.populations = {"clean": guesses(np.asarray([0.65, 0.9], np.float32), np.asarray([True, True]))}
    assert curves.wrong_confidence(one)["left"].tolist() == [0.65, 0.9]


def test_data_values_of_any_magnitude_keep_their_digits(records: list[RecordFolder], tmp_path: Path) -> None:
    for record in records:
        frames = {
            name.removesuffix(".parquet"): record.frame(name.removesuffix(".parquet")) for name in record.header.files
        }
        tiny = {
            name: frame.assign(value=frame["value"] * 1e-7) if {"origin", "value"} <= set(frame) else frame
            for name, frame in frames.items()
            if frame is not None
        }
        header = record.header
        write_record(tmp_path / header.dataset / header.arm / f"seed-{header.seed}", header, tiny)
    plain, small = (value_boxes(group_records(found)[0]) for found in (records, find_records([tmp_path])))
    assert plain is not None
    assert small is not None
    for before, after in zip(plain.rows, small.rows, strict=True):
        assert before[:2] == after[:2]
        assert [float(text) for text in after[2:]] == pytest.approx(
            [1e-7 * float(text) for text in before[2:]], rel=0.006
        )
    columns = small.spec["data"]["columns"]
    assert columns["low"] == pytest.approx([1e-7 * value for value in plain.spec["data"]["columns"]["low"]], rel=1e-4)


def test_calibration_errors_agree_with_the_scores_of_the_records(records: list[RecordFolder]) -> None:
    board = next(board for board in group_records(records) if board.title == "pairs")  # one seed: nothing is pooled
    errors = curves.calibration_errors(curves.reliability(board)).set_index(["population", "arm"])["ece"]
    for arm in board.arms:
        expected = board.records[arm, 0].header.scores["ece/clean"].value
        assert errors["clean", arm] == pytest.approx(expected, abs=2e-3)


def test_charts_show_what_the_metrics_computed_whatever_their_options(tmp_path: Path) -> None:
    metrics = {"accuracy": {}, "confidence": {"bins": 8}, "uu": {}, "ece": {"bins": 10}}
    for arm in ("only", "bliss"):
        for seed in (0, 1):
            pretend_record(tmp_path / "all", PretendArm(arm), seed=seed, size=90, metrics=metrics, resamples=2)
    pack([tmp_path / "all"], tmp_path / "bare", texts=False)  # leaves the tables out
    drawn = []
    for folder in ("all", "bare"):
        found = find_records([tmp_path / folder])
        board = Leaderboard.build(found, baselines=())
        document = Document(report.render(found, board, title="t"))
        specs = [document.data(f"data-1-{name}-spec") for name in ("reliability", "wrong", "uu")]
        drawn.append([spec["data"] for spec in specs if isinstance(spec, dict)])
        assert "in each of 10 confidence bins" in document.text
        assert ("Computed from the predictions: not all of these records" in document.text) == (folder == "bare")
        (section,) = group_records(found)
        errors = curves.calibration_errors(curves.reliability(section)).set_index(["population", "arm"])["ece"]
        for name in ("clean", "deployed"):
            for row in board.boards[0].measured:
                assert errors[name, row.arm] == pytest.approx(row.scores[f"ece/{name}"].value)
    assert drawn[0] == drawn[1]
    assert set(drawn[0][0]["columns"]["right"]) <= {round(i / 10, 4) for i in range(1, 11)}
    assert set(drawn[0][1]["columns"]["left"]) <= {0.5 + i / 16 for i in range(8)}


def test_a_threshold_between_those_of_the_curve_is_drawn_too(tmp_path: Path) -> None:
    (record,) = [pretend_record(tmp_path, PretendArm("only"), size=60, resamples=2)]
    odd = RecordFolder(record.folder, record.header.model_copy(update={"thresholds": (0.6543, 0.8)}))
    (section,) = group_records([odd])
    counts = curves.uu_curves(section).set_index(["population", "tau"])["mean"]
    for population, predictions in section.first("only").populations.items():
        assert counts[population, 0.6543] == predictions.uu(0.6543).sum()
        assert counts[population, 0.8] == predictions.uu(0.8).sum()


def test_older_records_have_one_time_for_all_stages(records: list[RecordFolder]) -> None:
    old = [RecordFolder(r.folder, r.header.model_copy(update={"usage": {}})) for r in records]
    board = next(board for board in group_records(old) if board.title == "pairs")
    seconds = curves.timings(board).set_index(["arm", "stage"])["seconds"]
    for arm in board.arms:
        assert seconds[arm, "all stages"] == pytest.approx(sum(board.records[arm, 0].header.timings.values()), rel=1e-4)


def test_stage_times_are_summed_by_kind_of_stage(records: list[RecordFolder]) -> None:
    board = next(board for board in group_records(records) if board.title == "reviews")
    seconds = curves.timings(board).set_index(["arm", "stage"])["seconds"]
    for arm in board.arms:
        timings = board.records[arm, 0].header.timings
        expected = sum(value for name, value in timings.items() if name.startswith("fine-tune "))
        assert seconds[arm, "fine-tune"] == pytest.approx(expected)  # the same under every seed
    assert set(seconds.index.get_level_values("stage")) == {"fine-tune", "value", "attack", "evaluate"}


@pytest.mark.slow
def test_a_thesis_size_run_fits(make_records: Maker, tmp_path: Path) -> None:
    texts = [f"{i} " + "a plain review of some length, " * 40 for i in range(25_000)]
    size = len(page(make_records(tmp_path, dataset="imdb", texts=texts, n=25_000)).encode())
    assert 1_000_000 < size < 5_000_000
