"""Running suites: the six arms, caching, failures, damage, concurrency, and hard kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import harness
from harness.components import Attack, Metric, Valuator
from harness.engines import LocalEngine
from harness.observers.hooks import hookimpl

FILES = ("leaderboard.md", "leaderboard.csv", "leaderboard.json")


def boards(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "harness", *map(str, arguments)]


def test_six_arms_then_nothing_left_to_compute(run_tiny: Callable[..., Any]) -> None:
    first = run_tiny()
    assert not first.failures
    assert [record.header.arm for record in first.records] == ["only", "wldv", "ibs", "ibs+wldv", "bliss", "bliss+wldv"]
    for record in first.records:
        assert record.verify() == []
        assert record.header.data.train == 80
        assert {"accuracy/clean", "uu@0.65/perturbed", "uu@0.65/deployed", "ece/clean"} <= set(record.header.scores)
    extended = first.records[2].header
    assert extended.counts["uus"] == extended.counts["synthetic"] == extended.counts["uus_wanted"] == 4
    before = boards(first.folder)
    second = run_tiny()
    assert second.computed == 0
    assert boards(second.folder) == before


def test_arms_share_stages_and_a_new_arm_computes_only_its_own(run_tiny: Callable[..., Any]) -> None:
    few = run_tiny(("  wldv: {weights: dvrl}\n", ""), ("  bliss+wldv: ", "  extra: "), ("  bliss: ", "  other: "))
    more = run_tiny(("  bliss+wldv: ", "  extra: "), ("  bliss: ", "  other: "))
    assert few.computed > 20
    # values are there already; the new arm is fine-tuned, predicted twice, attacked and evaluated
    assert more.computed == 5


@pytest.mark.slow
def test_everything_but_time_is_the_same_in_another_store(run_tiny: Callable[..., Any]) -> None:
    one, two = run_tiny(), run_tiny(output="again", store="other")
    assert two.computed == one.computed > 0
    assert boards(one.folder) == boards(two.folder)
    for left, right in zip(one.records, two.records, strict=True):
        assert left.header.files == right.header.files
        assert left.header.artifacts == right.header.artifacts


def test_a_damaged_artifact_is_reported_and_computed_again(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    first = run_tiny(arms=("only",))
    before = boards(first.folder)
    artifact = tmp_path / "store" / "artifacts" / "evaluate" / first.records[0].header.artifacts["evaluate"]
    victim = artifact / "predictions.parquet"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0xFF
    victim.write_bytes(content)

    class Watch:
        def __init__(self) -> None:
            self.damaged: list[str] = []

        @hookimpl
        def stage_damaged(self, stage: Any) -> None:
            self.damaged.append(stage.kind)

    watch = Watch()
    second = run_tiny(arms=("only",), observers=[watch])
    assert watch.damaged == ["evaluate"]
    assert boards(second.folder) == before


def test_a_truncated_artifact_is_computed_again(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    first = run_tiny(arms=("only", "wldv"))
    before = boards(first.folder)
    for manifest in (tmp_path / "store" / "artifacts" / "evaluate").glob("*/artifact.json"):
        manifest.write_text("{", encoding="utf-8")
    second = run_tiny(arms=("only", "wldv"))
    assert second.computed == 2
    assert boards(second.folder) == before


@pytest.mark.slow
def test_two_runs_at_once_share_the_work_and_agree(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    suite = suite_file()
    both = [
        subprocess.Popen(
            command("run", suite, "--output", tmp_path / name, "--store", tmp_path / "store"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert boards(tmp_path / "one" / "tiny") == boards(tmp_path / "two" / "tiny")
    lines = [
        json.loads(x) for n in ("one", "two") for x in (tmp_path / n / "tiny" / "events.jsonl").read_text().splitlines()
    ]
    computed = [line["id"] for line in lines if line["event"] == "stage_finished"]
    assert len(computed) == len(set(computed))


def stages_finished(events: Path) -> int:
    """Stages that were finished, parts left out, as an event log says."""
    logged = map(json.loads, events.read_text(encoding="utf-8").splitlines())
    return sum(event["event"] == "stage_finished" and "part" not in event for event in logged)


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 9, 16])
def test_a_killed_run_goes_on_and_ends_with_the_same_board(
    run_tiny: Callable[..., Any], suite_file: Callable[..., Path], tmp_path: Path, after: int
) -> None:
    undisturbed = boards(run_tiny(output="calm", store="calm-store").folder)
    suite, events = suite_file(), tmp_path / "runs" / "tiny" / "events.jsonl"
    arguments = command("run", suite, "--output", tmp_path / "runs", "--store", tmp_path / "killed-store")
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if events.exists() and events.read_text().count('"stage_started"') >= after:
            break
        time.sleep(0.01)  # polling another process: there is nothing to wait on
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = stages_finished(events)
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert stages_finished(events) - finished <= 45 - (after - 1)
    assert boards(tmp_path / "runs" / "tiny") == undisturbed


def test_ctrl_c_says_that_nothing_is_lost(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    arguments = command("run", suite_file(), "--output", tmp_path / "runs", "--store", tmp_path / "store")
    process = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads; background jobs ignore it
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "fine-tune" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in {130, -signal.SIGINT}  # a shell calls both 130
    assert errors.strip().endswith("Interrupted. Finished stages are kept: the same command goes on from here.")
    assert "Traceback" not in errors
    assert list((tmp_path / "store" / "artifacts" / "load").iterdir())
    assert not list((tmp_path / "store" / "building").iterdir())


class Broken(Valuator):
    """Fails in the way it is told to."""

    api_version = 1
    how: str = "raise"

    def value(self, problem: Any, *, seed: int) -> Any:
        import numpy as np

        if self.how == "full disk":
            with Path("/dev/full").open("w", encoding="utf-8") as stream:
                stream.write("x" * 100_000)
        if self.how == "raise":
            raise RuntimeError("a fault in the plugin")
        if self.how == "exit":
            sys.exit("enough")
        return {"nan": np.full(problem.n_train, np.nan), "short": np.zeros(3), "zero": np.zeros(problem.n_train)}[
            self.how
        ]


class BrokenMetric(Metric):
    """Fails."""

    api_version = 1

    def score(self, outcome: Any) -> Any:
        return {"accuracy": 1 / 0}


class BrokenAttack(Attack):
    """Loses every example but the first."""

    api_version = 1

    def attack(self, victim: Any, examples: Any, *, seed: int) -> Any:
        return self.attack_each(victim, examples, seeds=[seed])

    def attack_each(self, victim: Any, examples: Any, *, seeds: Any) -> Any:
        return harness.component("attack", "none").attack_each(victim, examples[:1], seeds=seeds[:1])


class Nameless(Broken):
    """Does not know what it is."""

    def identity(self) -> dict[str, Any]:
        return {"how": object()}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the classes above installable under the name ``broken``, the last as ``nameless``."""
    from importlib.metadata import EntryPoint

    from harness import registry as module

    installed = module.Registry()
    classes = {
        ("valuator", "broken"): Broken,
        ("metric", "broken"): BrokenMetric,
        ("attack", "broken"): BrokenAttack,
        ("valuator", "nameless"): Nameless,
    }
    for (kind, name), cls in classes.items():
        point = EntryPoint(name, f"acme:{cls.__name__}", f"harness.{kind}s")
        entry = module.Entry(kind, name, "acme", "1.0", point)
        installed._entries = (*installed._entries, entry)
        installed._loaded[entry] = cls
    monkeypatch.setattr(module, "_default", installed)


