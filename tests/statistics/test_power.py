"""What is promised of a run to come is what the test of the board keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from harness.statistics.comparison import contrast
from harness.statistics.power import Components, components

SETTINGS = [
    (Components(0.10, 0.10, 0.0), 300, 1),
    (Components(0.10, 0.04, 0.0), 300, 3),
    (Components(0.10, 0.04, 0.0004), 300, 3),
    (Components(0.20, 0.10, 0.0009), 500, 5),
]


def compared(found: Components, examples: int, seeds: int, difference: float, rng: np.random.Generator) -> tuple:
    """``(S,)`` differences under every seed and ``(B, S)`` resampled ones, of examples with the given variances."""
    common = np.sqrt(found.common) * rng.standard_normal((examples, 1))
    alone = np.sqrt(found.example - found.common) * rng.standard_normal((examples, seeds))
    each = difference + common + alone + np.sqrt(found.seed) * rng.standard_normal(seeds) * (seeds > 1)
    weights = rng.multinomial(examples, np.full(examples, 1 / examples), 200) / examples
    return each.mean(axis=0), weights @ each


@pytest.mark.parametrize(("found", "examples", "seeds"), SETTINGS)
def test_the_promised_difference_is_found_as_often_as_promised(found: Components, examples: int, seeds: int) -> None:
    difference, rng, hits = found.detectable(examples, seeds), np.random.default_rng(1), 0
    for _ in range(500):
        values, drawn = compared(found, examples, seeds, difference, rng)
        hits += contrast(values, np.zeros(seeds), drawn, np.zeros_like(drawn), examples).p < 0.05
    assert 0.74 <= hits / 500 <= 0.86


def test_one_seed_is_the_classic_formula() -> None:
    found = Components(0.12, 0.12, 0.5).detectable(400, 1)
    expected = (stats.t.ppf(0.975, 399) + stats.norm.ppf(0.8)) * np.sqrt(0.12 / 400)
    assert found == pytest.approx(expected, rel=0.02)


def test_variances_of_a_pilot_are_those_that_it_was_drawn_from() -> None:
    rng, truth, found = np.random.default_rng(0), Components(0.2, 0.12, 0.004), []
    for _ in range(60):
        values, drawn = compared(truth, 400, 4, 0.05, rng)
        found.append(components(values, drawn, 400))
    means = [np.mean([getattr(one, name) for one in found]) for name in ("example", "common", "seed")]
    assert means == pytest.approx([0.2, 0.12, 0.004], rel=0.25)


def test_more_examples_and_more_seeds_show_smaller_differences() -> None:
    found = Components(0.1, 0.05, 0.0001)
    by_size = [found.detectable(n, 5) for n in (100, 300, 1000, 10_000)]
    by_seed = [found.detectable(1000, s) for s in (2, 3, 5, 10)]
    assert by_size == sorted(by_size, reverse=True)
    assert by_seed == sorted(by_seed, reverse=True)


@pytest.mark.parametrize("seeds", [1, 5, 10])
def test_the_number_of_examples_is_the_smallest_that_does(seeds: int) -> None:
    found = Components(0.1, 0.05, 0.0001)
    n = found.examples_for(0.03, seeds)
    assert n is not None
    assert found.detectable(n, seeds) <= 0.03 < found.detectable(round(0.9 * n), seeds)


def test_no_number_of_examples_makes_up_for_seeds_that_differ() -> None:
    assert Components(0.1, 0.05, 0.0025).examples_for(0.03, 3) is None


def test_the_command_on_a_pilot(cli: Callable[..., tuple[int, str, str]]) -> None:
    records = str(Path(__file__).parents[2] / "leaderboard/results/quickstart")
    code, out, _ = cli(
        "power",
        "quickstart",
        "--pilot",
        records,
        "--json",
        "--seeds",
        "1,5",
        "--examples",
        "150,1000",
        "--difference",
        "5",
    )
    assert code == 0
    (found,) = json.loads(out)
    assert (found["examples"], found["seeds"], found["comparisons"]) == (150, 1, 5)
    assert found["table"]["150"]["1"] == found["detectable"] > found["table"]["1000"]["1"]
    assert found["needed"]["1"] > 1000
    assert "5 comparisons of quickstart on reviews" in found["basis"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seeds", "0"), "--seeds 0: expected whole numbers of at least 1"),
        (("--examples", "many"), "--examples many: expected whole numbers of at least 2"),
        (("--pilot", "nowhere"), "nowhere does not exist"),
    ],
)
def test_wrong_options_are_one_message(
    cli: Callable[..., tuple[int, str, str]], options: tuple[str, ...], message: str
) -> None:
    code, _, errors = cli("power", "quickstart", *options)
    assert code == 2
    assert message in errors
    assert "Traceback" not in errors
