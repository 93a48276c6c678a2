"""What metrics return."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, get_args

from harness.border.calls import calling, drawn
from harness.border.numbers import described, fault, real
from harness.components.metric import Direction, Score, Scores
from harness.types import NAME

if TYPE_CHECKING:
    import pandas as pd

    from harness.components.metric import Metric, Outcome
    from harness.registry import Entry
    from harness.stages.base import Configured
    from harness.types import BoolArray, FloatArray, IntArray

SCORE_NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*(?:@[^\s@/]+)?(?:/[^\s@/](?:[^\r\n/]*[^\s/])?)?"
"""Form of the names of scores: lower-case words joined by ``_``, a threshold after ``@``, a population after ``/``."""


def scored(metric: Configured[Metric], outcome: Outcome) -> Scores:
    """A metric's scores of an outcome, checked.

    Returns:
        Values and bounds as floats, contributions as ``(n,)`` arrays of booleans or floats.

    Raises:
        HarnessError: It fails, or breaks its contract; the message says with which figure or table.
    """
    entry = metric.entry
    with calling(entry):
        scores = metric.component.score(outcome)
    if not isinstance(scores, Scores):
        raise fault(entry, f"returned {type(scores).__name__}, not Scores")
    for what, found in (("scalars", scores.scalars), ("tables", scores.tables)):
        if not isinstance(found, Mapping):
            raise fault(entry, f"returned {described(found)} as its {what}; expected a mapping from names")
    return Scores(
        {_name(entry, name): _score(entry, name, score, len(outcome.test)) for name, score in scores.scalars.items()},
        {_table_name(entry, name): _table(entry, name, table) for name, table in scores.tables.items()},
    )


def resampled(
    metric: Configured[Metric], outcome: Outcome, resamples: Iterable[IntArray], count: int
) -> Iterator[Mapping[str, float]]:
    """A metric's figures on ``count`` resamples, one mapping for each.

    Raises:
        HarnessError: It fails, or breaks its contract.
    """
    entry, done = metric.entry, 0
    found: Any
    for found in drawn(entry, lambda: metric.component.resampled(outcome, resamples)):
        if not isinstance(found, Mapping):
            raise fault(entry, f"returned {described(found)} for resample {done}; expected figures by name")
        if done == count:
            raise fault(entry, f"returned figures of more than {count} resamples; expected one mapping for each")
        yield {name: _number(entry, value, f"{name!r} on resample {done}") for name, value in found.items()}
        done += 1
    if done != count:
        raise fault(entry, f"returned figures of {done} resamples for {count}; expected one mapping for each")


def _name(entry: Entry, name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(SCORE_NAME, name):
        raise fault(
            entry,
            f"calls a figure {name!r}; expected lower-case words joined by _, a threshold after @ and a population after /, "
            "as in 'uu@0.65/perturbed'",
        )
    return name


def _score(entry: Entry, name: str, score: Any, n: int) -> Score:
    if not isinstance(score, Score):
        raise fault(entry, f"gave {name!r} as {described(score)}; expected a Score")
    if score.better is not None and score.better not in get_args(Direction):
        raise fault(entry, f"calls {score.better!r} values of {name!r} better; expected 'higher', 'lower' or None")
    if not isinstance(score.meaning, str):
        raise fault(entry, f"gave the meaning of {name!r} as {described(score.meaning)}; expected a string")
    low, high = (
        None if bound is None else _number(entry, bound, f"the {which} of {name!r}")
        for which, bound in (("lower bound", score.low), ("upper bound", score.high))
    )
    return Score(
        _number(entry, score.value, f"{name!r}"),
        score.better,
        low,
        high,
        None if score.per_example is None else _contributions(entry, name, score.per_example, n),
        bool(score.total),
        score.meaning,
    )


def _number(entry: Entry, value: Any, what: str) -> float:
    import numpy as np

    if not isinstance(value, Real | np.bool_):
        raise fault(entry, f"gave {what} as {described(value)}; expected a real number")
    return float(value)


def _contributions(entry: Entry, name: str, given: Any, n: int) -> FloatArray | BoolArray:
    import numpy as np

    array: FloatArray | BoolArray = real(entry, given, f"contributions to {name!r}")
    if array.shape != (n,):
        raise fault(
            entry, f"gave {array.shape} contributions to {name!r}; expected one for each of the {n} test examples"
        )
    if array.dtype.kind == "f" and (endless := np.isinf(array)).any():
        raise fault(
            entry, f"gave an infinite contribution to {name!r} for the test example in row {int(endless.argmax())}"
        )
    return array


def _table_name(entry: Entry, name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise fault(
            entry,
            f"calls a table {name!r}; expected a name fit for a file: letters, digits and . _ + -, at most 80, no /",
        )
    return name


def _table(entry: Entry, name: str, table: Any) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    if not isinstance(table, pd.DataFrame):
        raise fault(entry, f"gave the table {name!r} as {described(table)}; expected a pandas DataFrame")
    try:
        pa.Table.from_pandas(table, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error.args[0] if error.args else error)
        raise fault(entry, f"gave a table {name!r} that no parquet file can hold: {reason}") from error
    return table