@pytest.mark.parametrize(
    ("how", "message", "code"),
    [
        ("raise", "RuntimeError: a fault in the plugin", 1),
        ("nan", "returned 80 values of 80 that are NaN or infinite", 1),
        ("short", "returned an array of shape (3,) for 80 training examples", 1),
        ("zero", "No training example has a positive data value", 1),
        ("full disk", "No space left on the disk", 2),
    ],
)
@pytest.mark.usefixtures("broken")
def test_a_failing_stage_leaves_out_its_arms_only(
    run_tiny: Callable[..., Any], how: str, message: str, code: int
) -> None:
    from harness.running.runner import failed

    run = run_tiny(("{use: dvrl, iterations: 20}", f"{{use: broken, how: {how}}}"))
    assert {"only", "ibs"} <= {record.header.arm for record in run.records}
    assert len(run.records) < 6
    assert run.leaderboard is not None
    assert any(message in str(failure) for failure in run.failures)
    error = failed(run)
    assert error is not None
    assert error.exit_code == code
    assert "wldv" in str(error) or "value reviews · dvrl" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "arm", "message"),
    [
        (
            "{use: dvrl, iterations: 20}",
            "{use: broken, how: exit}",
            "wldv",
            "value reviews · dvrl · seed 0: The valuator acme/broken tried to end the process: SystemExit: enough",
        ),
        ("ece]", "broken]", "only", "The metric acme/broken failed: ZeroDivisionError"),
        (
            "attack: deepwordbug",
            "attack: broken\ntest_attack: none",
            "ibs",
            "attack training reviews · ibs · seed 0 · examples 21, 59, 40 …: The attack acme/broken returned 1 results for 16",
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("broken")
def test_a_fault_names_the_component(run_tiny: Callable[..., Any], old: str, new: str, arm: str, message: str) -> None:
    run = run_tiny((old, new), arms=(arm,))
    assert not run.records
    assert message in str(run.failures[0])


@pytest.mark.usefixtures("broken")
def test_a_component_that_cannot_be_identified_is_refused_before_any_work(
    run_tiny: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(harness.errors.InputError, match=r"valuators\.dvrl: .*acme/nameless.*not JSON serializable"):
        run_tiny(("{use: dvrl, iterations: 20}", "nameless"), arms=("wldv",))
    assert not (tmp_path / "runs").exists()


def test_a_failing_observer_is_reported_once_and_harms_nothing(run_tiny: Callable[..., Any]) -> None:
    class Bad:
        calls = 0

        @hookimpl
        def stage_started(self) -> None:
            Bad.calls += 1
            raise ValueError("tracker is down")

    said: list[str] = []
    run = run_tiny(arms=("only",), observers=[Bad()], complain=said.append)
    assert len(run.records) == 1
    assert Bad.calls == 1
    assert len(said) == 1
    assert "tracker is down" in said[0]


class Backwards(LocalEngine):
    """Settles the last target first."""

    def compute(self, targets: Any, observers: Any) -> Any:
        yield from super().compute(targets[::-1], observers)


class Forgetful(LocalEngine):
    """Settles all targets but the first."""

    def compute(self, targets: Any, observers: Any) -> Any:
        yield from super().compute(targets[1:], observers)


def test_records_are_written_in_the_order_of_the_plan(run_tiny: Callable[..., Any]) -> None:
    class Watch:
        arms: ClassVar[list[str]] = []

        @hookimpl
        def record_written(self, record: Any) -> None:
            Watch.arms.append(record.header.arm)

    arms = ("only", "wldv", "bliss")
    first = run_tiny(arms=arms)
    second = run_tiny(arms=arms, output="again", store="other", engine=Backwards, observers=[Watch()])
    assert not second.failures
    assert Watch.arms == [record.header.arm for record in second.records] == list(arms)
    assert second.computed == first.computed
    assert boards(second.folder) == boards(first.folder)
    for left, right in zip(first.records, second.records, strict=True):
        assert left.header.files == right.header.files


def test_an_engine_that_leaves_out_a_target_is_found_out(run_tiny: Callable[..., Any]) -> None:
    with pytest.raises(
        harness.errors.HarnessError, match="The engine Forgetful left out evaluate reviews · only · seed 0"
    ):
        run_tiny(arms=("only",), engine=Forgetful)


def test_a_store_that_cannot_be_written_will_do_when_everything_is_in_it(
    run_tiny: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, root = run_tiny(arms=("only",)), tmp_path / "store"
    paths = [root, *root.rglob("*")]
    before = sorted((path, path.stat().st_mtime_ns) for path in paths)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != root)  # what root is not told by the next line
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        second = run_tiny(arms=("only",), output="elsewhere")
        with pytest.raises(harness.errors.StoreError, match=r"No permission to write to .*store"):
            run_tiny(arms=("only", "wldv"), output="nowhere")
    finally:
        for path in paths:
            path.chmod(0o700)
    assert second.computed == 0
    assert boards(second.folder) == boards(first.folder)
    assert sorted((path, path.stat().st_mtime_ns) for path in [root, *root.rglob("*")]) == before
    assert not (tmp_path / "nowhere").exists()


def test_where_it_ran_is_where_the_classifier_was_fine_tuned(run_tiny: Callable[..., Any]) -> None:
    import torch

    threads = torch.get_num_threads()
    first = run_tiny(arms=("only",), threads=3)
    second = run_tiny(arms=("only",), output="again")
    assert torch.get_num_threads() == threads
    assert first.records[0].header.environment.threads == 3
    assert second.records[0].header.environment == first.records[0].header.environment


def test_output_that_cannot_be_written_is_refused_before_any_work(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file", encoding="utf-8")
    with pytest.raises(harness.errors.StoreError, match="occupied"):
        run_tiny(output="occupied")
    with pytest.raises(harness.errors.StoreError, match="occupied"):
        run_tiny(store="occupied")


@pytest.mark.slow
def test_no_run_replaces_the_records_of_another_plan(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    def run(*replacements: tuple[str, str], limit: int | None = None, arms: tuple[str, ...] = ("only", "wldv")) -> Any:
        suite = harness.load_suite(suite_file(("epochs: 6", "epochs: 1"), *replacements)).restrict(
            arms=arms, limit=limit
        )
        return harness.run(suite, output=tmp_path / "runs", store=tmp_path / "store")

    whole = run()
    before = {path: path.read_bytes() for path in whole.folder.rglob("*.parquet")}
    assert not whole.notes
    trial = run(arms=("only",), limit=16)
    assert trial.folder != whole.folder
    assert "other data, model, attack, metrics or thresholds" in trial.notes[0]
    assert run(arms=("only",), limit=16).folder == trial.folder
    other = run(("wldv: {weights: dvrl}", "wldv: {weights: dvrl, weights_normalisation: mean}"))
    assert other.folder not in {whole.folder, trial.folder}
    assert "arm wldv with other components or options" in other.notes[0]
    assert {path: path.read_bytes() for path in whole.folder.rglob("*.parquet")} == before
    again = run(arms=("only",))  # a part of the plan keeps the rows of the others, in every form
    assert again.folder == whole.folder
    assert "reviews/wldv/seed-0" in again.notes[0]
    assert [row.arm for row in again.leaderboard.boards[0].measured] == [
        row.arm for row in whole.leaderboard.boards[0].measured
    ]
    assert "wldv" in (again.folder / "leaderboard.md").read_text(encoding="utf-8")


def test_limits_arms_and_seeds_from_the_command_line(suite_file: Callable[..., Path], tmp_path: Path) -> None:
    done = subprocess.run(
        command("run", suite_file(), "--arm", "only", "--seed", 0, "--limit", 16, "--output", tmp_path / "runs", "--store",
                tmp_path / "store", "--set", "models.bert.epochs=1", "--quiet"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "only" in done.stdout
    header = json.loads((tmp_path / "runs/tiny/records/reviews/only/seed-0/record.json").read_text())
    assert header["data"]["train"] == header["data"]["test"] == 16
    assert header["components"]["model"]["options"]["epochs"] == 1


def test_assessing_valuators(run_tiny: Callable[..., Any]) -> None:
    run = run_tiny(
        ("valuators:\n", "valuation: {noise: 0.25}\nvaluators:\n  confidence: confidence\n  random: random\n"),
        ("seeds: [0]", "seeds: [0, 1]"),
        arms=("only",),
    )
    assert not run.failures
    (report,) = run.valuations
    board = report.board.set_index("valuator")
    assert set(board.index) == {"dvrl", "confidence", "random"}
    assert board.loc["confidence", "auroc"] > 0.8 > board.loc["random", "auroc"]
    assert board.loc["confidence", "fixed"], "no seed changes its values"
    assert not board.loc["random", "fixed"]
    assert abs(board.loc["random", "stability"]) < 0.9
    assert "confidence" in (run.folder / "valuators.md").read_text()
    assert 'id="data-1-agreement"' in (run.folder / "valuators.html").read_text()
    assert set(json.loads((run.folder / "valuators.json").read_text())[0]) == {
        "dataset",
        "noise",
        "points",
        "primary",
        "board",
        "runs",
        "stable",
        "agreement",
        "curves",
        "network_curves",
        "threshold",
    }


def test_a_fine_tuning_that_stopped_goes_on_and_leaves_nothing_behind(run_tiny, tmp_path, monkeypatch):
    from harness.models import keeping

    monkeypatch.setattr(keeping, "EVERY", 0.0)
    monkeypatch.setattr(keeping, "SHARE", 0)
    keep, done = keeping.Keeper.keep, []

    def stopped(self, state):
        keep(self, state)
        done.append(state.notes["done"])
        if len(done) == 7:
            raise RuntimeError("stopped")

    monkeypatch.setattr(keeping.Keeper, "keep", stopped)
    assert "stopped" in str(run_tiny(arms=("only",), jobs=1).failures)
    (folder,) = (tmp_path / "store" / "unfinished").iterdir()
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]
    run_tiny(arms=("only",), jobs=1)
    assert done == list(range(1, 60))
    assert not list((tmp_path / "store" / "unfinished").iterdir())
    run_tiny(arms=("only",), jobs=1, store="another")
    artifacts = [
        sorted(
            path
            for path in (tmp_path / store / "artifacts").rglob("*")
            if path.is_file() and path.name != "artifact.json"
        )
        for store in ("store", "another")
    ]
    assert len(artifacts[0]) == len(artifacts[1]) > 3
    for one, other in zip(*artifacts, strict=True):
        assert one.read_bytes() == other.read_bytes()
