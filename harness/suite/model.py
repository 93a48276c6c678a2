"""The suite: what is compared, on what, and with which components."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace as with_changes
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from harness.components.order import First
from harness.datasets.leakage import DEFAULT_THRESHOLD
from harness.errors import did_you_mean
from harness.suite.fields import (
    AttackField,
    DatasetField,
    GeneratorField,
    MetricFields,
    ModelField,
    Name,
    ScoreField,
    Seed,
    SelectField,
    SelectorFields,
    SuiteName,
    TestAttackField,
    Threshold,
    ValuatorField,
    distinct,
)
from harness.suite.problems import Place, Problem, SuiteError
from harness.suite.slots import Embed, Section, Slot
from harness.types import Normalisation


class Synthesis(Section):
    """How much synthetic data is made."""

    uu_fraction: float = Field(0.01, gt=0, le=1)
    """Unknown unknowns to find, as a share of the training set; the attack stops once it has them."""
    per_uu: int = Field(2, ge=1, le=100)
    """Synthetic examples to generate for each unknown unknown."""
    leakage: float | None = Field(DEFAULT_THRESHOLD, gt=0, le=1)
    """Similarity (Jaccard index of character 5-grams) to a validation or test example from which on a synthetic example is
    dropped as a copy of it; `null` keeps all."""


class Removal(Section):
    """Remove-high and remove-low curves: accuracy after dropping the highest- or lowest-valued training examples."""

    steps: int = Field(10, ge=1, le=100)
    """Number of points of the curves besides the start."""
    largest: float = Field(0.5, gt=0, lt=1)
    """Largest share of the training set that is dropped."""
    network: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Shares without which the network itself is trained again as well, twice for every valuator, draw and seed, such as
    `[0.1, 0.2, 0.3]` (judge `retraining`). Default: none."""


class Valuation(Section):
    """Assessment of the data values themselves: every valuator of the suite, on every data set and seed."""

    draws: int = Field(1, ge=1, le=1000)
    """Number of independent draws of the problem (other training, validation and test points where the data set is limited or
    split by seed, other flipped labels). Intervals, tests and ranks are over draws; one draw gives none."""
    noise: float = Field(0.2, ge=0, le=0.5)
    """Share of the training labels that are flipped, for the detection of noisy labels; 0 leaves them as they are."""
    removal: Removal = Removal()
    """Remove-high and remove-low curves."""
    judge: Literal["probe", "retraining"] = "probe"
    """`retraining` trains each data set's model again on random subsets as well, and asks whether values predict what comes of
    it (the linear datamodelling score); `probe` looks at logistic regressions on embeddings alone."""
    subsets: int = Field(50, ge=10, le=10_000)
    """Number of subsets of each draw that are trained on (judge `retraining`)."""
    fraction: float = Field(0.5, gt=0, lt=1)
    """Share of the training set in each subset."""


class Order(Section):
    """In which order an arm's classifier sees its training examples, within each epoch."""

    values: str
    """Name of the valuator whose data values order the examples, one of `valuators`."""
    first: First = "high"
    """`high`: highest values first; `low`: lowest first; `mixed`: equal shares of all blocks in every batch."""
    blocks: int = Field(10, ge=2, le=10_000)
    """Into how many blocks of equal size the ordered examples are cut; inside of them they are shuffled, anew in each epoch."""


class Arm(Section):
    """One combination of selection, generation and weighting."""

    description: str = ""
    """What the arm is, in a line."""
    weights: str | None = None
    """Name of the valuator whose data values weight the loss, one of `valuators`. Default: a plain loss."""
    weights_normalisation: Normalisation = "none"
    """`mean` scales the weights to a mean of 1; `none` takes the data values as they are (the thesis's choice)."""
    order: Order | None = None
    """Batches in the order of data values. Default: shuffled."""
    given: str | None = None
    """Name of the model, one of `models`, whose classifier the arm is, as it is, without any training. Default: none."""
    select: SelectField = None
    """Which training examples are attacked first: `random` (default), the name of a selector, `{highest: VALUATOR}`,
    `{lowest: VALUATOR}`, or `{use: SELECTOR, values: VALUATOR, ...options}`. Only with `generate`."""
    generate: str | None = None
    """Name of the generator that writes synthetic examples, one of `generators`. Default: none are made."""
    attack: AttackField = None
    """Attack that finds this arm's unknown unknowns in the training set. Default: the suite's."""
    synthesis: Synthesis = Synthesis()
    """Differences from the suite's `synthesis`, for this arm."""

    def definition(self) -> dict[str, Any]:
        """The arm as it would be written with everything explicit."""
        written: dict[str, Any] = {"description": self.description} if self.description else {}
        if self.given is not None:
            written["given"] = self.given
        if self.weights is not None:
            written |= {"weights": self.weights, "weights_normalisation": self.weights_normalisation}
        if self.order is not None:
            written["order"] = self.order.model_dump()
        if self.select is not None and self.generate is not None:
            written |= {"select": self.select.resolved(), "generate": self.generate}
            written |= {"attack": self.attack.resolved()} if self.attack else {}
            written |= {"synthesis": self.synthesis.model_dump()}
        return written


