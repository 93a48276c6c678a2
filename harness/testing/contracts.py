"""The contracts of components as tests to inherit: pytest collects them in the plugin's own test suite.

A subclass sets ``name`` and, where needed, ``options``. What a contract checks is what the runner relies on: results of the
right shape, finite, the same for the same seed, and no dependence on global random state.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.border.calls import writes
from harness.border.frozen import frozen
from harness.components import (
    AttackedTest,
    AttackStatus,
    Example,
    GenerationTask,
    Outcome,
    Rejected,
    SelectionProblem,
    Sources,
    SyntheticExample,
    Task,
    UnknownUnknown,
    Usage,
    ValuationProblem,
)
from harness.registry import Registry, component
from harness.testing.classifier import WordClassifier, reviews
from harness.testing.trajectory import last_layer

if TYPE_CHECKING:
    from harness.types import FloatArray, Texts


@contextmanager
def left_alone(*values: Any) -> Iterator[Any]:
    """Hands out values read-only, as a run does, and fails if they are written to; one value as itself, several as a tuple.

    Raises:
        AssertionError: An array was written to, or changed nevertheless (through ``torch.from_numpy``); or a sequence of
            examples changed.
    """
    before, given = _contents(values), frozen(values)
    try:
        yield given[0] if len(given) == 1 else given
    except ValueError as error:
        if not writes(error):
            raise
        raise AssertionError(
            f"the component writes to what it was given, which is read-only in a run: copy it first ({error})"
        ) from error
    assert _contents(values) == before, "the component changed what it was given"


def _contents(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value):
        return tuple(_contents(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, list | tuple):
        return tuple(map(_contents, value))
    return value if isinstance(value, str | int | float | None) else id(value)


class ComponentContract:
    """What holds for components of every kind."""

    kind: ClassVar[str]
    name: ClassVar[str]
    """Name of the component under test, as in a suite."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Options that make it quick enough for a test."""

    def component(self) -> Any:
        """The component under test."""
        return component(self.kind, self.name, **self.options)

    def test_it_is_found_through_its_entry_point(self) -> None:
        """The installed metadata lists it, and it loads."""
        registry = Registry(allow=None)
        status = registry.status(registry.find(self.kind, self.name))
        assert status.state == "ok", status.reason
        assert status.summary, "the class needs a docstring: its first line is the summary in `harness plugins`"

    def test_unknown_options_are_refused(self) -> None:
        """A misspelt option is an error, not silence."""
        import pytest

        from harness.errors import ComponentError

        with pytest.raises(ComponentError, match="no option"):
            component(self.kind, self.name, **self.options, surely_no_option_is_called_this=1)

    def test_its_identity_is_json(self) -> None:
        """What decides its results can be hashed."""
        import json

        assert json.loads(json.dumps(self.component().identity())) == self.component().identity()

    def test_neutral_options_are_options(self) -> None:
        """What is left out of the identity exists, and where to compute is left out."""
        cls = type(self.component())
        assert cls.neutral <= set(cls.model_fields)
        assert "device" not in cls.model_fields or "device" in cls.neutral

    def test_it_can_be_sent_to_another_process(self) -> None:
        """It pickles, and is the same afterwards."""
        import pickle

        there = pickle.loads(pickle.dumps(self.component()))  # noqa: S301
        assert there == self.component()
        assert there.identity() == self.component().identity()


