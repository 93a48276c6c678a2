"""The protocol of one data set and seed as stages: what an arm computes, and what arms share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.plan.model import Cell
from harness.records.model import ComponentUse
from harness.seeds import derive_seed
from harness.stages.assess import Assess
from harness.stages.attack_test import AttackTest
from harness.stages.base import Configured, Stage
from harness.stages.corrupt import Corrupt
from harness.stages.elicit import Elicit
from harness.stages.embed import Embed
from harness.stages.evaluate import Evaluate
from harness.stages.extend import Extend
from harness.stages.fine_tune import FineTune
from harness.stages.generate import Generate
from harness.stages.load import Load
from harness.stages.predict import Predict
from harness.stages.value import Value

if TYPE_CHECKING:
    from harness.suite import Arm, Suite
    from harness.suite.model import Valuation
    from harness.suite.slots import Slot


class Protocol:
    """Builds the stages of one data set and seed."""

    def __init__(self, suite: Suite, dataset: str, seed: int) -> None:
        self.suite, self.dataset, self.seed = suite, dataset, seed
        slot = suite.datasets[dataset]
        self.slot = slot
        self.model: Configured[Any] = configured(suite.models[slot.model])
        limits = slot.limit.model_dump(exclude_none=True)
        self.load = Load(self._title("load"), dataset, configured(slot), limits, self._seed("data"))
        self.base = FineTune(self._title("fine-tune", "base"), self.load, self.model, self._seed("fine-tune"))
        self.metrics = {slot.use: configured(slot) for slot in suite.metrics}
        self.needs = frozenset().union(*(metric.component.needs for metric in self.metrics.values()))

    def _title(self, what: str, detail: str = "") -> str:
        parts = [f"{what} {self.dataset}", *([detail] if detail else []), f"seed {self.seed}"]
        return " · ".join(parts)

    def _seed(self, *axes: str) -> int:
        return derive_seed(self.seed, self.dataset, *axes)

    def assess(self, valuator: str, valuation: Valuation, seed: int) -> Assess:
        """The assessment of a valuator under a seed of its own, on this builder's data."""
        data = Corrupt(self._title("corrupt"), self.load, valuation.noise, self._seed("noise"))
        encoder = None
        if self.slot.embed == "finetuned":  # a classifier that has seen the wrong labels, as a user's would have
            encoder = FineTune(self._title("fine-tune", "corrupted"), data, self.model, self._seed("fine-tune"))
        train, validation, test = (
            Embed(self._title("embed", split), data if encoder else self.load, split, self.model, encoder)
            for split in ("train", "validation", "test")
        )
        steps, largest = valuation.removal.steps, valuation.removal.largest
        return Assess(
            f"assess {self.dataset} · {valuator} · seed {seed}",
            data,
            train,
            validation,
            test,
            configured(self.suite.valuators[valuator]),
            tuple(round(largest * step / steps, 6) for step in range(steps + 1)),
            derive_seed(seed, self.dataset, "value"),
        )

    def embed(self, split: str, extend: Extend | None = None, *, finetuned: bool = False) -> Embed:
        """Embeddings of a split; of synthetic examples when ``extend`` is given."""
        return Embed(
            self._title("embed", split),
            extend or self.load,
            "synthetic" if extend else split,
            self.model,
            self.base if finetuned else None,
        )

    def value(self, valuator: str, extend: Extend | None = None, arm: str = "") -> Value:
        """Values of the training set, extended or not."""
        finetuned = self.slot.embed == "finetuned"
        return Value(
            self._title("value", f"{valuator} · {arm}" if arm else valuator),
            self.load,
            self.embed("train", finetuned=finetuned),
            self.embed("validation", finetuned=finetuned),
            configured(self.suite.valuators[valuator]),
            self._seed("value"),
            extend,
            self.embed("synthetic", extend, finetuned=finetuned) if extend else None,
        )

    def predict(self, split: str, classifier: FineTune, name: str, extend: Extend | None = None) -> Predict:
        """Probabilities of a split; of synthetic examples when ``extend`` is given."""
        return Predict(self._title("predict", f"{name} · {split}"), extend or self.load, split, self.model, classifier)

    def extend(self, name: str, arm: Arm) -> tuple[Elicit, Extend]:
        """Unknown unknowns of the base classifier, and the synthetic examples made from them."""
        suite, select = self.suite, arm.select
        assert select is not None and arm.generate is not None  # noqa: S101 - the suite has checked it
        attack = arm.attack or suite.attack
        assert attack is not None  # noqa: S101 - the suite has checked it
        needs = select.component.needs
        finetuned = self.slot.embed == "finetuned"
        elicit = Elicit(
            self._title("elicit", name),
            self.load,
            self.model,
            self.base,
            configured(attack),
            configured(select),
            arm.synthesis.uu_fraction,
            suite.thresholds[0],
            self._seed("select"),
            self._seed("elicit"),
            values=self.value(select.values) if select.values else None,
            embeddings=self.embed("train", finetuned=finetuned) if "embeddings" in needs else None,
            predictions=self.predict("train", self.base, "base") if "probs" in needs else None,
        )
        generate = Generate(
            self._title("generate", name),
            self.load,
            self.model,
            self.base,
            self.embed("train"),
            elicit,
            configured(suite.generators[arm.generate]),
            arm.synthesis.per_uu,
            self._seed("generate"),
        )
        return elicit, Extend(self._title("extend", name), self.load, generate, arm.synthesis.leakage)

    def stages(self, name: str) -> dict[str, Stage]:
        """The stages of an arm, by what they are to it."""
        arm, suite = self.suite.arms[name], self.suite
        stages: dict[str, Stage] = {"load": self.load}
        extend: Extend | None = None
        values: Value | None = None
        if arm.generate:
            stages["elicit"], extend = self.extend(name, arm)
            stages["extend"] = extend
            stages["generate"] = extend.generate
        if arm.weights:
            values = self.value(arm.weights, extend, name if extend else "")
            stages["values"] = values
        elif arm.select is not None and arm.select.values:
            stages["values"] = self.value(arm.select.values)
        title = "base" if extend is None and values is None else name
        classifier = FineTune(
            self._title("fine-tune", title),
            self.load,
            self.model,
            self._seed("fine-tune"),
            extend,
            values,
            arm.weights_normalisation,
        )
        stages["classifier"] = classifier
        stages["test"] = self.predict("test", classifier, title)
        stages["validation"] = self.predict("validation", classifier, title)
        attack = suite.test_attack
        if attack is not None:
            stages["attack"] = AttackTest(
                self._title("attack", title),
                self.load,
                self.model,
                classifier,
                configured(attack),
                self._seed("attack"),
            )
        return stages

    def cell(self, name: str) -> Cell:
        """An arm's cell."""
        suite = self.suite
        stages = self.stages(name)
        parts = self._parts(stages)
        baseline: dict[str, Stage] = {}
        if "baseline" in self.needs and name != suite.baseline and suite.baseline in suite.arms:
            baseline = {
                role: stage
                for role, stage in self._parts(self.stages(suite.baseline)).items()
                if role not in {"load", "map"}
            }
        evaluate = Evaluate(self._title("evaluate", name), self.metrics, suite.thresholds, parts, baseline)
        return Cell(
            self.dataset,
            name,
            self.seed,
            evaluate,
            stages,
            self._components(name),
            self._board(),
            suite.arms[name].definition(),
        )

    def _parts(self, stages: Mapping[str, Stage]) -> dict[str, Stage]:
        """What the evaluation reads: always the predictions, the rest only when a metric asks for it."""
        parts = {
            role: stages[role]
            for role in ("load", "test", "validation", "attack", "elicit", "extend")
            if role in stages
        }
        parts["map"] = self.embed("test")
        if "test_embeddings" in self.needs:
            parts["test_embeddings"] = self.embed("test")
        if "train_embeddings" in self.needs:
            parts["train_embeddings"] = self.embed("train")
            parts["validation_embeddings"] = self.embed("validation")
        if "train" in self.needs:
            parts["train"] = self.load
        if "values" in self.needs and "values" in stages:
            parts["values"] = stages["values"]
        if "synthetic" in self.needs and isinstance(extend := stages.get("extend"), Extend):
            parts["synthetic_embeddings"] = self.embed("synthetic", extend)
            parts["synthetic_probs"] = self.predict("synthetic", self.base, "base", extend)
        return parts

    def _components(self, name: str) -> dict[str, ComponentUse]:
        suite, arm = self.suite, self.suite.arms[name]
        slots: dict[str, Slot[Any] | None] = {
            "dataset": self.slot,
            "model": suite.models[self.slot.model],
            "attack": (arm.attack or suite.attack) if arm.generate else None,
            "test_attack": suite.test_attack,
            "weights": suite.valuators[arm.weights] if arm.weights else None,
            "selector": arm.select,
            "selector_values": suite.valuators[arm.select.values] if arm.select and arm.select.values else None,
            "generator": suite.generators[arm.generate] if arm.generate else None,
            **{f"metric:{slot.use}": slot for slot in suite.metrics},
        }
        return {role: used(slot) for role, slot in slots.items() if slot is not None}

    def _board(self) -> str:
        attack = self.suite.test_attack
        same = {
            "dataset": {**self.load.options(), "seed": None},
            "model": self.model.identity,
            "attack": None if attack is None else configured(attack).identity,
            "metrics": {name: metric.identity for name, metric in self.metrics.items()},
            "thresholds": list(self.suite.thresholds),
        }
        return hashlib.sha256(json.dumps(_without_releases(same), sort_keys=True).encode()).hexdigest()[:16]


def _without_releases(value: Any) -> Any:
    """An identity without versions and code digests: records of two releases of a plugin may stand on one board."""
    if isinstance(value, dict):
        return {key: _without_releases(inner) for key, inner in value.items() if key not in {"version", "code"}}
    return value


def configured(slot: Slot[Any]) -> Configured[Any]:
    """The component of a slot, and where it comes from."""
    return Configured(slot.component, slot.entry)


def used(slot: Slot[Any]) -> ComponentUse:
    """A slot as records describe it."""
    options, identity = slot.component.model_dump(mode="json"), configured(slot).identity["options"]
    return ComponentUse(
        kind=slot.entry.kind,
        name=slot.entry.key,
        version=slot.entry.version,
        options=options,
        digests={name: value for name, value in identity.items() if name not in options or options[name] != value},
    )
