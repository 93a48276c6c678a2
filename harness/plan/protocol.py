"""The protocol as stages: what an arm computes on one data set under one seed, and what arms share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from harness.plan.board import board, configured, used
from harness.plan.model import ArmStages, Cell, Removed
from harness.seeds import derive_seed
from harness.stages.assess import Assess
from harness.stages.attack_test import AttackTest
from harness.stages.base import Configured, Stage
from harness.stages.elicit import Elicit
from harness.stages.embed import Embed
from harness.stages.evaluate import Evaluate, OutcomeStages
from harness.stages.extend import Extend
from harness.stages.fine_tune import FineTune
from harness.stages.generate import Generate
from harness.stages.given import Given
from harness.stages.label_noise import LabelNoise
from harness.stages.load import Load
from harness.stages.predict import Predict
from harness.stages.retrain import Retrain
from harness.stages.retrain_without import RetrainWithout
from harness.stages.sample import Sample
from harness.stages.trace import Trace
from harness.stages.value import Value
from harness.valuation.network import End, kept_fraction

if TYPE_CHECKING:
    from harness.components.trajectory import Looks
    from harness.components.valuator import Valuator
    from harness.records.model import ComponentUse
    from harness.stages.contents.data import LoadedData
    from harness.stages.contents.trajectory import TracedTraining
    from harness.suite import Arm, Suite
    from harness.suite.model import Valuation
    from harness.suite.slots import Slot

S = TypeVar("S", bound=Stage[Any])


class Interned:
    """Stages by what they compute: a stage that is built twice is one object, the one built first.

    With them the components of a suite's slots, so that each says once what it is.
    """

    def __init__(self) -> None:
        self._stages: dict[str, Stage[Any]] = {}
        self._components: dict[int, Configured[Any]] = {}
        self._used: dict[int, ComponentUse] = {}

    def component(self, slot: Slot[Any]) -> Configured[Any]:
        """The component of a slot, and where it comes from."""
        return self._components.setdefault(id(slot), configured(slot))

    def used(self, slot: Slot[Any]) -> ComponentUse:
        """A slot as records describe it."""
        if id(slot) not in self._used:
            self._used[id(slot)] = used(self.component(slot))
        return self._used[id(slot)]

    def __call__(self, stage: S) -> S:
        """The stage with this identity."""
        return cast("S", self._stages.setdefault(stage.id, stage))


class Protocol:
    """The protocol on one data set under one seed.

    Args:
        suite: The suite.
        dataset: Name of the data set in the suite.
        seed: Seed of the repetition.
        interned: The stages of the plan.
    """

    def __init__(self, suite: Suite, dataset: str, seed: int, interned: Interned) -> None:
        self.suite, self.dataset, self.seed, self.interned = suite, dataset, seed, interned
        self.slot = suite.datasets[dataset]
        self.finetuned = self.slot.embed == "finetuned"
        self.model: Configured[Any] = interned.component(suite.models[self.slot.model])
        self.metrics: dict[str, Configured[Any]] = {slot.use: interned.component(slot) for slot in suite.metrics}
        self.needs = frozenset().union(*(metric.component.needs for metric in self.metrics.values()))
        limits = self.slot.limit.model_dump(exclude_none=True)
        self.load = interned(
            Load(self._title("load"), dataset, interned.component(self.slot), limits, self._seed("data"))
        )
        self.sample: Sample | None = None
        if suite.test_attack is not None and suite.test_attack.limit is not None:
            self.sample = interned(
                Sample(self._title("sample"), self.load, suite.test_attack.limit, self._seed("sample"))
            )
        self.base: FineTune | Given = self.given(suite.base_of(dataset)) or self.fine_tune(
            "base", within=self._watched()
        )

    def _title(self, what: str, detail: str = "") -> str:
        parts = [f"{what} {self.dataset}", *([detail] if detail else []), f"seed {self.seed}"]
        return " · ".join(parts)

    def _seed(self, *axes: str) -> int:
        return derive_seed(self.seed, self.dataset, *axes)

    def cell(self, name: str) -> Cell:
        """An arm's cell."""
        suite, arm = self.suite, self.arm(name)
        return Cell(
            dataset=self.dataset,
            arm=name,
            seed=self.seed,
            evaluate=self.evaluate(name, arm),
            stages=arm,
            cost_metrics={use: metric for use, metric in self.metrics.items() if "costs" in metric.component.needs},
            components=self.components(name),
            board=board(
                self.load,
                self.model,
                None if suite.test_attack is None else self.interned.component(suite.test_attack),
                self.metrics,
                suite.thresholds,
                suite.test_attack.limit if suite.test_attack is not None else None,
            ),
            definition=suite.arms[name].definition(),
        )

    def arm(self, name: str) -> ArmStages:
        """The stages of an arm: find unknown unknowns, generate, value, fine-tune, predict, attack."""
        arm = self.suite.arms[name]
        elicit: Elicit | None = None
        generate: Generate | None = None
        extend: Extend | None = None
        guiding: Value | None = None
        weighting: Value | None = None
        ordering: Value | None = None
        if arm.generate:
            elicit = self.elicit(name, arm)
            generate = self.generate(name, arm, elicit)
            extend = self.interned(Extend(self._title("extend", name), self.load, generate, arm.synthesis.leakage))
        if arm.weights:
            weighting = self.value(arm.weights, extend, name if extend else "")
        elif arm.select is not None and arm.select.values:
            guiding = self.value(arm.select.values)
        if arm.order:
            ordering = self.value(arm.order.values, extend, name if extend else "")
        plain = extend is None and weighting is None and ordering is None
        title, classifier = name, self.given(arm.given) or (self.base if plain else None)
        if classifier is self.base:
            title = "base"
        if classifier is None:
            classifier = self.fine_tune(title, extend, weighting, ordering, arm)
        return ArmStages(
            load=self.load,
            elicit=elicit,
            extend=extend,
            generate=generate,
            values=weighting or guiding or ordering,
            classifier=classifier,
            test=self.predict("test", classifier, title),
            validation=self.predict("validation", classifier, title),
            attack=(attack := self.attack(classifier, title)),
            sample=None if attack is None else self.sample,
        )

    def given(self, name: str | None) -> Given | None:
        """The classifier that a model of the suite is without training; ``None`` where none is named."""
        if name is None:
            return None
        model = self.interned.component(self.suite.models[name])
        return self.interned(Given(self._title("take", name), self.load, model))

    def fine_tune(
        self,
        title: str,
        extend: Extend | None = None,
        values: Value | None = None,
        ordering: Value | None = None,
        arm: Arm | None = None,
        within: Trace | None = None,
    ) -> FineTune:
        """The classifier of an arm; without one, the base classifier that unknown unknowns are elicited from."""
        order = arm.order if arm is not None else None
        return self.interned(
            FineTune(
                self._title("fine-tune", title),
                self.load,
                self.model,
                self._seed("fine-tune"),
                extend,
                values,
                arm.weights_normalisation if arm is not None else "none",
                ordering,
                "high" if order is None else order.first,
                1 if order is None else order.blocks,
                within,
            )
        )

    def embed(self, split: str, extend: Extend | None = None, *, finetuned: bool = False) -> Embed:
        """Embeddings of a split; of synthetic examples when ``extend`` is given."""
        return self.interned(
            Embed(
                self._title("embed", split),
                extend or self.load,
                "synthetic" if extend else split,
                self.base.model if finetuned else self.model,
                self.base if finetuned else None,
            )
        )

    def value(self, valuator: str, extend: Extend | None = None, arm: str = "") -> Value:
        """Values of the training set, extended or not."""
        method = self.interned.component(self.suite.valuators[valuator])
        looks = "classifier" in method.component.needs
        classifier = None if not looks else self.base if extend is None else self.fine_tune(arm, extend)
        return self.interned(
            Value(
                self._title("value", f"{valuator} · {arm}" if arm else valuator),
                self.load,
                self.embed("train", finetuned=self.finetuned),
                self.embed("validation", finetuned=self.finetuned),
                method,
                self._seed("value"),
                extend,
                self.embed("synthetic", extend, finetuned=self.finetuned) if extend else None,
                None if classifier is None else classifier.model,
                classifier,
                self.trace(method, self.load, arm or "base", self._valuing(arm), extend),
            )
        )

    def trace(
        self,
        method: Configured[Valuator],
        data: Stage[LoadedData],
        title: str,
        others: Iterable[str],
        extend: Extend | None = None,
    ) -> Trace | None:
        """What fine-tuning on the data passes through, if a valuator needs it: one training for all that look on.

        Args:
            method: The valuator.
            data: What is trained on.
            title: What the training is called.
            others: The valuators of this training, itself among them.
            extend: Synthetic examples that are trained on as well.
        """
        if "trajectory" not in method.component.needs:
            return None
        looks, title, seed = method.component.looks(), self._title("trace", title), self._seed("fine-tune")
        whole = _together(self._asked(others), looks)
        kept = self.base.within if isinstance(self.base, FineTune) and data is self.load and extend is None else None
        if kept is not None and cast("Trace", kept).looks == whole:
            among: Stage[TracedTraining] | None = kept
        else:
            among = None if whole == looks else self.interned(Trace(title, data, self.model, seed, whole, extend))
        return self.interned(Trace(title, data, self.model, seed, looks, extend, among))

    def _watched(self) -> Trace | None:
        """The training of the base classifier, if a valuator wants to see it."""
        if not (asked := self._asked(self._valuing(""))):
            return None
        title, whole = self._title("trace", "base"), _together(asked, asked[0])
        return self.interned(Trace(title, self.load, self.model, self._seed("fine-tune"), whole, keep=True))

    def _asked(self, valuators: Iterable[str]) -> list[Looks]:
        components = [self.suite.valuators[name].component for name in valuators]
        return [each.looks() for each in components if "trajectory" in each.needs]

    def _valuing(self, extended: str) -> list[str]:
        """Valuators of what the arm ``extended`` has extended the training set to; without one of the training set itself."""
        found: list[str | None] = []
        for name, arm in self.suite.arms.items():
            if arm.select is not None and not extended:
                found.append(arm.select.values)
            if name == extended or not (extended or arm.generate):
                found += [arm.weights, None if arm.order is None else arm.order.values]
        return [name for name in found if name]

    def elicit(self, name: str, arm: Arm) -> Elicit:
        """Unknown unknowns of the base classifier."""
        select, attack = arm.select, arm.attack or self.suite.attack
        assert select is not None and attack is not None  # noqa: S101 - the suite has checked it
        needs = select.component.needs
        return self.interned(
            Elicit(
                self._title("elicit", name),
                self.load,
                self.base.model,
                self.base,
                self.interned.component(attack),
                self.interned.component(select),
                arm.synthesis.uu_fraction,
                self.suite.thresholds[0],
                self._seed("select"),
                self._seed("elicit"),
                values=self.value(select.values) if select.values else None,
                embeddings=self.embed("train", finetuned=self.finetuned) if "embeddings" in needs else None,
                predictions=self.predict("train", self.base, "base") if "probs" in needs else None,
            )
        )

    def generate(self, name: str, arm: Arm, elicit: Elicit) -> Generate:
        """Synthetic examples made from unknown unknowns."""
        assert arm.generate is not None  # noqa: S101 - the arm generates
        return self.interned(
            Generate(
                self._title("generate", name),
                self.load,
                self.base.model,
                self.base,
                self.embed("train"),
                elicit,
                self.interned.component(self.suite.generators[arm.generate]),
                arm.synthesis.per_uu,
                self._seed("generate"),
            )
        )

    def predict(self, split: str, classifier: FineTune | Given, name: str, extend: Extend | None = None) -> Predict:
        """Probabilities of a split; of synthetic examples when ``extend`` is given."""
        title = self._title("predict", f"{name} · {split}")
        return self.interned(Predict(title, extend or self.load, split, classifier.model, classifier))

    def attack(self, classifier: FineTune | Given, title: str) -> AttackTest | None:
        """The attack on the test set, if there is one and the classifier can be asked."""
        attack = self.suite.test_attack
        if attack is None or not classifier.model.component.queryable:
            return None
        return self.interned(
            AttackTest(
                self._title("attack", title),
                self.sample or self.load,
                classifier.model,
                classifier,
                self.interned.component(attack),
                self._seed("attack"),
            )
        )

    def evaluate(self, name: str, arm: ArmStages) -> Evaluate:
        """The evaluation of an arm, beside the baseline if a metric asks for it."""
        suite = self.suite
        baseline: OutcomeStages | None = None
        if "baseline" in self.needs and name != suite.baseline and suite.baseline in suite.arms:
            baseline = self.outcome(self.arm(suite.baseline))
        metrics = {use: metric for use, metric in self.metrics.items() if "costs" not in metric.component.needs}
        return self.interned(
            Evaluate(
                self._title("evaluate", name),
                metrics,
                suite.thresholds,
                self.outcome(arm),
                self.embed("test"),
                baseline,
            )
        )

    def outcome(self, arm: ArmStages) -> OutcomeStages:
        """What the outcome of an arm is made of: always its predictions, the rest only when a metric asks for it."""
        needs, added = self.needs, arm.extend if "synthetic" in self.needs else None
        return OutcomeStages(
            load=arm.load,
            test=arm.test,
            validation=arm.validation,
            attack=arm.attack,
            sample=arm.sample,
            elicit=arm.elicit,
            extend=arm.extend,
            train=arm.load if "train" in needs else None,
            test_embeddings=self.embed("test") if "test_embeddings" in needs else None,
            train_embeddings=self.embed("train") if "train_embeddings" in needs else None,
            validation_embeddings=self.embed("validation") if "train_embeddings" in needs else None,
            values=arm.values if "values" in needs else None,
            synthetic_embeddings=self.embed("synthetic", added) if added else None,
            synthetic_probs=self.predict("synthetic", self.base, "base", added) if added else None,
        )

    def components(self, name: str) -> dict[str, ComponentUse]:
        """The components at work in an arm, by role."""
        suite, arm = self.suite, self.suite.arms[name]
        slots: dict[str, Slot[Any] | None] = {
            "dataset": self.slot,
            "model": suite.models[arm.given or self.slot.model],
            "base": suite.models[base] if (base := suite.base_of(self.dataset)) else None,
            "attack": (arm.attack or suite.attack) if arm.generate else None,
            "test_attack": suite.test_attack if self.arm(name).attack is not None else None,
            "weights": suite.valuators[arm.weights] if arm.weights else None,
            "order": suite.valuators[arm.order.values] if arm.order else None,
            "selector": arm.select,
            "selector_values": suite.valuators[arm.select.values] if arm.select and arm.select.values else None,
            "generator": suite.generators[arm.generate] if arm.generate else None,
            **{f"metric:{slot.use}": slot for slot in suite.metrics},
        }
        return {role: self.interned.used(slot) for role, slot in slots.items() if slot is not None}

    def corrupted(self, valuation: Valuation) -> LabelNoise:
        """The data set with some of its training labels flipped."""
        return self.interned(LabelNoise(self._title("label noise"), self.load, valuation.noise, self._seed("noise")))

    def retrained(self, valuation: Valuation) -> tuple[Retrain, ...]:
        """The classifier on random subsets of the corrupted training set, where retraining judges values."""
        if valuation.judge != "retraining":
            return ()
        return tuple(
            self.interned(
                Retrain(
                    self._title("retrain", f"subset {number}"),
                    self.corrupted(valuation),
                    self.model,
                    valuation.fraction,
                    self._seed("subset", str(number)),
                    self._seed("retrain", str(number)),
                )
            )
            for number in range(valuation.subsets)
        )

    def removed(self, valuation: Valuation, assessed: Assess) -> tuple[Removed, ...]:
        """The classifier without the points of highest and lowest values, beside one without as many random ones."""
        data, found = self.corrupted(valuation), []
        seed = self._seed("retrain", "without")  # one for all, so that curves compare
        for share in sorted(set(valuation.removal.network)):
            said, subset = f"{100 * share:.0f} %", self._seed("without", str(share))
            title = self._title("retrain", f"without {said}")
            random = Retrain(title, data, self.model, kept_fraction(share), subset, seed)
            high, low = (
                self.interned(
                    RetrainWithout(
                        f"{assessed.title.replace('assess', 'retrain', 1)} · without {end} {said}",
                        data,
                        assessed,
                        self.model,
                        end,
                        share,
                        seed,
                    )
                )
                for end in get_args(End)
            )
            found.append(Removed(share, (high, low, self.interned(random))))
        return tuple(found)

    def assess(self, valuator: str, valuation: Valuation, seed: int, draw: int = 0) -> Assess:
        """The assessment of a valuator under a seed of its own, on this repetition's data, the problem's ``draw``."""
        data = self.corrupted(valuation)
        method, encoder, trained = self.interned.component(self.suite.valuators[valuator]), None, None
        if self.finetuned or "classifier" in method.component.needs:
            # One that has seen the wrong labels, as a user's would have.
            title = self._title("fine-tune", "label noise")
            trained = self.interned(FineTune(title, data, self.model, self._seed("fine-tune")))
            encoder = trained if self.finetuned else None
        train, validation, test = (
            self.interned(
                Embed(self._title("embed", split), data if encoder else self.load, split, self.model, encoder)
            )
            for split in ("train", "validation", "test")
        )
        titles = [f"assess {self.dataset}", valuator, *([f"draw {draw}"] if draw else []), f"seed {seed}"]
        steps, largest = valuation.removal.steps, valuation.removal.largest
        return self.interned(
            Assess(
                " · ".join(titles),
                data,
                train,
                validation,
                test,
                method,
                tuple(round(largest * step / steps, 6) for step in range(steps + 1)),
                derive_seed(seed, self.dataset, "value", *([draw] if draw else [])),
                self.model if "classifier" in method.component.needs else None,
                trained if "classifier" in method.component.needs else None,
                self.trace(method, data, "corrupted", self.suite.valuators),
                valuation.judge == "retraining",
            )
        )


def _together(asked: Sequence[Looks], own: Looks) -> Looks:
    """What is seen in the one training where ``own`` is seen, when as many as possible share one."""
    shared: list[Looks] = []
    for looks in asked:
        place = next((i for i, other in enumerate(shared) if other.along(looks)), None)
        if place is None:
            shared.append(looks)
        else:
            shared[place] = shared[place].along(looks) or looks
    return next((joint for joint in shared if joint.along(own) == joint), own)
