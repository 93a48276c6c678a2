"""Risk-coverage, attack figures, matched coverage and cost."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.components import AttackedTest, Example, Outcome
from harness.registry import component


def scores(metric: str, outcome: Outcome, **options: object) -> dict[str, float]:
    return {name: score.value for name, score in component("metric", metric, **options).score(outcome).scalars.items()}


@given(st.lists(st.tuples(st.sampled_from([0.6, 0.7, 0.8]), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_aurc_is_the_mean_over_all_orders_of_ties(outcome, rows: list[tuple[float, bool]]) -> None:
    o = outcome([[c, 1 - c] for c, _ in rows], [int(wrong) for _, wrong in rows])
    areas = []
    for order in itertools.permutations(range(len(rows))):
        ranked = [rows[i] for i in order]
        if all(a[0] >= b[0] for a, b in itertools.pairwise(ranked)):
            wrong = np.cumsum([w for _, w in ranked])
            areas.append((wrong / np.arange(1, len(rows) + 1)).mean())
    found = scores("aurc", o)
    assert found["aurc/clean"] == pytest.approx(np.mean(areas))
    assert found["excess_aurc/clean"] >= 0
    shuffled = o.take(np.random.default_rng(0).permutation(len(rows)))
    assert scores("aurc", shuffled) == pytest.approx(found)


def test_perfect_ranking_has_no_excess(outcome) -> None:
    o = outcome([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], [0, 0, 1])
    found = scores("aurc", o, coverages=(0.67, 1.0))
    assert found["excess_aurc/clean"] == 0
    assert found["aurc/clean"] == pytest.approx((0 + 0 + 1 / 3) / 3)
    assert found["selective_accuracy@0.67/clean"] == 1
    assert found["selective_accuracy@1/clean"] == pytest.approx(2 / 3)


def test_attack_figures_by_hand(outcome) -> None:
    test = [Example("a fine film", 0), Example("a bad film", 1, "so dull"), Example("never seen", 1), Example("ok", 0)]
    o = outcome([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], [0, 1, 1, 0], test=test)
    attacked = AttackedTest(
        ["succeeded", "succeeded", "skipped", "failed"],
        ["a fime film", ("a abd film", "so dulll"), "never seen", "kk"],
        np.asarray([[0.3, 0.7], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]], dtype=np.float32),
        np.asarray([10, 20, 1, 60]),
    )
    found = scores("attack", Outcome(o.task, o.thresholds, test, o.probs, test, o.probs, attacked=attacked))
    assert found["attack_success_rate"] == pytest.approx(2 / 3)
    assert found["attack_queries"] == 30
    assert found["attack_edit_distance"] == pytest.approx((1 + 3) / 2)
    assert found["attack_perturbed_words"] == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert scores("attack", o) == {}


def test_nothing_attacked_is_not_defined(outcome) -> None:
    o = outcome([[0.9, 0.1]], [1], attacked=[[0.9, 0.1]], succeeded=[False])
    assert all(np.isnan(value) for value in scores("attack", o).values())


def calibrated(rng: np.random.Generator, n: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    logits = rng.normal(0, 2, n)
    labels = (rng.random(n) > 1 / (1 + np.exp(-logits))).astype(int)
    first = 1 / (1 + np.exp(-logits * sharpness))
    return np.stack([first, 1 - first], axis=1), labels


def with_validation(outcome, test: tuple, validation: tuple, **more: object) -> Outcome:
    held_out = [Example(f"held out {i}", int(label)) for i, label in enumerate(validation[1])]
    return outcome(*test, validation=held_out, validation_probs=np.asarray(validation[0], dtype=np.float32), **more)


def test_being_timid_does_not_win_at_matched_coverage(outcome) -> None:
    def arm(sharpness: float, **more: object) -> Outcome:
        rng = np.random.default_rng(4)
        return with_validation(outcome, calibrated(rng, 800, sharpness), calibrated(rng, 2000, sharpness), **more)

    bold = arm(2.0)
    timid = arm(0.25, baseline=bold)
    assert scores("uu", timid)["uu@0.8/clean"] < 0.3 * scores("uu", bold)["uu@0.8/clean"]
    ours, theirs = scores("matched-uu", timid), scores("matched-uu", bold)
    for tau in ("0.65", "0.8", "0.9"):
        assert ours[f"matched_uu@{tau}/clean"] == pytest.approx(theirs[f"matched_uu@{tau}/clean"], abs=0.51)
        assert ours[f"matched_coverage@{tau}/clean"] == theirs[f"matched_coverage@{tau}/clean"]
    assert theirs["temperature"] == pytest.approx(2, rel=0.15)
    assert ours["temperature"] == pytest.approx(0.25, rel=0.15)


def test_matched_coverage_keeps_the_baselines_share(outcome) -> None:
    base = with_validation(
        outcome,
        ([[0.9, 0.1], [0.85, 0.15], [0.6, 0.4], [0.55, 0.45]], [0, 1, 0, 1]),
        calibrated(np.random.default_rng(1), 4000, 1),
    )
    arm = with_validation(
        outcome,
        ([[0.6, 0.4], [0.6, 0.4], [0.9, 0.1], [0.6, 0.4]], [0, 1, 0, 0]),
        calibrated(np.random.default_rng(1), 4000, 1),
        baseline=base,
    )
    scored = component("metric", "matched-uu").score(arm).scalars
    assert scored["matched_coverage@0.65/clean"].value == 0.5
    # the second place is shared by three predictions of equal confidence, one of them wrong
    assert scored["matched_uu@0.65/clean"].value == pytest.approx(1 / 3)
    assert scored["matched_uu@0.65/clean"].per_example.dtype.kind == "f"
    assert component("metric", "matched-uu").score(base).scalars["matched_uu@0.65/clean"].per_example.dtype.kind == "b"


def test_cost_reports_what_was_measured(outcome) -> None:
    costs = {"seconds": 90.0, "seconds/fine-tune": 60.0, "seconds/attack": 30.0, "peak_memory_bytes": 5e8, "money": 0.2}
    o = outcome([[1, 0]], [0], costs=costs)
    assert scores("cost", o) == costs
    found = component("metric", "cost").score(o).scalars
    assert found["seconds/attack"].meaning == "Wall-clock seconds of stage attack."
    assert scores("cost", outcome([[1, 0]], [0])) == {}