class ValuatorContract(ComponentContract):
    """What holds for valuators."""

    kind = "valuator"

    def problem(self, classes: int = 2) -> ValuationProblem:
        """Three hundred points in eight dimensions, a tenth of them mislabelled, with texts and a last layer's trajectory."""
        import numpy as np

        rng = np.random.default_rng(0)
        centres = rng.normal(size=(classes, 8)) * 2
        y = rng.integers(0, classes, 360)
        x = (centres[y] + rng.normal(size=(360, 8))).astype(np.float32)
        noisy = y[:300].copy()
        noisy[:30] = (noisy[:30] + 1) % classes
        labels = np.concatenate([noisy, y[300:]])
        examples = [Example(f"text {i}", int(label), id=f"train/{i}") for i, label in enumerate(labels)]
        sources = Sources(
            texts=lambda: (examples[:300], examples[300:]),
            trajectory=lambda: last_layer(x, labels, 300, classes),
        )
        return ValuationProblem(x[:300], noisy, x[300:], y[300:], classes, sources)

    def test_one_finite_value_per_training_point(self) -> None:
        """Two classes and three."""
        import numpy as np

        for classes in (2, 3):
            values = self.component().value(self.problem(classes), seed=0)
            assert np.asarray(values).shape == (300,)
            assert np.isfinite(values).all()

    def test_same_seed_same_bits(self) -> None:
        """Whatever the state of the global generators."""
        import numpy as np

        problem = self.problem()
        np.random.seed(1)  # noqa: NPY002 - the global state is what must not matter
        random.seed(1)
        first = self.component().value(problem, seed=3)
        np.random.seed(2)  # noqa: NPY002
        random.seed(2)
        assert np.array_equal(first, self.component().value(problem, seed=3))

    def test_values_are_the_mean_of_attributions(self) -> None:
        """Where the method tells what a point does for each validation point."""
        import numpy as np

        for classes in (2, 3):
            problem = self.problem(classes)
            found = self.component().attributions(problem, seed=1)
            if found is not None:
                assert np.asarray(found).shape == (300, 60)
                values = self.component().value(problem, seed=1)
                assert np.allclose(np.mean(found, axis=1), values, rtol=1e-6, atol=1e-9 * np.abs(found).max())

    def test_the_problem_is_left_as_it_was(self) -> None:
        """Inputs are shared between stages."""
        import numpy as np

        problem = self.problem()
        before = [array.copy() for array in (problem.x_train, problem.y_train, problem.x_valid, problem.y_valid)]
        with left_alone(problem) as given:
            self.component().value(given, seed=0)
        after = (problem.x_train, problem.y_train, problem.x_valid, problem.y_valid)
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


class AttackContract(ComponentContract):
    """What holds for attacks."""

    kind = "attack"

    def victim(self) -> WordClassifier:
        """The classifier to be attacked."""
        return WordClassifier.fit(reviews(200))

    def test_one_result_per_example_in_order(self) -> None:
        """With statuses that agree with the victim."""
        import numpy as np

        victim, examples = self.victim(), reviews(12, seed=1)
        results = list(self.component().attack(victim, examples, seed=0))
        assert [result.original for result in results] == [example.texts for example in examples]
        for result, example in zip(results, examples, strict=True):
            again = victim.predict_proba([result.perturbed])[0]
            assert np.allclose(result.perturbed_probs, again, atol=1e-5)
            right = int(np.argmax(result.original_probs)) == example.label
            assert (result.status == AttackStatus.SKIPPED) == (not right) or result.status == AttackStatus.FAILED
            if result.status == AttackStatus.SUCCEEDED:
                assert int(again.argmax()) != example.label
                assert result.perturbed != result.original
            assert result.queries >= 0

    def test_an_example_does_not_depend_on_the_others(self) -> None:
        """Example ``i`` is attacked under ``seed + i`` alone."""
        victim, examples = self.victim(), reviews(6, seed=2)
        together = list(self.component().attack(victim, examples, seed=10))
        for i, example in enumerate(examples):
            (alone,) = self.component().attack(victim, [example], seed=10 + i)
            assert (alone.perturbed, alone.status, alone.queries) == (
                together[i].perturbed,
                together[i].status,
                together[i].queries,
            )

    def test_the_callers_random_state_is_left_alone(self) -> None:
        """Global generators are given back as they were found."""
        import numpy as np

        before = random.getstate(), np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
        list(self.component().attack(self.victim(), reviews(3), seed=0))
        after = random.getstate(), np.random.get_state()[1].tobytes()  # type: ignore[index] # noqa: NPY002
        assert before == after

    def test_the_examples_are_left_as_they_were(self) -> None:
        """Inputs are shared between stages."""
        examples = reviews(3)
        with left_alone(examples) as given:
            list(self.component().attack(self.victim(), given, seed=0))

    def test_odd_texts(self) -> None:
        """Empty, one character, no letters, other scripts."""
        texts = ["", "a", "?!", "film 🙂", "مرحبا film", "  "]
        examples = [reviews(1)[0].__class__(text, 0) for text in texts]
        assert len(list(self.component().attack(self.victim(), examples, seed=0))) == len(texts)


