"""Whatever happens to the files of a store, a run ends with the bytes that it would have ended with, and says what it found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import harness
from harness.commands.cache import show_cache
from harness.commands.plan import expected_usage
from harness.components.generator import Generator
from harness.components.usage import Usage
from harness.engines.demand import missing
from harness.running.runner import prepare
from harness.store import Store

KINDS = (
    "load", "fine-tune", "embed", "value", "elicit", "generate", "extend", "predict", "attack", "evaluate",
    "label-noise", "assess"
)  # fmt: skip
READ = ("load", "elicit", "extend", "evaluate", "assess")
"""What records and the boards of valuators are written from."""

BOARDS = ("leaderboard.md", "leaderboard.csv", "leaderboard.json")
SMALL = (
    ("metrics: [accuracy, confidence, uu, ece]", "metrics: [accuracy, confidence, uu]"),
    ("valuators:\n", "valuation: {noise: 0.25}\nvaluators:\n"),
    ("adversarial: adversarial", "adversarial: paid"),
    ("epochs: 6", "epochs: 2"),
)


class Paid(Generator):
    """The generator ``adversarial``, for money."""

    api_version: ClassVar[int] = 1

    def generate(self, uus: Any, task: Any, *, seed: int) -> Any:
        yield from harness.component("generator", "adversarial").generate(uus, task, seed=seed)
        yield Usage(requests=len(uus), prompt_tokens=100, completion_tokens=10, cost=0.25)

    def estimate(self, n_uus: int, task: Any, *, per_uu: int, mean_characters: float) -> Usage:
        return Usage(requests=n_uus, prompt_tokens=round(mean_characters), cost=0.25)


@pytest.fixture(autouse=True)
def paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the class above installable under the name ``paid``."""
    from importlib.metadata import EntryPoint

    from harness import registry as module

    installed = module.Registry()
    point = EntryPoint("paid", "acme:Paid", "harness.generators")
    entry = module.Entry("generator", "paid", "acme", "1.0", point)
    installed._entries = (*installed._entries, entry)
    installed._loaded[entry] = Paid
    monkeypatch.setattr(module, "_default", installed)


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def manifest(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "artifact.json").write_text(text, encoding="utf-8") and None


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        change(content)
        manifest(json.dumps(content))(folder)

    return edit


def payload(folder: Path) -> Path:
    """The largest of an artifact's own files."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "artifact.json"]
    return max(files, key=lambda path: (path.stat().st_size, path))


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "byte flipped": lambda folder: flipped(payload(folder)),
    "truncated": lambda folder: payload(folder).write_bytes(payload(folder).read_bytes()[:-1]),
    "file deleted": lambda folder: payload(folder).unlink(),
    "file empty": lambda folder: payload(folder).write_bytes(b""),
    "manifest null": manifest("null"),
    "manifest a list": manifest("[]"),
    "manifest without files": edited(lambda content: content.pop("files")),
    "manifest without meta": edited(lambda content: content.pop("meta")),
    "manifest with files of another type": edited(lambda content: content.update(files=[1])),
    "manifest with sizes of another type": edited(lambda content: content.update(files={"a": 1})),
    "manifest that climbs": edited(lambda content: content["files"].update({"../../x": {"sha256": "0", "size": 1}})),
    "manifest nested too deep": manifest("[" * 100_000),
    "manifest edited": edited(lambda content: content["meta"].update(seconds=1e6, usage={"requests": 10**6})),
    "manifest byte flipped": lambda folder: flipped(folder / "artifact.json"),
    "manifest gone": lambda folder: (folder / "artifact.json").unlink(),
    "folder gone": shutil.rmtree,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Holds a store that a run has filled, and what the run left behind, once a test has asked for it."""
    return {"folder": tmp_path_factory.mktemp("finished")}


class Case:
    """The finished store in a folder of the test's own."""

    def __init__(self, finished: dict[str, Any], suite: Any, folder: Path) -> None:
        self.suite, self.store, self.output = suite, folder / "store", folder / "runs"
        if "run" not in finished:
            finished["run"] = harness.run(suite, output=finished["folder"] / "runs", store=finished["folder"] / "store")
        self.first = finished["run"]
        assert not self.first.failures
        shutil.copytree(finished["folder"] / "store", self.store)
        self.stages = prepare(suite).stages()

    def folder(self, stage: Any) -> Path:
        return self.store / "artifacts" / stage.kind / stage.id

    def need(self, stage: Any) -> None:
        """Delete all that rests on a stage, so that it is needed."""
        for other in self.stages:
            if other.id != stage.id and stage.id in {up.id for up in other.closure()}:
                shutil.rmtree(self.folder(other), ignore_errors=True)

    def run_again(self) -> list[str]:
        """Run; everything has to be as it was. Gives the kinds of the artifacts that were said to be damaged."""
        run = harness.run(self.suite, output=self.output, store=self.store)
        assert not run.failures
        for name in BOARDS:
            assert (run.folder / name).read_bytes() == (self.first.folder / name).read_bytes()
        for record, before in zip(run.records, self.first.records, strict=True):
            for name in ("files", "artifacts", "counts", "data"):
                assert getattr(record.header, name) == getattr(before.header, name)
            assert spent(record) == spent(before)
        (again,), (report,) = run.valuations, self.first.valuations
        assert again.board.drop(columns=TIMES).equals(report.board.drop(columns=TIMES))
        lines = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
        return [line["kind"] for line in lines if line["event"] == "stage_damaged"]


