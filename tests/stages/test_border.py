"""What plugins are given cannot be written to; what they return is checked where a stage takes it; their faults name them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from harness.border.frozen import frozen
from harness.components import (
    AdaptiveSelector,
    Attack,
    AttackedTest,
    AttackResult,
    AttackStatus,
    Dataset,
    DatasetSource,
    Example,
    GenerationTask,
    Generator,
    Metric,
    Model,
    Outcome,
    Rejected,
    Score,
    Scores,
    Selector,
    SyntheticExample,
    Task,
    UnknownUnknown,
    Usage,
    ValuationProblem,
    Valuator,
)
from harness.datasets import fingerprint
from harness.engines.base import StageError
from harness.engines.local import LocalEngine
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.registry import registry, use
from harness.stages.assess import Assess
from harness.stages.attack_test import AttackTest
from harness.stages.base import Configured, Context, Inputs, Stage
from harness.stages.contents.arrays import Embeddings, Probabilities, Values
from harness.stages.contents.attacks import ElicitationCounts, ElicitedUnknowns
from harness.stages.contents.base import Content
from harness.stages.contents.classifier import TrainedClassifier
from harness.stages.contents.data import CorruptedData, LoadedData
from harness.stages.elicit import Elicit
from harness.stages.embed import Embed
from harness.stages.evaluate import Evaluate, OutcomeStages
from harness.stages.fine_tune import FineTune
from harness.stages.generate import Generate
from harness.stages.load import Load
from harness.stages.predict import Predict
from harness.stages.value import Value
from harness.store.store import Store
from harness.testing.classifier import WordClassifier, reviews

TRAIN, VALIDATION, TEST = reviews(30), reviews(10, seed=1), reviews(12, seed=2)
DATA = Dataset(Task("reviews", ("negative", "positive"), ("review",)), TRAIN, VALIDATION, TEST)
CLASSIFIER = WordClassifier.fit(TRAIN)
ODD: dict[str, Any] = {}
"""What the components below do instead of what they should, by the option ``how``: functions, by the name of the case."""


def texts(examples: list[Example]) -> list[Any]:
    return [example.texts for example in examples]


# Stages that hold what a test gives them.


@dataclass(frozen=True, eq=False)
class Holding(Stage[Content]):
    """A content that is there already."""

    kind: ClassVar[str] = "holding"
    gives: ClassVar = Content

    name: str
    content: Content

    def options(self) -> dict[str, Any]:
        return {"name": self.name}

    def compute(self, inputs: Inputs, context: Context) -> Content:
        return self.content


def holding(name: str, content: Any) -> Any:
    stage = type(f"Holding{type(content).__name__}", (Holding,), {"gives": type(content), "__module__": __name__})
    return stage(name, name, content)


LOAD = holding("load", LoadedData.of(DATA, fingerprint(DATA)))
CORRUPT = holding(
    "corrupt", CorruptedData(**vars(LoadedData.of(DATA, fingerprint(DATA))), noisy=np.arange(len(TRAIN)) % 3 == 0)
)
CLASSIFIED = holding("classified", TrainedClassifier(CLASSIFIER))
TRAIN_X, VALIDATION_X, TEST_X = (
    holding(f"embedded {name}", Embeddings(CLASSIFIER.embed(texts(split))))
    for name, split in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST))
)
TRAIN_P, VALIDATION_P, TEST_P = (
    holding(f"predicted {name}", Probabilities(CLASSIFIER.predict_proba(texts(split))))
    for name, split in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST))
)
VALUED = holding("valued", Values(np.linspace(0.1, 1, len(TRAIN))))
WRONG = np.asarray([0.9, 0.1], dtype=np.float32)
UUS = holding(
    "uus",
    ElicitedUnknowns.of(
        [UnknownUnknown(TRAIN[i], f"{TRAIN[i].text} x", WRONG, WRONG[::-1].copy(), i, 3) for i in (2, 4)],
        ElicitationCounts(5, 2, 9, 2, 2, len(TRAIN)),
    ),
)
ATTACKED = AttackedTest(
    ["failed"] * len(TEST),
    texts(TEST),
    CLASSIFIER.predict_proba(texts(TEST)),
    np.ones(len(TEST), dtype=np.int64),
)


# Components that do what they are told: keep their contract, or what ODD says.


class OddSource(DatasetSource):
    """Reviews."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def load(self, *, seed: int) -> Any:
        return ODD[self.how](DATA) if self.how in ODD else DATA