class Suite(Section):
    """A benchmark suite: data sets, models, components, and the arms that are compared.

    Made by :func:`~harness.suite.load_suite` or :func:`~harness.suite.parse_suite`, which fill in what may be left out: in a
    suite every data set has its model and embedding, every arm that generates has its selector, attack and synthesis.
    """

    name: SuiteName
    """Name of the suite: lower-case letters, digits and . _ - only."""
    description: str = ""
    """What the suite is for."""
    relative_to: tuple[str, ...] = ()
    """Folders that relative paths in options start from: the first in which the path exists, else the last. Default: the
    folder of the suite's file, then the current one. Relative folders start at that of the suite's file."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(distinct)] = (0,)
    """Seeds; everything is repeated for each of them."""
    thresholds: Annotated[tuple[Threshold, ...], Field(min_length=1), AfterValidator(distinct)] = (0.65, 0.8, 0.9)
    """Confidence thresholds from which on a wrong prediction is an unknown unknown. The first is the primary one."""
    embed: Embed = "pretrained"
    """Embeddings for data values and selection: by the `pretrained` encoder, or by the `finetuned` one."""
    models: dict[Name, ModelField] = Field(min_length=1)
    """Models by name."""
    datasets: dict[Name, DatasetField] = Field(min_length=1)
    """Data sets by name."""
    valuators: dict[Name, ValuatorField] = Field(default_factory=dict)
    """Data valuation methods by name."""
    selectors: SelectorFields = Field(default_factory=dict)
    """Selectors by name, for arms that need one with options of its own."""
    attack: AttackField = None
    """The attack that finds unknown unknowns in the training set."""
    test_attack: TestAttackField = None
    """The attack on the test set; `limit` attacks a random sample of it only. Default: the same as `attack`; `null` leaves the
    test set unattacked."""
    generators: dict[Name, GeneratorField] = Field(default_factory=dict)
    """Generators of synthetic examples by name."""
    synthesis: Synthesis = Synthesis()
    """How much synthetic data is made."""
    arms: dict[Name, Arm] = Field(default_factory=dict)
    """The arms that are compared, by name."""
    base: str | None = None
    """Name of the model, one of `models`, whose classifier is the base as it is: what is attacked for unknown unknowns, and
    what an arm without generation, weights and order is. Default: each data set's model, fine-tuned if it can be."""
    baseline: str | None = None
    """Name of the arm that differences refer to. Default: `only` if there is such an arm, else the first; `null`: none."""
    primary: ScoreField | None = None
    """Name of the score that ranks the arms, as the metrics give it: `accuracy/clean`. Default: errors at matched coverage in
    deployment at the first threshold (`matched_uu@TAU/deployed`), or else unknown unknowns (`uu@TAU/deployed`)."""
    metrics: MetricFields = ()
    """Metrics that score the arms."""
    valuation: Valuation | None = None
    """Turns on the assessment of every valuator; `arms` may then be left out."""

    _source: Path | None = PrivateAttr(None)

    def __eq__(self, other: object) -> bool:
        """Whether both ask for the same, wherever they were read from."""
        if not isinstance(other, Suite):
            return NotImplemented
        return all(
            getattr(self, name) == getattr(other, name) for name in type(self).model_fields if name != "relative_to"
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def source(self) -> Path | None:
        """The file that the suite was read from."""
        return self._source

    def restrict(
        self,
        *,
        arms: Collection[str] | None = None,
        datasets: Collection[str] | None = None,
        seeds: Collection[int] | None = None,
        limit: int | None = None,
    ) -> Suite:
        """The part of the suite that was asked for, in the suite's order.

        Args:
            arms: Names of the arms to keep. Without the baseline among them there are no differences to show.
            datasets: Names of the data sets to keep.
            seeds: Seeds to keep.
            limit: Largest size of every split.

        Raises:
            SuiteError: The suite has no such arm, data set or seed, or nothing would be left.
        """
        problems: list[Problem] = []

        def pick(option: str, noun: str, wanted: Collection[Any], known: Collection[Any]) -> list[Any]:
            for name in wanted:
                if name not in known:
                    advice = did_you_mean(str(name), map(str, known))
                    problems.append(
                        Problem(Place(f"{option} {name}"), (), f"the suite has no {noun} {name!r}. {advice}")
                    )
            if not wanted:
                problems.append(Problem(Place(option), (), f"no {noun} is left."))
            return [name for name in known if name in wanted]

        changes: dict[str, Any] = {}
        if arms is not None:
            changes["arms"] = {name: self.arms[name] for name in pick("--arm", "arm", arms, self.arms)}
            if self.baseline not in changes["arms"]:
                changes["baseline"] = None
        if datasets is not None:
            changes["datasets"] = {n: self.datasets[n] for n in pick("--dataset", "data set", datasets, self.datasets)}
        if seeds is not None:
            changes["seeds"] = tuple(pick("--seed", "seed", seeds, self.seeds))
        if limit is not None:
            if limit < 1:
                problems.append(Problem(Place(f"--limit {limit}"), (), "expected a number of at least 1."))
            else:
                kept = changes.get("datasets", self.datasets)
                changes["datasets"] = {
                    n: with_changes(slot, limit=slot.limit.capped(limit)) for n, slot in kept.items()
                }
        if problems:
            raise SuiteError(problems)
        return self.model_copy(update=changes)

    def base_of(self, dataset: str) -> str | None:
        """Name of the model whose classifier is the base of a data set as it is; ``None`` where one is fine-tuned."""
        own = self.datasets[dataset].model
        return self.base or (None if self.models[own].component.trainable else own)

    def slots(self) -> Iterator[tuple[str, Slot[Any]]]:
        """The components that a run needs, each with its path in the suite: those referred to, not all configured."""
        arms = self.arms.values()
        selections = [(name, arm.select) for name, arm in self.arms.items() if arm.select is not None]
        valuators = {arm.weights for arm in arms} | {slot.values for _, slot in selections}
        valuators |= {arm.order.values for arm in arms if arm.order is not None}
        valuators |= set(self.valuators) if self.valuation else set()
        models = {slot.model for slot in self.datasets.values()} | {self.base} | {arm.given for arm in arms}
        generators = {arm.generate for arm in arms}
        yield from ((f"datasets.{name}", slot) for name, slot in self.datasets.items())
        yield from ((f"models.{name}", slot) for name, slot in self.models.items() if name in models)
        yield from ((f"valuators.{name}", slot) for name, slot in self.valuators.items() if name in valuators)
        yield from ((f"generators.{name}", slot) for name, slot in self.generators.items() if name in generators)
        for name, selector in selections:
            yield f"arms.{name}.select", selector
        for name, arm in self.arms.items():
            if arm.attack is not None and arm.generate is not None:
                yield f"arms.{name}.attack", arm.attack
        if self.test_attack is not None and self.arms:
            yield "test_attack", self.test_attack
        for index, metric in enumerate(self.metrics):
            yield f"metrics[{index}]", metric

    def resolved(self) -> dict[str, Any]:
        """The suite as plain JSON data with every option explicit; read again, it gives the same suite."""
        return {
            "name": self.name,
            "description": self.description,
            "relative_to": list(self.relative_to),
            "seeds": list(self.seeds),
            "thresholds": list(self.thresholds),
            "embed": self.embed,
            "models": {name: slot.resolved() for name, slot in self.models.items()},
            "datasets": {name: slot.resolved() for name, slot in self.datasets.items()},
            "valuators": {name: slot.resolved() for name, slot in self.valuators.items()},
            "selectors": {name: slot.resolved() for name, slot in self.selectors.items()},
            "attack": self.attack.resolved() if self.attack else None,
            "test_attack": self.test_attack.resolved() if self.test_attack else None,
            "generators": {name: slot.resolved() for name, slot in self.generators.items()},
            "synthesis": self.synthesis.model_dump(),
            "arms": {name: arm.definition() for name, arm in self.arms.items()},
            **({"base": self.base} if self.base else {}),
            "baseline": self.baseline,
            **({"primary": self.primary} if self.primary else {}),
            "metrics": [slot.resolved() for slot in self.metrics],
            "valuation": self.valuation.model_dump(mode="json") if self.valuation else None,
        }

    def to_yaml(self) -> str:
        """The resolved suite as YAML text."""
        from io import StringIO

        from ruamel.yaml import YAML

        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        yaml.allow_unicode = True
        yaml.width = 10_000
        stream = StringIO()
        yaml.dump(self.resolved(), stream)
        return stream.getvalue()