TIMES = ["seconds", "peak_mb"]


def spent(record: Any) -> dict[str, float]:
    """What a record says was used, but for times."""
    return {name: amount for name, amount in record.header.usage.items() if not name.startswith("seconds/")}


@pytest.fixture
def case(finished: dict[str, Any], suite_file: Callable[..., Path], tmp_path: Path) -> Case:
    suite = harness.load_suite(suite_file(*SMALL)).restrict(arms=("bliss+wldv",))
    return Case(finished, suite, tmp_path)


PAIRS = [
    pytest.param(kind, damage, id=f"{kind}-{damage}")
    for row, kind in enumerate(KINDS)
    for column, damage in enumerate(DAMAGES)
    if (row + column) % 4 == 0
]
"""Each kind of stage with four damages, each damage with three kinds: what is damaged and how do not interact."""


@pytest.mark.parametrize(("kind", "damage"), PAIRS)
@pytest.mark.slow
def test_a_needed_artifact_is_computed_again(case: Case, kind: str, damage: str) -> None:
    stage = next(stage for stage in case.stages if stage.kind == kind)
    intact = payload(case.folder(stage)).read_bytes()
    case.need(stage)
    DAMAGES[damage](case.folder(stage))
    assert case.run_again() == ([] if damage == "folder gone" else [kind])
    assert payload(case.folder(stage)).read_bytes() == intact


@pytest.mark.parametrize("damage", [pytest.param(damage, marks=pytest.mark.slow) for damage in DAMAGES])
def test_what_records_are_written_from_is_computed_again(case: Case, damage: str) -> None:
    for stage in case.stages:
        if stage.kind in READ:
            DAMAGES[damage](case.folder(stage))
    assert sorted(case.run_again()) == ([] if damage == "folder gone" else sorted(READ))


def test_what_nobody_reads_may_be_damaged(case: Case) -> None:
    for stage in case.stages:
        if stage.kind not in READ:
            flipped(payload(case.folder(stage)))
    assert case.run_again() == []


def test_everything_damaged_at_once(case: Case) -> None:
    for position, stage in enumerate(case.stages):
        list(DAMAGES.values())[position % len(DAMAGES)](case.folder(stage))
    said = case.run_again()
    gone = sum(position % len(DAMAGES) == len(DAMAGES) - 1 for position in range(len(case.stages)))
    assert len(said) == len(case.stages) - gone


@pytest.mark.parametrize("kind", ["load", "elicit", "extend"])
def test_what_a_record_is_written_from_may_be_damaged_or_deleted_by_a_check(
    case: Case, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (stage,) = (stage for stage in case.stages if stage.kind == kind)
    flipped(payload(case.folder(stage)))
    show_cache(case.store, clear=False, verify=True)
    assert "is damaged" in capsys.readouterr().out
    assert not case.folder(stage).exists()
    assert case.run_again() == []
    flipped(payload(case.folder(stage)))
    case.output = case.output.with_name("once-more")
    assert case.run_again() == [kind]


def test_a_plan_counts_what_a_record_lacks(case: Case) -> None:
    (load,) = (stage for stage in case.stages if stage.kind == "load")
    shutil.rmtree(case.folder(load))
    wanted = missing(prepare(case.suite).targets(), Store(case.store, read_only=True))
    assert [stage.id for stage in wanted] == [load.id]
    assert case.run_again() == []


@pytest.mark.parametrize("damage", ["byte flipped", "manifest null", "folder gone"])
def test_a_plan_estimates_costs_whatever_happened_to_the_data(case: Case, damage: str) -> None:
    plan, store = prepare(case.suite), Store(case.store, read_only=True)
    needed = {stage.id for stage in case.stages if stage.kind == "generate"}
    before = expected_usage(plan, store, needed)
    (load,) = (stage for stage in case.stages if stage.kind == "load")
    DAMAGES[damage](case.folder(load))
    assert expected_usage(plan, Store(case.store, read_only=True), needed) == before != {}


def test_what_was_paid_is_known_as_long_as_anything_that_came_of_it(case: Case) -> None:
    assert case.first.records[0].header.usage["money"] == 0.25
    (generate,) = (stage for stage in case.stages if stage.kind == "generate")
    (evaluate,) = (stage for stage in case.stages if stage.kind == "evaluate")
    shutil.rmtree(case.folder(generate))
    assert case.run_again() == []  # the same usage, from the evaluation
    shutil.rmtree(case.folder(evaluate))
    assert case.run_again() == []  # from the extended training set
    assert not case.folder(generate).exists()


def test_a_record_says_that_what_was_paid_is_not_known_any_more(case: Case) -> None:
    """Stores of earlier versions keep the costs of a stage with that stage only."""
    for stage in case.stages:
        edited(lambda content: content["meta"].pop("rests_on"))(case.folder(stage))
        edited(lambda content: content.pop("sha256"))(case.folder(stage))
        edited(lambda content: content.update(format=1))(case.folder(stage))
    assert case.run_again() == []
    (generate,) = (stage for stage in case.stages if stage.kind == "generate")
    shutil.rmtree(case.folder(generate))
    run = harness.run(case.suite, output=case.output, store=case.store)
    assert not run.failures
    assert spent(run.records[0]) == {"lost": 1}