class GeneratorContract(ComponentContract):
    """What holds for generators."""

    kind = "generator"

    def task(self, cache: Path | None = None) -> tuple[list[UnknownUnknown], GenerationTask]:
        """Four unknown unknowns, and what surrounds them."""
        import numpy as np

        train = reviews(60)
        classifier = WordClassifier.fit(train)
        uus = [
            UnknownUnknown(
                train[i],
                train[i].text.replace("wonderful", "wondreful").replace("boring", "borng") + " x",
                classifier.predict_proba([train[i].texts])[0],
                np.eye(2, dtype=np.float32)[1 - train[i].label] * 0.8 + 0.1,
                i,
            )
            for i in (3, 8, 15, 22)
        ]
        task = Task("reviews", ("negative", "positive"), ("review",), "Is the review of a film negative or positive?")
        embeddings = classifier.embed([example.texts for example in train])
        return uus, GenerationTask(task, 2, train, embeddings, classifier.embed, classifier, cache)

    def made(self) -> list[Any]:
        """What the generator yields for them."""
        uus, task = self.task()
        return list(self.component().generate(uus, task, seed=0))

    def test_examples_belong_to_their_unknown_unknowns(self) -> None:
        """Labels in range, in order, at most as many as asked for."""
        made = self.made()
        assert all(isinstance(item, SyntheticExample | Rejected | Usage) for item in made)
        examples = [item for item in made if isinstance(item, SyntheticExample)]
        positions = [item.uu for item in examples]
        assert positions == sorted(positions)
        assert all(0 <= position < 4 for position in positions)
        assert all(positions.count(position) <= 2 for position in positions)
        for item in examples:
            assert item.example.label in {0, 1}
            assert item.example.text.strip()
            assert item.example.text_pair is None

    def test_same_seed_same_examples(self) -> None:
        """Twice the same."""
        assert self.made() == self.made()

    def test_the_task_is_left_as_it_was(self) -> None:
        """Inputs are shared between stages."""
        uus, task = self.task()
        with left_alone(uus, task) as (given, around):
            list(self.component().generate(given, around, seed=0))

    def test_nothing_to_generate_from(self) -> None:
        """No unknown unknown, no example."""
        _, task = self.task()
        assert not [i for i in self.component().generate([], task, seed=0) if isinstance(i, SyntheticExample)]


