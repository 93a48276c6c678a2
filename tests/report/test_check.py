"""Checks of submissions, comparisons of two arms, and the commands for both."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from scipy import stats
from statsmodels.stats.multitest import multipletests
from typer.testing import CliRunner

from harness.commands.compare import compare as compare_command
from harness.commands.leaderboard import leaderboard_app
from harness.errors import HarnessError, InputError
from harness.records.model import HEADER, RecordFolder, find_records
from harness.records.writer import write_record
from harness.report.check import check_records as check
from harness.report.comparing import compare
from harness.report.sides import KINDS
from harness.testing.records import PretendArm, pretend_record

PRIMARY = "uu@0.65/deployed"
METRICS = ("accuracy", "uu", "ece", "attack", "matched-uu")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("submission")
    for arm in (PretendArm("only"), PretendArm("bliss", skill=1.6, robustness=0.4)):
        for seed in (0, 1):
            record = pretend_record(
                root, arm, seed=seed, size=120, metrics=("accuracy", "uu", "ece", "attack"), resamples=4
            )
            assert record.verify() == []
    return root


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, tmp_path / "copy"))


def one(root: Path, arm: str = "bliss", seed: int = 0) -> RecordFolder:
    return next(r for r in find_records([root]) if (r.header.arm, r.header.seed) == (arm, seed))


def rewrite(record: RecordFolder, frames: dict | None = None, *, drop: tuple[str, ...] = (), **changes) -> RecordFolder:
    """The record with other content and honest digests: what somebody who cheats with care would submit."""
    names = [name.removesuffix(".parquet") for name in record.header.files]
    kept = {name: record.frame(name) for name in names if name not in drop} | (frames or {})
    return write_record(record.folder, record.header.model_copy(update=changes), kept)


def score(record: RecordFolder, name: str, value: float) -> dict:
    return record.header.scores | {name: record.header.scores[name].model_copy(update={"value": value})}


def test_an_honest_submission_passes(folder: Path) -> None:
    report = check([folder])
    assert report.ok, report.problems
    assert report.records == 4
    assert report.scores == sum(len(record.header.scores) for record in find_records([folder]))
    assert report.notes == []


def test_every_tampered_score_is_found(copy: Path) -> None:
    record = one(copy)
    for name in ("accuracy/clean", PRIMARY, "ece/clean", "attack_queries"):
        value = record.header.scores[name].value
        rewrite(record, scores=score(record, name, value * 0.99))
        (problem,) = check([copy]).problems
        assert f"{name} is given as" in problem
        assert "the predictions say" in problem
        assert str(record.folder) in problem


def tampered(frame: pd.DataFrame, column: str, row: int, value) -> pd.DataFrame:
    changed = frame.copy()
    changed.loc[row, column] = value
    return changed


@pytest.mark.parametrize(
    ("name", "column", "change", "message"),
    [
        ("predictions", "label", lambda v: 1 - v, "contradicts the probabilities"),
        ("predictions", "label", lambda v: 7, r"labels must lie in 0\.\.1"),
        ("predictions", "prob_0", lambda v: v + 0.1, "no probabilities that sum to 1"),
        ("predictions", "perturbed_prob_1", lambda v: float("nan"), "no probabilities that sum to 1"),
        (
            "predictions",
            "status",
            lambda v: "failed" if v != "failed" else "succeeded",
            "contradicts the probabilities",
        ),
        ("predictions", "id", lambda v: "test/1", "occurs twice"),
        ("predictions", "cluster", lambda v: "another", "does not follow from the texts"),
        ("per_example", PRIMARY, lambda v: not v, f"{PRIMARY} is not what the predictions say"),
        ("replicates", "ece/clean", lambda v: v / 2, "ece/clean is not what the resamples"),
        ("predictions", "prob_0", lambda v: v + 1e-4, r"row 0 \(test/0\): .*sums to "),
        ("validation", "prob_1", lambda v: -1.0, "no probabilities that sum to 1"),
    ],
)
def test_tampered_files_are_found(copy: Path, name: str, column: str, change, message: str) -> None:
    record = one(copy)
    frame = record.frame(name)
    rewrite(record, {name: tampered(frame, column, 0, change(frame[column].iloc[0]))})
    report = check([copy])
    assert not report.ok
    assert any(pd.Series([problem]).str.contains(message).all() for problem in report.problems), report.problems


def test_broken_files_are_found(copy: Path) -> None:
    record = one(copy)
    (record.folder / "texts.parquet").unlink()
    (record.folder / "extra.parquet").write_bytes(b"")
    path = one(copy, "only").folder / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    newer = one(copy, seed=1).folder / HEADER
    newer.write_text(json.dumps(json.loads(newer.read_text()) | {"schema_version": 9}))
    problems = "\n".join(check([copy]).problems)
    for message in (
        "texts.parquet: missing",
        "extra.parquet: is not listed",
        "differs from the digest",
        "newer than the 1",
    ):
        assert message in problems


def test_missing_rows_scores_and_files_are_found(copy: Path) -> None:
    record = one(copy)
    without = {name: found for name, found in record.header.scores.items() if name != "mcc/clean"}
    rewrite(record, drop=("per_example",), scores=without)
    assert any("per_example.parquet is missing" in problem for problem in check([copy]).problems)
    other = one(copy, seed=1)
    rewrite(other, scores=without | {"invented": without["f1/clean"]})
    problems = "\n".join(check([other.folder]).problems)
    assert "the score 'mcc/clean' is missing" in problems
    assert "metric accuracy gives no score 'invented'" in problems


def test_a_changed_suite_and_other_data_are_found(copy: Path) -> None:
    rewrite(one(copy), board="another")
    assert any("the suite 'pretend' was changed" in problem for problem in check([copy]).problems)
    record = one(copy)
    data = record.header.data.model_copy(update={"fingerprint": "other"})
    rewrite(record, board=one(copy, "only").header.board, data=data)
    assert any("made from different data" in problem for problem in check([copy]).problems)


def test_records_of_the_named_suite(copy: Path, tmp_path: Path) -> None:
    from harness import load_suite
    from harness.plan import make_plan

    path = tmp_path / "suite.yaml"
    quickstart = (Path(__file__).parents[2] / "suites" / "quickstart.yaml").read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^metrics: .*", "metrics: [accuracy, uu, ece, attack]", quickstart), encoding="utf-8")
    cell = make_plan(load_suite(path)).cells[0]
    components = dict(cell.components)
    attack, data = components["test_attack"], components["dataset"]
    shorter = attack.model_copy(update={"options": attack.options | {"max_queries": 5}})
    elsewhere = data.model_copy(update={"digests": {"file": "another"}})
    shared = {"suite": "quickstart", "dataset": cell.dataset, "board": cell.board, "components": components}
    right = shared | {"arm_definition": dict(cell.definition)}
    record = rewrite(one(copy, "only"), **right)
    assert check([record.folder], suite=path).problems == []
    for change, message in (
        ({"board": "changed"}, "was made by a changed suite (board changed"),
        (
            {"board": "changed", "components": components | {"test_attack": shorter}},
            "changed suite: test_attack: max_queries is 5, there None (board",
        ),
        ({"board": "changed", "components": components | {"dataset": elsewhere}}, "was made with data from elsewhere"),
        ({"dataset": "other"}, "has no data set 'other'"),
        ({"suite": "mine"}, "No record is of the suite 'quickstart'"),
    ):
        rewrite(record, **(right | change))
        report = check([record.folder], suite=path)
        (problem,) = report.problems
        assert message in problem
        assert any("HARNESS_DATA" in note for note in report.notes) == ("elsewhere" in message)


def test_arms_of_the_suite_have_its_options(copy: Path, tmp_path: Path) -> None:
    from harness import load_suite
    from harness.plan import make_plan

    path = tmp_path / "suite.yaml"
    quickstart = (Path(__file__).parents[2] / "suites" / "quickstart.yaml").read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^metrics: .*", "metrics: [accuracy, uu, ece, attack]", quickstart), encoding="utf-8")
    cells = {cell.arm: cell for cell in make_plan(load_suite(path)).cells}
    for arm, cell in (("only", cells["only"]), ("bliss", cells["bliss"])):
        same = {"suite": "quickstart", "dataset": cell.dataset, "board": cell.board}
        for seed in (0, 1):
            rewrite(
                one(copy, arm, seed), components=dict(cell.components), arm_definition=dict(cell.definition), **same
            )
    assert check([copy], suite=path).ok
    values = cells["bliss"].components["selector_values"]
    cheaper = values.model_copy(update={"options": values.options | {"iterations": 7}})
    rewrite(one(copy), components=dict(cells["bliss"].components) | {"selector_values": cheaper})
    (problem,) = check([copy], suite=path).problems
    assert "arm 'bliss' is not that of" in problem
    assert "selector_values: iterations is 7, there" in problem
    for seed in (0, 1):
        rewrite(one(copy, "bliss", seed), components=dict(cells["bliss"].components), arm="mine")
    report = check([copy], suite=path)
    assert report.ok, "an arm that the suite does not have is somebody's own"
    assert any("Arm 'mine' is not of" in note for note in report.notes)


def test_a_submission_has_the_baseline_and_two_seeds(copy: Path) -> None:
    import shutil

    shutil.rmtree(one(copy, "bliss", 1).folder)
    (problem,) = check([copy]).lacking
    assert "arm 'bliss' has 1 seed, of at least 2" in problem
    shutil.rmtree(one(copy, "only", 0).folder)
    assert any("arm 'bliss' has seed 0, which the baseline 'only' has not" in p for p in check([copy]).lacking)
    shutil.rmtree(one(copy, "only", 1).folder)
    assert any("the baseline arm 'only' is missing" in p for p in check([copy]).lacking)


def test_the_site_says_of_each_score_whether_it_was_computed_again(copy: Path, tmp_path: Path) -> None:
    from harness.report.site import build_site

    build_site([copy], tmp_path / "all")
    assert "Checked: every figure was computed again" in (tmp_path / "all/index.html").read_text()
    for record in find_records([copy]):
        rewrite(record, drop=("texts",))
    build_site([copy], tmp_path / "some")
    page = (tmp_path / "some/index.html").read_text()
    assert "claimed: Attack success rate" in page
    assert page.count('">claimed</span>') == len([n for n in one(copy).header.scores if n.startswith("attack_")])
    assert "Again: harness run suites/pretend.yaml --dataset pretend --arm bliss --seed 0" in page


def test_texts_may_be_left_out_and_the_rest_is_still_checked(copy: Path) -> None:
    record = rewrite(one(copy), drop=("texts",))
    report = check([record.folder])
    assert report.problems == []
    assert report.notes == ["metric attack was not computed again: needs the texts, which this record leaves out."]
    rewrite(record, scores=score(record, "uu@0.8/clean", 77.0))
    assert any("uu@0.8/clean is given as 77" in problem for problem in check([record.folder]).problems)


def test_metrics_that_need_the_baseline_are_recomputed_beside_it(tmp_path: Path) -> None:
    record = pretend_record(tmp_path, PretendArm("only"), size=80, metrics=("matched-uu",), resamples=2)
    assert check([tmp_path]).scores == len(record.header.scores)
    arm = pretend_record(tmp_path / "x", PretendArm("bliss"), size=80, metrics=("matched-uu",), resamples=2)
    assert "needs the record of arm 'only'" in check([arm.folder]).notes[0]


def test_comparison_down_to_the_examples(folder: Path) -> None:
    a, b = ([r for r in find_records([folder]) if r.header.arm == arm] for arm in ("only", "bliss"))
    (found,) = compare(a, b)
    assert (found.a, found.b, found.seeds, found.primary) == ("only", "bliss", (0, 1), PRIMARY)
    by_name = {one.name: one for one in found.scores}
    totals = [sum(r.header.scores[PRIMARY].value for r in side) for side in (a, b)]
    lost, won = (sum(found.count(kind) for kind in pair) for pair in (KINDS[:2], KINDS[2:]))
    assert lost - won == totals[0] - totals[1]
    assert {change.change for change in found.changes} >= {"repaired", "no longer confident", "newly confident"}
    assert by_name[PRIMARY].difference.value == pytest.approx((totals[1] - totals[0]) / 2)
    for change in found.changes:
        wrong = (
            (change.predicted_a, change.confidence_a)
            if change.change in KINDS[:2]
            else (
                change.predicted_b,
                change.confidence_b,
            )
        )
        assert wrong[0] != change.label
        assert wrong[1] >= 0.65 - 1e-6
        other = (
            (change.predicted_b, change.confidence_b)
            if change.change in KINDS[:2]
            else (change.predicted_a, change.confidence_a)
        )
        assert (other[0] == change.label) == (change.change in {"repaired", "broken"})
        assert other[0] == change.label or other[1] < 0.65
        assert change.text.startswith("review")
    (back,) = compare(b, a)
    assert [back.count(kind) for kind in (*KINDS[2:], *KINDS[:2])] == [found.count(kind) for kind in KINDS]
    reverse = next(one for one in back.scores if one.name == PRIMARY).difference
    assert (reverse.value, reverse.p) == (
        -by_name[PRIMARY].difference.value,
        pytest.approx(by_name[PRIMARY].difference.p),
    )
    assert set(found.to_pandas()["score"]) == set(by_name)


def test_a_comparison_is_what_its_contributions_say(tmp_path: Path) -> None:
    n = 240
    a, b = (
        pretend_record(tmp_path, PretendArm(name, skill=skill), size=n) for name, skill in (("only", 1.0), ("new", 1.4))
    )
    (found,) = compare([a], [b])
    decomposing = [one for one in found.scores if one.name in a.header.scores and a.header.scores[one.name].decomposes]
    assert len(decomposing) >= 16
    draws = np.random.default_rng(11).multinomial(n, np.full(n, 1 / n), size=3000)  # other draws than the board's
    for one in decomposing:
        left, right = (record.frame("per_example")[one.name].to_numpy(dtype=float) for record in (a, b))
        scale = n if a.header.scores[one.name].total else 1
        means = []
        for part in (left, right):
            counts = ~np.isnan(part)
            means.append((draws @ np.where(counts, part, 0)) / (draws @ counts))
        difference = scale * (np.nanmean(right) - np.nanmean(left))
        error = scale * (means[1] - means[0]).std(ddof=1)
        assert one.difference.value == pytest.approx(difference, abs=1e-6 * scale)
        reach = stats.t.ppf(0.975, n - 1) * error
        if error == 0:
            continue
        assert (one.difference.low, one.difference.high) == pytest.approx(
            (difference - reach, difference + reach), abs=0.1 * reach
        )
        if one.name == PRIMARY:
            only = [int(((left == 1) & (right == 0)).sum()), int(((left == 0) & (right == 1)).sum())]
            assert one.difference.p == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
            assert one.difference.p_holm == one.difference.p
        else:
            statistic = abs(difference) / error
            low, high = (2 * stats.t.sf(statistic * factor, n - 1) for factor in (1.1, 0.9))
            assert low <= one.difference.p <= high
    family = [one for one in found.scores if one.name != PRIMARY and one.info.better and one.difference.p is not None]
    adjusted = multipletests([one.difference.p for one in family], method="holm")[1]
    assert [one.difference.p_holm for one in family] == pytest.approx(list(adjusted))


def test_what_cannot_be_compared(folder: Path, tmp_path: Path) -> None:
    records = find_records([folder])
    only = [r for r in records if r.header.arm == "only"]
    with pytest.raises(InputError, match="several arms"):
        compare(only, records)
    with pytest.raises(InputError, match="Both sides are arm 'only'"):
        compare(only, only)
    bliss = [r for r in records if r.header.arm == "bliss"]
    with pytest.raises(InputError, match="no seed in common"):
        compare(only[:1], bliss[1:])
    other = pretend_record(tmp_path, PretendArm("bliss"), suite="another", size=20, metrics=("uu",))
    with pytest.raises(InputError, match="Nothing to compare"):
        compare(only, [other])


app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(leaderboard_app, name="leaderboard")
app.command("compare")(compare_command)


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("form", "start"),
    [
        ("table", "pretend · suite pretend"),
        ("markdown", "### pretend"),
        ("csv", "suite,board,dataset"),
        ("json", "{"),
        ("latex", "% needs"),
        ("html", "<!doctype html>"),
    ],
)
def test_leaderboard_command_in_every_format(folder: Path, tmp_path: Path, form: str, start: str) -> None:
    printed = invoke("leaderboard", folder, "--format", form)
    assert printed.exit_code == 0, printed.output
    assert printed.stdout.lstrip().startswith(start)
    written = invoke("leaderboard", folder, "--format", form, "--output", tmp_path / "deep" / "file")
    assert written.exit_code == 0
    assert (tmp_path / "deep" / "file").read_text(encoding="utf-8").lstrip().startswith(start)


def test_leaderboard_command_options(folder: Path, tmp_path: Path) -> None:
    text = invoke(
        "leaderboard", folder, "--sort", "arm", "--arm", "only", "--columns", "f1/clean,seeds", "--intervals"
    ).stdout
    assert "bliss" not in text
    assert "f1" in text
    assert isinstance(invoke("leaderboard", folder, "--dataset", "nope").exception, InputError)
    several = invoke("leaderboard", folder, "--format", "lm-eval").exception
    assert isinstance(several, InputError)
    assert "--arm" in (several.hint or "")
    assert invoke("leaderboard", folder, "--format", "hf-yaml", "--output", tmp_path / "hub").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == ["bliss.yaml", "only.yaml"]


def test_reported_figures_on_their_own(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "paper.json"
    entries = [{"dataset": "pretend", "arm": "theirs", "scores": {"accuracy/clean": 0.9}}]
    path.write_text(json.dumps({"name": "paper", "citation": "Somebody (2020)", "entries": entries}))
    assert "Reported figures only" in invoke("leaderboard", path).stdout
    beside = invoke("leaderboard", folder, path).stdout
    assert "theirs †" in beside
    assert "Reported figures only" not in beside


def test_check_and_site_commands(folder: Path, copy: Path, tmp_path: Path) -> None:
    fine = invoke("leaderboard", "check", folder)
    assert fine.exit_code == 0
    assert "Nothing wrong in 4 records" in fine.stdout
    record = one(copy)
    rewrite(record, scores=score(record, "accuracy/clean", 1.0))
    wrong = invoke("leaderboard", "check", copy)
    assert isinstance(wrong.exception, HarnessError)
    assert wrong.exception.exit_code == 1
    assert "accuracy/clean is given as 1, but the predictions say" in wrong.stdout
    assert invoke("leaderboard", "site", folder, "--output", tmp_path / "site").exit_code == 0
    assert (tmp_path / "site" / "index.html").exists()
    refused = invoke("leaderboard", "site", copy, "--output", tmp_path / "wrong")
    assert isinstance(refused.exception, InputError)
    assert "Nothing is published, because the records do not pass the check" in str(refused.exception)
    assert not (tmp_path / "wrong").exists()
    assert invoke("leaderboard", "site", copy, "--output", tmp_path / "wrong", "--unchecked").exit_code == 0
    assert "Measured results, not checked" in (tmp_path / "wrong" / "index.html").read_text(encoding="utf-8")
    printed = invoke("leaderboard", "check", copy, "--json")
    assert printed.exit_code == 1
    assert json.loads(printed.stdout)["problems"] == [
        line.removeprefix("problem: ") for line in wrong.stdout.splitlines()[:1]
    ]
    strict = invoke("leaderboard", "check", folder, "--strict")
    assert (strict.exit_code == 0) == (not json.loads(invoke("leaderboard", "check", folder, "--json").stdout)["notes"])


def test_pack_command(folder: Path, tmp_path: Path) -> None:
    assert invoke("leaderboard", "pack", folder, "--output", tmp_path / "all").exit_code == 0
    for record in find_records([tmp_path / "all"]):
        assert record.header == one(folder, record.header.arm, record.header.seed).header
    assert invoke("leaderboard", "pack", folder, "--no-texts", "--output", tmp_path / "bare").exit_code == 0
    kept = {name for record in find_records([tmp_path / "bare"]) for name in record.header.files}
    assert kept == {f"{name}.parquet" for name in ("predictions", "validation", "per_example", "replicates")}
    assert check([tmp_path / "bare"]).ok
    twice = invoke("leaderboard", "pack", folder, tmp_path / "all", "--output", tmp_path / "twice")
    assert isinstance(twice.exception, InputError)


def test_compare_command(folder: Path) -> None:
    table = invoke("compare", f"{folder}:only", folder / "pretend" / "bliss")
    assert table.exit_code == 0, table.output
    assert "are repaired (right now)" in " ".join(table.stdout.split())
    payload = json.loads(invoke("compare", f"{folder}:only", f"{folder}:bliss", "--format", "json").stdout)
    assert payload[0]["changes"]
    lines = invoke("compare", f"{folder}:only", f"{folder}:bliss", "--format", "csv").stdout.splitlines()
    assert len(lines) == 1 + len(payload[0]["changes"])
    unknown = invoke("compare", f"{folder}:only", f"{folder}:blis").exception
    assert isinstance(unknown, InputError)
    assert "Did you mean 'bliss'?" in unknown.message