class OddModel(Model):
    """Words."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def fine_tune(self, train: Any, *, num_labels: int, seed: int, weights: Any = None) -> Any:
        return ODD[self.how](train, weights) if self.how in ODD else WordClassifier.fit(train)

    def load(self, folder: Path) -> Any:
        found: Any = WordClassifier.read(folder)
        if self.how in ODD:
            wrong = ODD[self.how]
            found.predict_proba = lambda asked: wrong(CLASSIFIER.predict_proba(asked))
        return found

    def embed(self, asked: Any) -> Any:
        rows = CLASSIFIER.embed(asked)
        return ODD[self.how](rows) if self.how in ODD else rows


class OddValuator(Valuator):
    """One value for all."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def value(self, problem: ValuationProblem, *, seed: int) -> Any:
        return ODD[self.how](problem) if self.how in ODD else np.linspace(0, 1, problem.n_train)


class OddSelector(Selector):
    """The order that there is."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"embeddings", "probs", "values"})
    how: str = "well"

    def order(self, problem: Any, *, seed: int) -> Any:
        return ODD[self.how](problem) if self.how in ODD else np.arange(len(problem.train))


class OddSearch(AdaptiveSelector):
    """Asks twice."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def search(self, problem: Any, *, seed: int) -> Any:
        return _Search(ODD[self.how])


class _Search:
    def __init__(self, batches: Any) -> None:
        self._batches = [np.asarray(batch) for batch in batches] + [np.zeros(0, dtype=np.int64)]

    def ask(self) -> Any:
        return self._batches.pop(0)

    def tell(self, indices: Any, found: Any) -> None:
        assert len(indices) == len(found)


def attempted(victim: Any, example: Example, word: str = "x") -> AttackResult:
    perturbed = f"{example.text} {word}"
    before, after = victim.predict_proba([example.texts, perturbed])
    right, still = int(before.argmax()) == example.label, int(after.argmax()) == example.label
    if not right:
        return AttackResult(example.texts, example.texts, example.label, AttackStatus.SKIPPED, 1, before, before)
    status = AttackStatus.FAILED if still else AttackStatus.SUCCEEDED
    return AttackResult(example.texts, perturbed, example.label, status, 2, before, after)


class OddAttack(Attack):
    """Adds a word."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def attack(self, victim: Any, examples: Any, *, seed: int) -> Iterator[Any]:
        return self.attack_each(victim, examples, seeds=[seed])

    def attack_each(self, victim: Any, examples: Any, *, seeds: Any) -> Iterator[Any]:
        results = [attempted(victim, examples[i]) for i in range(len(examples))]
        yield from ODD[self.how](results) if self.how in ODD else results


class OddGenerator(Generator):
    """Repeats."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def generate(self, uus: Any, task: GenerationTask, *, seed: int) -> Iterator[Any]:
        made = [SyntheticExample(Example(uu.perturbed, uu.example.label), i, "exploit") for i, uu in enumerate(uus)]
        yield from ODD[self.how](made, uus, task) if self.how in ODD else made
        yield Usage(requests=1)


class OddMetric(Metric):
    """Accuracy."""

    api_version: ClassVar[int] = 1
    how: str = "well"

    def score(self, outcome: Outcome) -> Any:
        hits = outcome.probs.argmax(axis=1) == outcome.labels
        good = Scores({"hits": Score(float(hits.mean()), "higher", 0, 1, hits), "share": Score(0.5)})
        return ODD[self.how](outcome, good) if self.how in ODD else good


COMPONENTS: dict[str, type] = {
    "source": OddSource,
    "model": OddModel,
    "valuator": OddValuator,
    "selector": OddSelector,
    "search": OddSearch,
    "attack": OddAttack,
    "generator": OddGenerator,
    "metric": OddMetric,
}


@pytest.fixture(autouse=True, scope="module")
def own_registry() -> Iterator[None]:
    """Components that are added here stay here."""
    use(None)
    yield
    use(None)


@pytest.fixture(autouse=True)
def nothing_odd() -> Iterator[None]:
    """Every test says what is odd."""
    yield
    ODD.clear()


def odd(which: str, how: str = "well") -> Configured[Any]:
    cls: Any = COMPONENTS[which]
    entry = registry().add(cls.kind, "odd", cls)
    return Configured(registry().create(cls.kind, "odd", {"how": how}), entry)


