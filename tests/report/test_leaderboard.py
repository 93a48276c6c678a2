"""The leaderboard from records: figures, tests, ranks, flags, and every way to show it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from ruamel.yaml import YAML
from scipy import stats

from harness.errors import InputError
from harness.records.model import RecordFolder, find_records
from harness.records.writer import write_record
from harness.report import Leaderboard, build
from harness.report.baselines import Baselines, default_baselines, read_baselines, reported_boards
from harness.report.columns import captions, chosen_columns, p_text, remarks
from harness.report.comparing import compare
from harness.report.exports import hf_yaml, lm_eval
from harness.report.model import ScoreInfo
from harness.report.site import build_site
from harness.report.terminal_compare import ComparisonView
from harness.testing.records import PretendArm, pretend_record

ARMS = [
    PretendArm("only"),
    PretendArm("timid", sharpness=0.9),
    PretendArm("bliss", skill=1.8, robustness=0.5),
    PretendArm("other", skill=1.02),
]
PRIMARY = "uu@0.65/deployed"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("records")
    for arm in ARMS:
        for seed in (0, 1, 2):
            pretend_record(root / "mrpc", arm, seed=seed, size=200, suite="thesis", dataset="mrpc", resamples=6)
        pretend_record(root / "single", arm, size=200, suite="quick", dataset="films", resamples=6)
    return root


@pytest.fixture(scope="session")
def records(folder: Path) -> list[RecordFolder]:
    return find_records([folder])


@pytest.fixture(scope="session")
def leaderboard(records: list[RecordFolder]) -> Leaderboard:
    return build(records)


@pytest.fixture(scope="session")
def single(leaderboard: Leaderboard):
    return next(board for board in leaderboard.boards if board.dataset == "films")


@pytest.fixture(scope="session")
def several(leaderboard: Leaderboard):
    return next(board for board in leaderboard.boards if board.dataset == "mrpc")


def altered(record: RecordFolder, folder: Path, frames: dict | None = None, **changes) -> RecordFolder:
    """A copy of a record with another header or other files, digests and all."""
    names = [name.removesuffix(".parquet") for name in record.header.files]
    kept = {name: record.frame(name) for name in names} | (frames or {})
    header = record.header.model_copy(update=changes)
    return write_record(folder / header.dataset / header.arm / f"seed-{header.seed}", header, kept)


def uus(record: RecordFolder, tau: float) -> np.ndarray:
    """Unknown unknowns in deployment, counted here from the predictions alone."""
    frame = record.frame("predictions")
    clean, attacked = (frame[[f"{p}_0", f"{p}_1"]].to_numpy() for p in ("prob", "perturbed_prob"))
    probs = np.where((frame["status"] == "succeeded").to_numpy()[:, None], attacked, clean)
    return (probs.argmax(axis=1) != frame["label"].to_numpy()) & (probs.max(axis=1) >= np.float32(tau))


def of(records: list[RecordFolder], dataset: str, arm: str) -> list[RecordFolder]:
    return [r for r in records if r.header.dataset == dataset and r.header.arm == arm]


def brier(record: RecordFolder) -> float:
    """The Brier score after the attack or before it, counted here from the predictions alone."""
    frame = record.frame("predictions")
    probs = frame[["prob_0", "prob_1"]].to_numpy()
    return float(((probs - np.eye(2)[frame["label"]]) ** 2).sum(axis=1).mean())


def test_a_calibration_error_is_never_without_a_proper_score(records, several, leaderboard) -> None:
    assert all("brier/clean" not in record.header.scores for record in records)
    row = several.row("bliss")
    there = of(records, "mrpc", "bliss")
    assert row.scores["brier/clean"].value == pytest.approx(np.mean([brier(record) for record in there]))
    assert row.differences["brier/clean"].p is not None
    for width in (80, 140):
        text = shown(leaderboard, width)
        assert "ECE" in text
        assert "Brier" in text


def test_figures_are_means_over_seeds_inside_their_intervals(records, several) -> None:
    for row in several.measured:
        there = of(records, "mrpc", row.arm)
        assert row.seeds == (0, 1, 2)
        for name, figure in row.scores.items():
            if name.startswith("brier/"):  # derived: the test above
                continue
            values = [record.header.scores[name].value for record in there]
            assert figure.value == pytest.approx(np.mean(values))
            assert figure.std == pytest.approx(np.std(values, ddof=1))
            assert figure.low <= figure.value <= figure.high
        assert row.scores[PRIMARY].value == pytest.approx(np.mean([uus(record, 0.65).sum() for record in there]))


def test_one_seed_gets_wilson_and_exact_mcnemar(records, single) -> None:
    base = uus(of(records, "films", "only")[0], 0.65)
    raw = {}
    for row in single.measured:
        mine = uus(of(records, "films", row.arm)[0], 0.65)
        expected = stats.binomtest(int(mine.sum()), 200).proportion_ci(method="wilson")
        figure = row.scores[PRIMARY]
        assert (figure.low, figure.high) == (pytest.approx(expected.low * 200), pytest.approx(expected.high * 200))
        assert figure.std is None
        if row.arm != "only":
            found = row.differences[PRIMARY]
            assert found.test == "exact McNemar"
            assert found.value == mine.sum() - base.sum()
            discordant = int((mine != base).sum())
            assert found.p == pytest.approx(stats.binomtest(int((mine & ~base).sum()), discordant).pvalue)
            raw[row.arm] = found.p
    smallest = min(raw, key=raw.__getitem__)
    assert single.row(smallest).differences[PRIMARY].p_holm == pytest.approx(min(1, 3 * raw[smallest]))


def test_seeds_are_the_second_level(several) -> None:
    found = several.row("bliss").differences[PRIMARY]
    assert found.test == "two-level t"
    assert found.low < found.value < found.high < 0
    assert several.row("only").differences == {}
    assert several.detectable == max(row.differences[PRIMARY].detectable for row in several.measured if row.differences)


def test_ranks_are_shared_by_arms_that_cannot_be_told_apart(several, single) -> None:
    ranks = {row.arm: row.rank for row in several.measured}
    assert ranks["bliss"] == 1
    assert ranks["only"] == 2
    assert {row.rank for row in single.measured if row.arm == "bliss"} == {1}


def test_an_arm_that_changes_nothing_shares_the_rank_and_gets_no_credit(records, tmp_path: Path) -> None:
    base = of(records, "films", "only")[0]
    board = build([base, altered(base, tmp_path, arm="copy", arm_definition={"weights": "x"})], baselines=()).boards[0]
    assert [row.rank for row in board.rows] == [1, 1]
    difference = board.row("copy").differences[PRIMARY]
    assert (difference.value, difference.p, difference.low) == (0, 1, None)
    assert board.row("copy").flags == ()


def test_the_timid_arm_is_flagged_and_the_better_one_is_not(several, single) -> None:
    for board in (several, single):
        assert board.row("timid").differences[PRIMARY].value < 0
        assert "less confident" in board.row("timid").flags
        assert board.row("timid").rank is None
        assert [row.arm for row in board.measured][-1] == "timid"
        assert board.row("bliss").flags == ()


def test_an_arm_that_predicts_one_class_is_flagged(records, tmp_path: Path) -> None:
    base, better = of(records, "films", "only")[0], of(records, "films", "bliss")[0]
    assert build([base, better], baselines=()).boards[0].row("bliss").flags == ()
    frame = better.frame("predictions").assign(prob_0=np.float32(0.9), prob_1=np.float32(0.1))
    same = altered(better, tmp_path, {"predictions": frame})
    assert "one class" in build([base, same], baselines=()).boards[0].row("bliss").flags
    lacking = altered(better, tmp_path, {"predictions": frame.drop(columns="prob_1")})
    with pytest.raises(InputError, match="column 'prob_1' of the predictions is missing"):
        build([base, lacking], baselines=())


def test_order_of_records_and_timings_change_nothing(records, leaderboard, tmp_path: Path) -> None:
    assert build(records[::-1]).to_json() == leaderboard.to_json()
    slower = [altered(record, tmp_path, timings={"fine-tune": 9.9}) for record in records]
    again = build(slower)
    for form in ("to_json", "to_csv", "to_markdown", "to_latex"):
        assert getattr(again, form)() == getattr(leaderboard, form)()


def test_costs_stay_off_the_board(records, tmp_path: Path) -> None:
    base = of(records, "films", "only")[0]
    scores = base.header.scores
    extra = {
        "seconds": scores["ece/clean"].model_copy(update={"volatile": True}),
        "money": scores["ece/clean"].model_copy(update={"metric": "cost", "volatile": True}),
    }
    board = build([altered(base, tmp_path, scores=scores | extra)], baselines=()).boards[0]
    assert set(board.scores) - set(scores) == {"brier/clean", "brier/deployed"}, "derived beside ece"
    assert set(scores) <= set(board.scores)


def test_boards_are_never_mixed(records, tmp_path: Path) -> None:
    base = of(records, "films", "only")[0]
    others = [
        altered(base, tmp_path / "a", suite="another", arm="x"),
        altered(base, tmp_path / "b", board="changed", arm="x"),
        altered(base, tmp_path / "c", dataset="books", arm="x"),
    ]
    boards = build([base, *others], baselines=()).boards
    assert len(boards) == 4
    assert all(len(board.rows) == 1 for board in boards)


def test_records_that_contradict_each_other(records, tmp_path: Path) -> None:
    base, arm = of(records, "films", "only")[0], of(records, "films", "bliss")[0]
    twin = altered(base, tmp_path / "same")
    assert len(build([base, twin], baselines=()).boards[0].rows) == 1
    changed = base.header.scores | {"ece/clean": base.header.scores["ece/clean"].model_copy(update={"value": 0.5})}
    predictions = arm.frame("predictions")
    cases = [
        ([base, altered(base, tmp_path / "1", scores=changed)], "different scores"),
        ([base, altered(base, tmp_path / "2", seed=1, arm_definition={"weights": "y"})], "mean different things"),
        ([base, altered(arm, tmp_path / "3", baseline="bliss")], "compares with arm"),
        (
            [base, altered(arm, tmp_path / "4", data=arm.header.data.model_copy(update={"fingerprint": "f"}))],
            "made from different data",
        ),
        ([base, altered(arm, tmp_path / "5", {"predictions": predictions[::-1]})], "same test examples"),
        ([altered(arm, tmp_path / "6", {"predictions": predictions[:50]})], "per_example.parquet has 200 rows"),
    ]
    for found, message in cases:
        with pytest.raises(InputError, match=message):
            build(found)


def test_missing_seeds_and_baseline_are_said(records) -> None:
    some = [
        r
        for r in of(records, "mrpc", "only") + of(records, "mrpc", "bliss")
        if (r.header.arm, r.header.seed) != ("bliss", 2)
    ]
    board = build(some, baselines=()).boards[0]
    assert board.row("bliss").seeds == (0, 1)
    assert "Arm bliss lacks seed 2" in " ".join(board.notes)
    alone = build(of(records, "mrpc", "bliss"), baselines=()).boards[0]
    assert "baseline arm 'only' is not among the records" in " ".join(alone.notes)
    assert alone.row("bliss").rank == 1


def test_a_run_of_one_arm_says_nothing_about_the_baseline(records, tmp_path: Path) -> None:
    (base, *_), (arm, *_) = of(records, "mrpc", "only"), of(records, "mrpc", "bliss")
    again = altered(arm, tmp_path, baseline="")
    board = build([again, base], baselines=()).boards[0]
    assert board.baseline == "only"
    assert board.row("bliss").differences
    alone = build([again], baselines=())
    assert "A baseline is not among the records: no differences." in alone.boards[0].notes
    assert "paired difference" not in alone.to_markdown()


def test_repeated_texts_are_one_cluster(records, tmp_path: Path) -> None:
    base = of(records, "films", "only")[0]
    merged = base.frame("predictions").assign(cluster=[f"text {i // 4}" for i in range(200)])
    wide = (
        build([altered(base, tmp_path, {"predictions": merged})], baselines=())
        .boards[0]
        .rows[0]
        .scores["accuracy/clean"]
    )
    narrow = build([base], baselines=()).boards[0].rows[0].scores["accuracy/clean"]
    assert wide.value == narrow.value
    assert (wide.low, wide.high) != (narrow.low, narrow.high)


def test_reported_rows_are_marked_and_never_ranked(leaderboard, several) -> None:
    reported = [row for row in several.rows if row.reported]
    assert [row.arm for row in reported] == ["only", "wldv", "ibs", "ibs+wldv", "bliss", "bliss+wldv"]
    assert all(row.rank is None and not row.differences and "table 5.2" in row.source for row in reported)
    assert several.rows[-6:] == tuple(reported)
    assert reported[0].scores["uu@0.65/perturbed"].value == 387
    for text in (leaderboard.to_markdown(), leaderboard.to_latex(), shown(leaderboard, 100)):
        assert "reported, not measured: Chen (2024)" in text
    frame = leaderboard.to_pandas()
    assert frame[frame["reported"]]["rank"].isna().all()
    descending = leaderboard.sort("accuracy/clean", descending=True)
    flags = [row.reported for board in descending.boards for row in board.rows if board.dataset == "mrpc"]
    assert flags == sorted(flags)


def test_thesis_figures_are_complete() -> None:
    (thesis,) = default_baselines()
    assert {entry.dataset for entry in thesis.entries} == {"imdb", "mrpc", "email-sms"}
    assert len(thesis.entries) == 16
    for entry in thesis.entries:
        assert {"accuracy/clean", "accuracy/attacked", "confidence/clean", "uu@0.65/perturbed"} <= set(entry.scores)
        shares = [value for name, value in entry.scores.items() if not name.startswith("uu")]
        assert all(0 < value < 1 for value in shares)
        assert all(0 < value < entry.test for name, value in entry.scores.items() if name.startswith("uu"))
    assert [board.dataset for board in reported_boards(thesis)] == ["imdb", "mrpc", "email-sms"]


def test_baselines_speak_of_their_suites_only(records, tmp_path: Path) -> None:
    path = tmp_path / "paper.json"
    entry = {"dataset": "films", "arm": "theirs", "scores": {"accuracy/clean": 0.9}}
    payload = {"schema_version": 1, "name": "paper", "citation": "Somebody (2020)", "entries": [entry]}
    path.write_text(json.dumps(payload))
    board = build(of(records, "films", "only"), baselines=[read_baselines(path)]).boards[0]
    assert board.rows[-1].arm == "theirs"
    elsewhere = Baselines.model_validate(payload | {"suites": ["elsewhere"]})
    assert len(build(of(records, "films", "only"), baselines=[elsewhere]).boards[0].rows) == 1
    for change, message in (
        ({"entries": [entry, entry]}, "given twice"),
        ({"schema_version": 2}, "schema_version"),
        ({"extra": 1}, "'extra'"),
    ):
        path.write_text(json.dumps(payload | change))
        with pytest.raises(InputError, match=message):
            read_baselines(path)


def shown(leaderboard: Leaderboard, width: int, **options) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(leaderboard.to_rich(**options))
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_terminal_table_fits_and_keeps_what_matters(leaderboard, width: int) -> None:
    text = shown(leaderboard, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    header = next(line for line in text.splitlines() if line.startswith(" #"))
    assert "acc." in header
    assert "! conf.↓" in text
    above = text[: text.index(header)]
    assert "UU@.65" in above + header
    if width >= 80:
        assert all(column in above + header for column in ("UU@.8", "UU@.9", "ECE", "[95 %]"))
    if width == 160:
        assert "Not shown" not in text


def test_what_could_have_been_shown_is_said(several) -> None:
    assert f"True differences below {several.detectable:,.0f} would" in remarks(several)[0]
    hopeless = several.model_copy(update={"detectable": several.test + 1.0})
    assert remarks(hopeless)[0].startswith("At least one arm is known so loosely that even the largest")


def test_no_difference_is_larger_than_two_figures_can_differ(tmp_path: Path) -> None:
    # Two seeds under which an arm does well and badly: Student's quantile is 12.7, and the plain interval leaves the range.
    for seed, skill in ((0, 3.0), (1, 0.2)):
        pretend_record(tmp_path, PretendArm("only"), seed=seed, size=20, suite="s", dataset="d", resamples=20)
        pretend_record(
            tmp_path, PretendArm("torn", skill=skill), seed=seed, size=20, suite="s", dataset="d", resamples=20
        )
    records = find_records([tmp_path])
    board = build(records, baselines=[]).boards[0]
    found = {name: (board.scores[name].span, diff) for name, diff in board.row("torn").differences.items()}
    limited = {name: (span, diff) for name, (span, diff) in found.items() if span is not None and diff.low is not None}
    for span, diff in limited.values():
        assert -span <= diff.low <= diff.value <= diff.high <= span
        assert diff.detectable <= span
    assert limited["accuracy/clean"][0] == 1
    at_the_end = [span for span, diff in limited.values() if diff.low == -span or diff.high == span]
    assert at_the_end
    assert any(diff.detectable == span for span, diff in limited.values())
    assert ScoreInfo(low=0).span is None
    a, b = ([record for record in records if record.header.arm == arm] for arm in ("only", "torn"))
    compared = {score.name: score.difference for score in compare(a, b)[0].scores}
    assert compared == board.row("torn").differences | compared
    assert all(compared[name].high == diff.high for name, (_, diff) in limited.items())
    text = io.StringIO()
    Console(file=text, width=140).print(ComparisonView(compare(a, b)[0], everything=True))
    assert "none" in text.getvalue()


def test_a_long_name_breaks_and_leaves_room_for_the_figures(tmp_path: Path) -> None:
    name = "dvrl-highest-hypotheses-of-a-language-model-with-counterfactuals-mean-weights"
    for arm in (PretendArm("only"), PretendArm(name, skill=1.8)):
        pretend_record(tmp_path, arm, size=100, suite="thesis", dataset="mrpc", resamples=6)
    text = shown(build(find_records([tmp_path])), 80)
    assert max(map(len, text.splitlines())) <= 80
    header = next(line for line in text.splitlines() if line.startswith(" #"))
    assert "acc." in header
    assert "ECE" in text
    assert name in "".join(line[4:16].strip() for line in text.splitlines())


def test_code_of_a_checkpoint_that_ran_is_said_in_every_form(tmp_path: Path) -> None:
    for arm in (PretendArm("only"), PretendArm("bliss")):
        made = pretend_record(tmp_path, arm, size=40, resamples=3)
    said = "acme/odd ran code that came with its checkpoint, as the suite allowed."
    assert said not in build(find_records([tmp_path])).to_markdown()
    header = json.loads((made.folder / "record.json").read_text())
    use = {"kind": "model", "name": "acme/odd", "version": "1", "options": {"trust_remote_code": True}}
    header["components"]["model"] = use
    (made.folder / "record.json").write_text(json.dumps(header))
    board = build(find_records([tmp_path]))
    assert said in board.to_markdown()
    assert said in board.to_json()
    assert said in shown(board, 200)


def test_intervals_in_the_terminal(leaderboard, single) -> None:
    figure = single.row("only").scores["accuracy/clean"]
    assert f"{100 * figure.low:.1f}–{100 * figure.high:.1f}" in shown(leaderboard, 120, intervals=True)


def test_data_forms_hold_everything(leaderboard) -> None:
    assert (
        Leaderboard.model_validate_json(leaderboard.to_json()).boards[0].rows[0].arm
        == leaderboard.boards[0].rows[0].arm
    )
    frame = pd.read_csv(io.StringIO(leaderboard.to_csv()))
    assert len(frame) == sum(len(board.rows) for board in leaderboard.boards)
    for board in leaderboard.boards:
        for row in board.measured:
            line = frame[(frame["dataset"] == board.dataset) & (frame["arm"] == row.arm) & ~frame["reported"]].iloc[0]
            for name, figure in row.scores.items():
                assert line[name] == pytest.approx(figure.value, rel=1e-8)
                assert line[f"{name}_low"] == pytest.approx(figure.low, rel=1e-8, abs=1e-12)


def test_names_cannot_break_the_markup(records, tmp_path: Path) -> None:
    name = "a|b <script> 50% & _x_ [red]"
    board = build([altered(of(records, "films", "only")[0], tmp_path, arm=name)], baselines=())
    row = next(line for line in board.to_markdown().splitlines() if "script" in line)
    assert "<" not in row
    assert r"a\|b" in row
    assert r"50\% \& \_x\_" in board.to_latex()
    assert "[red]" in shown(board, 160)


def test_only_what_holds_over_seeds_is_marked_as_best(leaderboard, several, single) -> None:
    best = max(row.scores["accuracy/clean"].value for row in several.measured if not row.flags)
    several_seeds = leaderboard.filter(datasets=[several.dataset], suites=[several.suite])
    assert f"**{100 * best:.1f}" in several_seeds.to_markdown()
    assert r"\textbf" in several_seeds.to_latex()
    assert several.crowned(several.row("bliss"))
    assert "**" not in leaderboard.filter(datasets=[single.dataset], suites=[single.suite]).to_markdown()
    assert "One seed: the trained networks are compared" in " ".join(captions(single))


@pytest.fixture(scope="module")
def matched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matched")
    for arm in (
        PretendArm("only"),
        PretendArm("timid", sharpness=0.7),
        PretendArm("better", skill=1.8, sharpness=0.7),
    ):
        for seed in (0, 1, 2):
            pretend_record(folder, arm, seed=seed, metrics=("accuracy", "confidence", "uu", "ece", "matched-uu"))
    return find_records([folder])


def test_timidity_neither_wins_nor_costs_where_errors_are_counted_at_matched_coverage(matched) -> None:
    board = build(matched, baselines=()).boards[0]
    assert (board.primary, board.counted) == ("matched_uu@0.65/deployed", "uu@0.65/deployed")
    timid, better = board.row("timid"), board.row("better")
    assert timid.differences[board.counted].high < 0
    assert (timid.rank, better.rank, timid.flags, better.flags) == (board.row("only").rank, 1, (), ())
    assert board.crowned(better)
    assert not board.crowned(timid)
    changed = compare(
        [one for one in matched if one.header.arm == "only"], [one for one in matched if one.header.arm == "timid"]
    )[0]
    assert changed.primary == board.primary
    assert changed.count("no longer confident") > changed.count(
        "repaired"
    )  # of unknown unknowns, not of matched errors


def test_a_suite_chooses_what_ranks(matched, tmp_path: Path) -> None:
    def ranked(primary: str):
        changed = [altered(one, tmp_path / f"{primary[:3]}{i}", primary=primary) for i, one in enumerate(matched)]
        return changed, build(changed, baselines=()).boards[0]

    changed, board = ranked("accuracy/clean")
    assert board.primary == "accuracy/clean"
    assert board.measured[0].arm == "better"
    assert "accuracy/clean; higher is better" in " ".join(captions(board))
    assert "points would have been missed" in " ".join(captions(board))
    _, board = ranked("acuracy/clean")
    assert {row.rank for row in board.rows} == {None}
    assert "ranks by acuracy/clean, which none of its metrics gives: no ranks. Did you mean" in board.notes[0]
    with pytest.raises(InputError, match=r"is ranked by .*, other records of its board by "):
        build([*changed[:5], matched[5]], baselines=())


def test_any_score_has_columns_of_its_difference_and_p(several) -> None:
    delta, p = chosen_columns(several, ["delta:accuracy/clean", "p:ece/clean"])[1:]
    row = several.row("bliss")
    assert delta.cell(several, row).startswith("+")
    assert p.cell(several, row) == p_text(row.differences["ece/clean"].p_holm)
    with pytest.raises(InputError, match=r"no column 'p:ece/clea'\. Did you mean 'p:ece/clean'"):
        chosen_columns(several, ["p:ece/clea"])


def test_filter_and_sort(leaderboard) -> None:
    films = leaderboard.filter(datasets=["films"], arms=["only", "bliss"])
    assert [[row.arm for row in board.rows] for board in films.boards] == [["bliss", "only"]]
    assert [row.arm for row in films.sort("arm", descending=True).boards[0].rows] == ["only", "bliss"]
    ordered = leaderboard.sort("confidence/clean").boards[0].measured
    values = [row.scores["confidence/clean"].value for row in ordered]
    assert values == sorted(values)
    assert [row.arm for row in leaderboard.sort("delta").boards[0].measured][-1] == "only"
    with pytest.raises(InputError, match=r"Did you mean 'films'\?"):
        leaderboard.filter(datasets=["film"])
    with pytest.raises(InputError, match="No row of the leaderboard"):
        leaderboard.filter(datasets=["films"], arms=["wldv"])
    with pytest.raises(InputError, match="cannot be sorted by 'acuracy/clean'"):
        leaderboard.sort("acuracy/clean")
    with pytest.raises(InputError, match="no column 'confidance'"):
        leaderboard.to_markdown(["confidance"])


def test_chosen_columns(leaderboard) -> None:
    text = leaderboard.to_markdown(["f1/clean", "rank"]).splitlines()[2]
    assert text == "| f1 clean | # | arm |"


def test_lm_eval_export(leaderboard, single, several) -> None:
    results = json.loads(lm_eval(leaderboard, "bliss"))
    assert set(results["results"]) == {"films", "mrpc"}
    films = results["results"]["films"]
    assert films["accuracy/clean,none"] == pytest.approx(single.row("bliss").scores["accuracy/clean"].value)
    assert 0 < films["accuracy/clean_stderr,none"] < 0.1
    assert results["higher_is_better"]["films"]["accuracy/clean"] is True
    assert results["higher_is_better"]["films"][PRIMARY] is False
    assert results["n-samples"]["mrpc"] == {"original": several.test, "effective": several.test}
    with pytest.raises(InputError, match="No measured arm is called 'wldv'"):
        lm_eval(leaderboard, "wldv")


def test_hugging_face_export(leaderboard, single) -> None:
    entries = YAML(typ="safe").load(hf_yaml(leaderboard.filter(datasets=["films"]), "timid"))
    by_score = {entry["dataset"]["task_id"]: entry for entry in entries}
    assert by_score[PRIMARY]["value"] == single.row("timid").scores[PRIMARY].value
    assert by_score[PRIMARY]["dataset"]["id"] == "films"
    assert "95 % interval" in by_score[PRIMARY]["notes"]
    assert "flagged: less confident" in by_score[PRIMARY]["notes"]


@pytest.mark.slow
def test_the_site_holds_the_board(records, folder: Path, tmp_path: Path) -> None:
    files = build_site([folder], tmp_path / "site", unchecked=True)
    assert [path.name for path in files] == ["index.html", "leaderboard.json", "leaderboard.csv", "leaderboard.md"]
    page = files[0].read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "bliss" in page
    first = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in build_site([folder], tmp_path / "site", unchecked=True)] == first
