"""Metrics where only a sample of the test set was attacked: each population is scored on the examples that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from harness.components.metric import Outcome, Score, Scores

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray, IntArray


class Parts(NamedTuple):
    """An outcome in two, of which metrics know nothing.

    Attributes:
        clean: All test examples, without the attack.
        attacked: Those that were attacked, with it.
        rows: Their row numbers in the test set.
    """

    clean: Outcome
    attacked: Outcome
    rows: IntArray


def parts_of(outcome: Outcome) -> Parts | None:
    """The two parts of an outcome of which a sample was attacked; ``None`` for any other."""
    import numpy as np

    if outcome.attacked is None or outcome.attacked.reached.all():
        return None
    baseline = None if outcome.baseline is None else replace(outcome.baseline, attacked=None)
    rows = np.flatnonzero(outcome.attacked.reached)
    return Parts(replace(outcome, attacked=None, baseline=baseline), outcome.take(rows), rows)


def score_parts(score: Callable[[Outcome], Scores], parts: Parts) -> tuple[Scores, frozenset[str]]:
    """Scores of both parts: figures of the clean test set over all of it, those of the attack over the sample.

    Args:
        score: Scores an outcome.
        parts: The outcome.

    Returns:
        The scores, in which contributions are ``nan`` for examples that were not attacked; and the names of the figures over
        the sample.
    """
    everything, sample = score(parts.clean), score(parts.attacked)
    n = len(parts.clean.test)
    found = {
        name: everything.scalars[name] if name in everything.scalars else _spread(figure, parts.rows, n)
        for name, figure in sample.scalars.items()
    }
    tables = {
        name: _joined(everything.tables[name], table) if name in everything.tables else table
        for name, table in sample.tables.items()
    }
    over_sample = frozenset(sample.scalars.keys() - everything.scalars.keys())
    return Scores({**found, **everything.scalars}, {**everything.tables, **tables}), over_sample


def _spread(figure: Score, rows: IntArray, n: int) -> Score:
    import numpy as np

    if figure.per_example is None:
        return figure
    contributions: FloatArray = np.full(n, np.nan)
    contributions[rows] = figure.per_example
    return replace(figure, per_example=contributions)


def _joined(everything: pd.DataFrame, sample: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table by population: the clean ones of the whole test set, the others of the sample."""
    import pandas as pd

    if "population" not in everything or "population" not in sample:
        return everything
    own = set(everything["population"])
    return pd.concat([everything, sample[~sample["population"].isin(own)]], ignore_index=True)