def stage(step: str, how: str = "well") -> Stage[Any]:
    """A stage that calls a component, which does its task ``how``."""
    model = odd("model")
    match step:
        case "load":
            return Load(step, "reviews", odd("source", how), {}, 0)
        case "fine-tune":
            return FineTune(step, LOAD, odd("model", how), 0, values=VALUED)
        case "predict":
            return Predict(step, LOAD, "test", odd("model", how), CLASSIFIED)
        case "embed":
            return Embed(step, LOAD, "test", odd("model", how))
        case "value":
            return Value(step, LOAD, TRAIN_X, VALIDATION_X, odd("valuator", how), 0)
        case "assess":
            return Assess(step, CORRUPT, TRAIN_X, VALIDATION_X, TEST_X, odd("valuator", how), (0.0, 0.5), 0)
        case "select" | "search":
            selector = odd("selector" if step == "select" else "search", how)
            known = {"values": VALUED, "embeddings": TRAIN_X, "predictions": TRAIN_P}
            return Elicit(step, LOAD, model, CLASSIFIED, odd("attack"), selector, 1.0, 0.6, 0, 0, **known)
        case "elicit":
            return Elicit(step, LOAD, model, CLASSIFIED, odd("attack", how), odd("selector"), 1.0, 0.6, 0, 0)
        case "attack":
            return AttackTest(step, LOAD, model, CLASSIFIED, odd("attack", how), 0)
        case "generate":
            return Generate(step, LOAD, model, CLASSIFIED, TRAIN_X, UUS, odd("generator", how), 2, 0)
        case "evaluate":
            arm = OutcomeStages(
                LOAD, TEST_P, VALIDATION_P, train=LOAD, train_embeddings=TRAIN_X, elicit=UUS, values=VALUED
            )
            return Evaluate(step, {"odd": odd("metric", how)}, (0.6,), arm, TEST_X, baseline=arm)
    raise AssertionError(step)


def outcome_of(step: str, how: str, tmp_path: Path) -> StageError | None:
    """Compute it with the local engine; why it failed."""
    store, observers = Store(tmp_path / "store"), Observers([], pytest.fail)
    (finished,) = LocalEngine(store).compute([stage(step, how)], observers)
    return finished.error