class MetricContract(ComponentContract):
    """What holds for metrics."""

    kind = "metric"

    def outcome(self, n: int = 40) -> Outcome:
        """An outcome with an attack, embeddings, values and a baseline."""
        import numpy as np

        rng = np.random.default_rng(0)
        train, test, validation = reviews(60), reviews(n, seed=1), reviews(20, seed=2)
        classifier = WordClassifier.fit(train)

        def blurred(examples: list[Any], by: float) -> FloatArray:
            probs = classifier.predict_proba([example.texts for example in examples]).astype(np.float64)
            mixed = (1 - by) * probs + by * rng.dirichlet([1, 1], len(examples))
            return mixed.astype(np.float32)

        clean, after = blurred(test, 0.6), blurred(test, 0.95)
        labels = np.asarray([example.label for example in test])
        right, wrong_after = clean.argmax(1) == labels, after.argmax(1) != labels
        status = np.where(~right, "skipped", np.where(wrong_after, "succeeded", "failed"))
        attacked = AttackedTest(
            list(status),
            [example.texts if s == "skipped" else f"{example.text} x" for example, s in zip(test, status, strict=True)],
            np.where((status == "skipped")[:, None], clean, after),
            rng.integers(1, 50, n),
        )
        task = Task("reviews", ("negative", "positive"), ("review",))
        common: dict[str, Any] = {
            "task": task,
            "thresholds": (0.65, 0.8, 0.9),
            "test": test,
            "validation": validation,
            "validation_probs": blurred(validation, 0.6),
            "attacked": attacked,
            "test_embeddings": classifier.embed([example.texts for example in test]),
            "train": train,
            "train_embeddings": classifier.embed([example.texts for example in train]),
            "validation_embeddings": classifier.embed([example.texts for example in validation]),
            "values": rng.random(len(train)),
            "costs": {"seconds": 1.0, "peak_memory_bytes": 1e6},
        }
        baseline = Outcome(**common, probs=blurred(test, 0.7))
        return Outcome(**common, probs=clean, baseline=baseline)

    def test_resamples_give_the_figures_of_the_rows_drawn(self) -> None:
        """Where figures are computed again: the same bits as scoring every resample."""
        import numpy as np

        metric, outcome = self.component(), self.outcome()
        if not metric.resample:
            return
        rng = np.random.default_rng(0)
        resamples = [rng.integers(0, len(outcome.test), len(outcome.test)) for _ in range(3)]
        for rows, found in zip(resamples, metric.resampled(outcome, resamples), strict=True):
            for name, score in metric.score(outcome.take(rows)).scalars.items():
                if score.per_example is None:
                    assert np.array_equal(found[name], score.value, equal_nan=True), name

    def test_scores_are_within_their_bounds(self) -> None:
        """And contributions per example add up to the figure."""
        import numpy as np

        outcome = self.outcome()
        with left_alone(outcome) as given:
            scores = self.component().score(given)
        assert scores.scalars
        for name, score in scores.scalars.items():
            if np.isnan(score.value):
                continue
            assert score.low is None or score.value >= score.low - 1e-9, name
            assert score.high is None or score.value <= score.high + 1e-9, name
            assert score.meaning, f"{name} needs a meaning"
            if score.per_example is not None:
                contributions = np.asarray(score.per_example, dtype=float)
                assert contributions.shape == (len(outcome.test),), name
                folded = np.nansum(contributions) if score.total else np.nanmean(contributions)
                assert np.isclose(folded, score.value, atol=1e-6), name

    def test_it_is_pure(self) -> None:
        """The same outcome, the same scores."""
        import numpy as np

        first, second = (self.component().score(self.outcome()).scalars for _ in range(2))
        assert list(first) == list(second)
        assert all(np.isclose(first[n].value, second[n].value, equal_nan=True) for n in first)

    def test_it_says_whether_it_reads_texts(self) -> None:
        """Without the need ``"texts"``, the same scores where texts are not known: records may leave them out."""
        from dataclasses import replace

        import numpy as np

        def bare(outcome: Outcome) -> Outcome:
            test, validation = (
                [replace(example, text="", text_pair=None) for example in examples]
                for examples in (outcome.test, outcome.validation)
            )
            attacked = outcome.attacked and replace(outcome.attacked, perturbed=[""] * len(test))
            baseline = outcome.baseline and bare(outcome.baseline)
            return replace(outcome, test=test, validation=validation, attacked=attacked, baseline=baseline)

        metric = self.component()
        known, unknown = (metric.score(outcome).scalars for outcome in (self.outcome(), bare(self.outcome())))
        same = list(known) == list(unknown) and all(
            np.isclose(known[name].value, unknown[name].value, equal_nan=True) for name in known
        )
        assert same or "texts" in metric.needs, 'its scores depend on texts: add "texts" to its `needs`'

    def test_one_example(self) -> None:
        """The smallest test set there is."""
        import numpy as np

        self.component().score(self.outcome().take(np.asarray([0])))


class SelectorContract(ComponentContract):
    """What holds for selectors."""

    kind = "selector"

    def problem(self) -> SelectionProblem:
        """Sixty examples, with everything that is known about them."""
        import numpy as np

        train = reviews(60)
        classifier = WordClassifier.fit(train)
        texts = [example.texts for example in train]
        values = np.random.default_rng(0).random(len(train))
        return SelectionProblem(train, classifier.embed(texts), classifier.predict_proba(texts), values)

    def test_distinct_indices_into_the_training_set(self) -> None:
        """The same ones for the same seed."""
        import numpy as np

        problem = self.problem()
        with left_alone(problem) as given:
            order = np.asarray(self.component().order(given, seed=0))
        assert np.issubdtype(order.dtype, np.integer)
        assert len(np.unique(order)) == len(order)
        assert order.min() >= 0
        assert order.max() < 60
        assert np.array_equal(order, self.component().order(self.problem(), seed=0))