STEPS = [
    "load",
    "fine-tune",
    "predict",
    "embed",
    "value",
    "assess",
    "select",
    "elicit",
    "attack",
    "generate",
    "evaluate",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_component_that_keeps_its_contract_gets_through(step: str, tmp_path: Path) -> None:
    assert outcome_of(step, "well", tmp_path) is None


def changed(**fields: Any) -> Callable[[list[AttackResult]], Any]:
    """The results of an attack, the third with other fields; of dictionaries, the functions of the result."""
    return lambda results: [
        replace(r, **{k: v(r) if callable(v) else v for k, v in fields.items()}) if i == 2 else r
        for i, r in enumerate(results)
    ]


def synthetic(**fields: Any) -> Callable[..., Any]:
    """Two synthetic examples, the second with other fields of its example."""
    return lambda made, uus, task: [made[0], replace(made[1], example=replace(made[1].example, **fields))]


def score(**fields: Any) -> Callable[..., Any]:
    """The scores of the metric with other fields of one of them."""
    return lambda outcome, good: replace(good, scalars={"hits": replace(good.scalars["hits"], **fields)})


def called(name: Any) -> Callable[..., Any]:
    return lambda outcome, good: Scores({name: Score(0.5)})


def table(name: Any, frame: Any) -> Callable[..., Any]:
    return lambda outcome, good: replace(good, tables={name: frame})


def split(name: str, **fields: Any) -> Callable[[Dataset], Any]:
    """The data set, with other fields of the second example of a split."""

    def change(data: Dataset) -> Any:
        examples = list(getattr(data, name))
        examples[1] = replace(examples[1], **fields)
        return replace(data, **{name: examples})  # type: ignore[arg-type]

    return change


def array(values: Any) -> Callable[..., Any]:
    """A function of whatever that gives an array for 30 training points, of which the fourth is odd."""
    made = np.linspace(0, 1, 30).astype(np.asarray(values).dtype if not isinstance(values, float) else float)
    made[3] = values
    return lambda problem: made


def masked(problem: ValuationProblem) -> npt.NDArray[Any]:
    return np.ma.masked_array(np.ones(problem.n_train), mask=np.arange(problem.n_train) == 3)


def flip(rows: Any) -> Any:
    return rows[::-1].copy()


NAN_ROW = np.asarray([np.nan, np.nan], dtype=np.float32)

CASES: list[tuple[str, Any, str]] = [
    # data sets
    ("load", lambda data: {"train": []}, "returned .*dict.*expected a Dataset"),
    ("load", split("train", text=None), "text of train example 1 as None; expected a string"),
    ("load", split("test", label=1.0), "test example 1 the label 1.0 .float.; expected a Python int"),
    ("load", split("test", label=np.int64(1)), "test example 1 the label .*int64.; expected a Python int"),
    ("load", split("validation", text_pair="more"), "validation example 1 as a pair; the task has single texts"),
    ("load", split("train", tags=["a"]), "train example 1 the tags .*list.; expected a tuple"),
    ("load", split("train", id=7), "the id of train example 1 as 7"),
    ("load", lambda data: replace(data, train=iter(data.train)), "train split as .*; expected a sequence"),
    ("load", lambda data: replace(data, notes={"rows": None}), "notes .*None"),
    ("load", lambda data: replace(data, task=replace(data.task, labels=["a", "b"])), "labels of the task as .*list"),
    # models
    ("fine-tune", lambda train, weights: None, "returned None; expected a Classifier"),
    ("predict", lambda probs: probs[:-1], r"shape \(11, 2\) for 12 test examples; expected \(12, 2\)"),
    ("predict", lambda probs: probs[:, :1], r"shape \(12, 1\) for 12 test examples; expected \(12, 2\)"),
    ("predict", lambda probs: probs * 2, "The classifier gave no probabilities for 12 of 12 test examples"),
    ("predict", lambda probs: probs * np.nan, "The classifier gave no probabilities"),
    ("predict", lambda probs: probs * 1j, "returned probabilities of complex numbers"),
    ("predict", lambda probs: np.ma.masked_array(probs, mask=probs > 0.9), "probabilities as a masked array"),
    ("embed", lambda rows: rows[1:], r"embeddings of shape \(11, \d+\) for 12 texts; expected a row for each"),
    ("embed", lambda rows: rows[:, 0], r"embeddings of shape \(12,\) for 12 texts"),
    ("embed", lambda rows: np.where(np.arange(12)[:, None] == 3, np.nan, rows), r"infinite for 1 of 12 texts \(first: 3\)"),
    ("embed", lambda rows: rows.astype(np.float64) + 1e300, r"infinite for 12 of 12 texts \(first: 0\)"),
    ("embed", lambda rows: rows.astype(object), "returned embeddings of objects"),
    ("embed", lambda rows: [[1.0], [1.0, 2.0]], "ValueError: .*inhomogeneous"),
    # valuators
    *((step, *case) for step in ("value", "assess") for case in (
        (array(1j), r"data values of complex numbers \(first: .*\); expected real numbers"),
        (masked, "data values as a masked array; expected an array without a mask"),
        (lambda problem: np.full(30, None), r"data values of objects \(first: None\)"),
        (lambda problem: np.zeros((30, 1)), r"returned an array of shape \(30, 1\) for 30 training examples"),
        (array(float("nan")), r"1 values of 30 that are NaN or infinite \(first: training example 3\)"),
        (lambda problem: ["a"] * 30, "data values of type <U1"),
        (lambda problem: None, r"data values of objects \(first: None\)"),
    )),
    # selectors
    ("select", lambda problem: np.r_[0, 1, 2, 1], "did not return distinct indices: 1 is there 2 times"),
    ("select", lambda problem: np.arange(31), r"returned indices outside 0..29 \(first: 30\)"),
    ("select", lambda problem: np.arange(-1, 4), r"returned indices outside 0..29 \(first: -1\)"),
    ("select", lambda problem: np.arange(4.0), "distinct indices but numbers of type float64; expected integers"),
    ("select", lambda problem: np.ones(30, dtype=bool), "distinct indices but numbers of type bool"),
    ("select", lambda problem: np.zeros((3, 1), dtype=int), r"array of shape \(3, 1\); expected one dimension"),
    ("select", lambda problem: None, "returned indices of objects"),
    ("search", [[0, 1], [2, 1]], "asked for training example 1 again"),
    ("search", [[0, 0]], "did not return distinct indices: 0 is there 2 times"),
    ("search", [[30]], r"returned indices outside 0..29 \(first: 30\)"),
    # attacks, on the test set and on the training set
    *((step, *case) for step in ("attack", "elicit") for case in (
        (changed(status="won"), "the status 'won' for example 'review/2'; expected one of succeeded, failed, skipped"),
        (changed(status="succeeded", perturbed_probs=lambda r: np.eye(2)[r.label]), "probable class of the perturbed text is"),
        (changed(status="skipped"), "status 'skipped', but the original is classified right"),
        (changed(perturbed=""), "perturbed text of example 'review/2' as ''; expected a text that is not empty"),
        (changed(perturbed=None), "perturbed text of example 'review/2' as None; expected a string"),
        (changed(perturbed=("a", "b")), "perturbed text of example 'review/2' as a pair; the task has single texts"),
        (changed(perturbed="half \ud83d"), "'review/2' with the lone surrogate U.D83D"),
        (changed(perturbed_probs=NAN_ROW), "attack local/odd gave no probabilities of the perturbed text .*no finite numbers"),
        (changed(original_probs=np.asarray([0.2, 0.2])), "probabilities of the original of example 'review/2': .*sums to 0.4"),
        (changed(perturbed_probs=np.ones(3) / 3), r"shape \(3,\) for example 'review/2'; expected \(2,\)"),
        (changed(perturbed_probs=None), "perturbed text of example 'review/2' of objects"),
        (changed(queries=-1), "counted -1 queries for example 'review/2'; expected 0 or more"),
        (changed(queries=1.5), "queries for example 'review/2' as 1.5 .float.; expected an integer"),
        (changed(label=lambda r: 1 - r.label), "gave the label as . for example 'review/2'"),
        (changed(note=None), "the note on example 'review/2' as None"),
        (lambda results: results[::-1], "expected results in the order of the examples"),
        (lambda results: results[:-1], r"returned \d+ results for \d+ examples; expected one for each"),
        (lambda results: [*results, results[-1]], r"returned more than \d+ results for \d+ examples"),
        (lambda results: [r.perturbed for r in results], "returned .*str.*; expected an AttackResult"),
        (lambda results: None, "TypeError: 'NoneType' object is not iterable"),
    )),
    # generators
    ("generate", lambda made, uus, task: made[:1] * 3, "more than 2 synthetic examples for unknown unknown 0"),
    ("generate", lambda made, uus, task: [replace(made[0], uu=2)], "refers to unknown unknown 2 of 2"),
    ("generate", lambda made, uus, task: [replace(made[0], uu=-1)], "refers to unknown unknown -1 of 2"),
    ("generate", lambda made, uus, task: [replace(made[0], uu="0")], "position of an unknown unknown as '0' .str."),
    ("generate", lambda made, uus, task: [Rejected(7, "exploit", "empty")], "refers to unknown unknown 7 of 2"),
    ("generate", lambda made, uus, task: [Rejected(0, "exploit", None)], "reason for a rejected sample .*as None"),  # type: ignore[arg-type]
    ("generate", lambda made, uus, task: ["a text"], "returned 'a text' .str.; expected a SyntheticExample"),
    ("generate", lambda made, uus, task: [Usage(cost=float("nan"))], "nan .float. as the usage 'cost'"),
    ("generate", synthetic(text=""), "example of unknown unknown 1 as ''; expected a text that is not empty"),
    ("generate", synthetic(text=" \n"), "expected a text that is not empty"),
    ("generate", synthetic(text=None), "example of unknown unknown 1 as None; expected a string"),
    ("generate", synthetic(text_pair="b"), "gave .*unknown unknown 1 as a pair; the task has single texts"),
    ("generate", synthetic(label=2), r"gave label 2 to .*unknown unknown 1; the task has 0..1"),
    ("generate", synthetic(label=True), "label of .*unknown unknown 1 as True .bool.; expected an integer"),
    ("generate", synthetic(tags=None), "tags None; expected a tuple of strings"),
    # metrics
    ("evaluate", lambda outcome, good: {"hits": 0.5}, "returned dict, not Scores"),
    ("evaluate", lambda outcome, good: Scores({"hits": 0.5}), "gave 'hits' as 0.5 .float.; expected a Score"),  # type: ignore[dict-item]
    ("evaluate", score(value=1j), "gave 'hits' as 1j .complex.; expected a real number"),
    ("evaluate", score(value=np.ma.masked), "gave 'hits' as masked .MaskedConstant.; expected a real number"),
    ("evaluate", score(value=None), "gave 'hits' as None; expected a real number"),
    ("evaluate", score(low="0"), "the lower bound of 'hits' as '0'"),
    ("evaluate", score(better="up"), "calls 'up' values of 'hits' better; expected 'higher', 'lower' or None"),
    ("evaluate", score(per_example=np.ones(11)), r"gave \(11,\) contributions to 'hits'; expected one for each of the 12"),
    ("evaluate", score(per_example=np.array([True] * 11 + [float("nan")], dtype=object)), "contributions to 'hits' of objects"),
    ("evaluate", score(per_example=np.ma.masked_all(12)), "contributions to 'hits' as a masked array"),
    ("evaluate", score(per_example=np.full(12, np.inf)), "infinite contribution to 'hits' for the test example in row 0"),
    *(("evaluate", called(name), "calls a figure .*expected lower-case words joined by _")
      for name in ("Accuracy", "two words", "a/b/c", "uu@", "../x", "", "a/", "a\n", 3)),
    *(("evaluate", table(name, pd.DataFrame({"a": [1]})), "calls a table .*expected a name fit for a file")
      for name in ("a/b", "../a", "a\\b", "", ".hidden", 3)),
    ("evaluate", table("curve", [1, 2]), "the table 'curve' as .*list.; expected a pandas DataFrame"),
    ("evaluate", table("curve", pd.DataFrame({"a": [1, "x"]})), "table 'curve' that no parquet file can hold"),
]  # fmt: skip


PARTS = {"elicit": r"attack training · examples 0, 1, 2 …"}
"""The part of a stage that calls the component."""


@pytest.mark.parametrize(("step", "how", "message"), CASES)
def test_what_breaks_a_contract_is_refused_by_name(step: str, how: Any, message: str, tmp_path: Path) -> None:
    ODD["oddly"] = how
    error = outcome_of(step, "oddly", tmp_path)
    assert error is not None
    assert error.exit_code == 1
    assert re.match(rf"({step}|{PARTS.get(step, step)}): The ", error.message), error.message
    if "The classifier gave" not in message:
        assert " local/odd " in error.message
    assert re.search(message, error.message), error.message
    assert "\n" not in error.message
    assert "component or the harness" not in str(error)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (lambda *given: sys.exit(5), "tried to end the process: SystemExit: 5"),
        (lambda *given: 1 / 0, "failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_component_raises_names_it(step: str, cause: Any, message: str, tmp_path: Path) -> None:
    ODD["badly"] = cause
    error = outcome_of(step, "badly", tmp_path)
    assert error is not None
    assert f" local/odd {message}" in error.message
    assert "Traceback" in error.trace
    assert error.exit_code == 1


@pytest.mark.parametrize("step", STEPS)
def test_ctrl_c_within_a_component_stays_what_it_is(step: str, tmp_path: Path) -> None:
    def interrupted(*given: Any) -> Any:
        raise KeyboardInterrupt

    ODD["stopped"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        outcome_of(step, "stopped", tmp_path)


# Inputs.


def zero(of: Callable[..., Any]) -> Callable[..., Any]:
    """Writes zeros into an array of what it is given."""

    def write(*given: Any) -> None:
        of(*given)[...] = 0

    return write


WRITERS = [
    *((step, zero(lambda p, name=name: getattr(p, name)))
      for step in ("value", "assess") for name in ("x_train", "y_train", "x_valid", "y_valid")),
    *(("select", zero(lambda p, name=name: getattr(p, name))) for name in ("embeddings", "probs", "values")),
    ("fine-tune", zero(lambda train, weights: weights)),
    ("generate", zero(lambda made, uus, task: task.train_embeddings)),
    ("generate", zero(lambda made, uus, task: uus[0].perturbed_probs)),
    ("evaluate", zero(lambda o, good: o.probs)),
    ("evaluate", zero(lambda o, good: o.validation_probs)),
    ("evaluate", zero(lambda o, good: o.train_embeddings)),
    ("evaluate", zero(lambda o, good: o.values)),
    ("evaluate", zero(lambda o, good: o.uus[0].original_probs)),
    ("evaluate", zero(lambda o, good: o.baseline.probs)),
    ("evaluate", lambda o, good: setattr(o, "probs", 0)),
    ("evaluate", lambda o, good: o.probs.sort(axis=0)),
]  # fmt: skip


@pytest.mark.parametrize(("step", "how"), WRITERS)
def test_what_a_component_is_given_cannot_be_written_to(step: str, how: Any, tmp_path: Path) -> None:
    ODD["writing"] = how
    error = outcome_of(step, "writing", tmp_path)
    assert error is not None
    assert " local/odd writes to what it was given, which is read-only: " in error.message
    assert "has to copy" in str(error.hint)


APPENDERS = [
    ("select", lambda problem: problem.train.append(1)),
    ("fine-tune", lambda train, weights: train.append(1)),
    ("generate", lambda made, uus, task: uus.append(1)),
    ("generate", lambda made, uus, task: task.train.append(1)),
    *(("evaluate", lambda o, good, name=name: getattr(o, name).append(1)) for name in ("test", "validation", "train", "uus")),
]  # fmt: skip


@pytest.mark.parametrize(("step", "how"), APPENDERS)
def test_sequences_cannot_be_changed_through_what_a_component_is_given(step: str, how: Any, tmp_path: Path) -> None:
    ODD["adding"] = how
    error = outcome_of(step, "adding", tmp_path)
    assert error is not None
    assert " local/odd failed: AttributeError: 'tuple' object has no attribute 'append'" in error.message


def test_frozen_values_are_views_and_equal_what_they_are_of() -> None:
    attacked = replace(ATTACKED, perturbed=list(ATTACKED.perturbed))
    embeddings = CLASSIFIER.embed(texts(TRAIN))
    task = GenerationTask(DATA.task, 2, TRAIN, embeddings, CLASSIFIER.embed, CLASSIFIER)
    given = frozen(task)
    assert given.train == tuple(TRAIN)
    assert np.shares_memory(given.train_embeddings, embeddings)
    assert given.classifier is CLASSIFIER
    assert embeddings.flags.writeable
    assert task.train_embeddings is embeddings
    outcome = Outcome(DATA.task, (0.6,), TEST, attacked.probs, VALIDATION, attacked.probs, attacked, costs={"s": 1.0})
    inner = frozen(replace(outcome, baseline=outcome))
    for found in (inner, inner.baseline):
        assert found is not None
        assert found.attacked is not None
        assert not found.attacked.probs.flags.writeable
        assert not found.attacked.queries.flags.writeable
        assert isinstance(found.attacked.status, tuple)
        assert dict(found.costs) == {"s": 1.0}
        assert found.take(np.asarray([1, 1])).attacked is not None


def test_a_classifier_that_gives_no_probabilities_is_not_blamed_on_the_attack(tmp_path: Path) -> None:
    ODD["diverged"] = lambda probs: np.full_like(probs, np.nan)
    model = odd("model", "diverged")
    attacked = AttackTest("attack", LOAD, model, CLASSIFIED, odd("attack"), 0)
    (finished,) = LocalEngine(Store(tmp_path / "store")).compute([attacked], Observers([], pytest.fail))
    assert finished.error is not None
    assert "The classifier gave no probabilities for 1 of 1 texts of an attack" in finished.error.message


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    ODD["numpy"] = changed(
        queries=np.int32(4), status="failed", perturbed_probs=lambda r: list(map(float, r.original_probs))
    )
    assert outcome_of("attack", "numpy", tmp_path) is None
    ODD["float32"] = score(value=np.float32(0.5), low=np.int64(0), high=np.bool_(True))
    assert outcome_of("evaluate", "float32", tmp_path) is None


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (None, r"its identity is None; expected a dictionary of JSON values"),
        (["a"], r"its identity is \['a'\]; expected a dictionary"),
        ({"x": object()}, "not JSON serializable"),
        ({"x": float("nan")}, "not JSON compliant"),
        (SystemExit(5), "SystemExit: 5"),
    ],
)
def test_an_identity_is_a_dictionary_of_json(identity: Any, message: str) -> None:
    class Strange(OddValuator):
        """Strange."""

        def identity(self) -> Any:
            if isinstance(identity, BaseException):
                raise identity
            return identity

    entry = registry().add("valuator", "odd", Strange)
    with pytest.raises(InputError, match=f"valuator local/odd is faulty: .*{message}"):
        _ = Configured(Strange(), entry).identity