class DatasetContract(ComponentContract):
    """What holds for data sets."""

    kind = "dataset"

    def test_it_loads_and_passes_the_checks_of_a_run(self) -> None:
        """Splits that are not empty, labels in range, unique ids, the same for the same seed."""
        from harness.datasets import check, fingerprint

        dataset = self.component().load(seed=0)
        check(dataset)
        assert fingerprint(dataset) == fingerprint(self.component().load(seed=0))


class ModelContract(ComponentContract):
    """What holds for models."""

    kind = "model"

    def test_fine_tune_predict_save_load(self, tmp_path: Path) -> None:
        """Probabilities that sum to 1, and survive a trip to the disk."""
        import numpy as np

        model, train = self.component(), reviews(24)
        texts = [example.texts for example in reviews(6, seed=1)]
        weights = np.ones(24, dtype=np.float32)
        with left_alone(train, weights) as (given, factors):
            classifier = model.fine_tune(given, num_labels=2, seed=0, weights=factors)
        probs = classifier.predict_proba(texts)
        assert probs.shape == (6, 2)
        assert np.allclose(probs.sum(axis=1), 1, atol=1e-5)
        classifier.save(tmp_path / "classifier")
        assert np.allclose(model.load(tmp_path / "classifier").predict_proba(texts), probs, atol=1e-6)
        again = model.fine_tune(train, num_labels=2, seed=0, weights=np.ones(24, dtype=np.float32))
        assert np.array_equal(again.predict_proba(texts), probs)

    def test_encodings(self) -> None:
        """What a classifier reads of a text can be hashed; a text's row is its own, whatever is predicted beside it."""
        import numpy as np

        classifier = self.component().fine_tune(reviews(24), num_labels=2, seed=0)
        texts: list[Texts] = [
            "",
            "a",
            "wonderful",
            "wonderful",
            "boring " * 300,
            *(e.texts for e in reviews(4, seed=2)),
        ]
        encodings = classifier.encode(texts)
        assert len(encodings) == len(texts)
        assert encodings[2] == encodings[3]
        assert hash(encodings[2]) == hash(encodings[3])
        assert all(classifier.size(encoding) >= 1 for encoding in encodings)
        rows = classifier.predict_encoded(encodings)
        alone = np.concatenate([classifier.predict_encoded([encoding]) for encoding in encodings])
        exact = classifier.batch_invariant
        assert np.array_equal(rows, alone) if exact else np.allclose(rows, alone, atol=1e-4)
        assert classifier.predict_encoded([]).shape == (0, 2)
        assert classifier.predict_proba([]).shape == (0, 2)
        embeddings = classifier.embed(texts)
        assert embeddings.shape[0] == len(texts)
        assert np.isfinite(embeddings).all()

    def test_weights_count(self) -> None:
        """Examples of high weight count for more: else an arm with `weights` would be one without."""
        import numpy as np

        train, texts = reviews(24), [example.texts for example in reviews(6, seed=1)]
        weights = np.asarray([1.9 if example.label else 0.1 for example in train], dtype=np.float32)
        plain = self.component().fine_tune(train, num_labels=2, seed=0).predict_proba(texts)
        weighted = self.component().fine_tune(train, num_labels=2, seed=0, weights=weights).predict_proba(texts)
        assert weighted[:, 1].mean() > plain[:, 1].mean()

    def test_embeddings(self) -> None:
        """One finite vector per text, and none of none."""
        import numpy as np

        assert len(self.component().embed([])) == 0
        embeddings = self.component().embed([example.texts for example in reviews(5)])
        assert embeddings.ndim == 2
        assert len(embeddings) == 5
        assert np.isfinite(embeddings).all()
