"""The comparison of valuators over draws of the problem and seeds: means, intervals, paired tests, shared ranks.

A *draw* of the problem is another sample of training, validation and test points with other flipped labels. Draws are what a
statement about a method generalises over, so they are the unit: the figures of a draw are means over its seeds, intervals are
Student's over draws, and two valuators are compared draw by draw. Of a single draw there is neither interval nor rank.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.statistics.comparison import Contrast, contrast, holm, shared_ranks
from harness.statistics.intervals import Interval, estimate
from harness.valuation.judge import AssessedValues, Measured, stability

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray
    from harness.valuation.datamodel import Retrainings


@dataclass(frozen=True)
class Judged:
    """What one valuator gave on one draw of the problem under one seed, and what it is worth.

    Attributes:
        valuator: Its name in the suite.
        draw: Number of the draw, from 0.
        seed: The seed it was given.
        values: ``(n_train,)``.
        figures: By name, what the values are worth (``auroc``, ``f1``, ``removal_area``, ...; higher is better, ``nan`` where
            not defined) and what they cost (``seconds``, ``peak_mb``).
        curves: Columns ``removed``, ``remove_high``, ``remove_low``.
        retrainings: Of the draw, where retraining judges.
        predicted: ``(m, n_valid)`` what the valuator predicts of single validation points for each retraining, if it can.
        network_curves: Columns of :func:`harness.valuation.network.network_curves`, where these are asked for.
    """

    valuator: str
    draw: int
    seed: int
    values: FloatArray
    figures: Mapping[str, float]
    curves: pd.DataFrame
    retrainings: Retrainings | None = None
    predicted: FloatArray | None = None
    network_curves: pd.DataFrame | None = None

    @classmethod
    def of(cls, valuator: str, draw: int, seed: int, assessed: AssessedValues, measured: Measured) -> Judged:
        """From the assessment of values, and what they cost."""
        figures = {name: getattr(assessed, name) for name in ("auroc", "f1", "removal_area")}
        figures |= {"seconds": measured.seconds, "peak_mb": measured.peak_bytes / 1e6}
        return cls(valuator, draw, seed, measured.values, figures, assessed.curves)


def figures_of(items: Sequence[Judged]) -> pd.DataFrame:
    """One row per item: ``valuator``, ``draw``, ``seed`` and its figures."""
    import pandas as pd

    return pd.DataFrame([{"valuator": i.valuator, "draw": i.draw, "seed": i.seed, **i.figures} for i in items])


def steadiness(items: Sequence[Judged]) -> dict[str, float | None]:
    """By valuator, the mean Spearman correlation of its values between seeds, over draws; ``None`` where they are the same.

    A method that no seed changes is not stable for being asked the same thing several times. ``nan`` of a single seed.
    """
    import numpy as np

    found: dict[str, float | None] = {}
    for name in dict.fromkeys(item.valuator for item in items):
        draws: dict[int, list[FloatArray]] = {}
        for item in items:
            if item.valuator == name:
                draws.setdefault(item.draw, []).append(item.values)
        repeated = [runs for runs in draws.values() if len(runs) > 1]
        if repeated and all(np.array_equal(runs[0], run) for runs in repeated for run in runs[1:]):
            found[name] = None
        else:
            found[name] = float(np.mean([stability(runs) for runs in draws.values()]))
    return found


def by_draw(runs: pd.DataFrame, figure: str) -> dict[str, dict[int, float]]:
    """By valuator and draw, a figure's mean over seeds."""
    means = runs.groupby(["valuator", "draw"], sort=False)[figure].mean().reset_index()
    found: dict[str, dict[int, float]] = {}
    for name, draw, value in means.itertuples(index=False):
        found.setdefault(str(name), {})[int(draw)] = float(value)
    return found


def over_draws(values: Mapping[int, float], span: tuple[float, float]) -> tuple[float, Interval]:
    """The mean over draws with its 95 % interval, cut at the figure's range."""
    import numpy as np

    found = estimate(np.array(list(values.values())), None, clusters=0)  # draws alone tell the error
    return found.value, found.interval().clip(*span)


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> Contrast | None:
    """The difference ``a - b`` of a figure over the draws that both have; ``None`` where it is defined on none."""
    both = [draw for draw in a if draw in b and not math.isnan(a[draw]) and not math.isnan(b[draw])]
    if not both:
        return None
    return contrast([a[draw] for draw in both], [b[draw] for draw in both], None, None, clusters=0)


def ranks(figure: Mapping[str, Mapping[int, float]]) -> dict[str, int | None]:
    """Ranks by a figure over draws; valuators that cannot be told apart share one (Holm over all pairs).

    ``None`` for all where there is one draw only, and for those without the figure.
    """
    import numpy as np

    known = {name: draws for name, draws in figure.items() if not any(math.isnan(value) for value in draws.values())}
    if not known or max(len(draws) for draws in known.values()) < 2:
        return dict.fromkeys(figure)
    pairs = {}
    for one, other in itertools.combinations(known, 2):
        found = paired(known[one], known[other])
        pairs[one, other] = math.nan if found is None else found.p
    values = {name: float(np.mean(list(draws.values()))) for name, draws in known.items()}
    return dict.fromkeys(figure) | shared_ranks(values, holm(pairs), lower=False)


def board(
    runs: pd.DataFrame, stable: Mapping[str, float | None], primary: str, ranges: Mapping[str, tuple[float, float]]
) -> pd.DataFrame:
    """The comparison of valuators, best by the primary figure first.

    Args:
        runs: What :func:`figures_of` gives.
        stable: What :func:`steadiness` gives.
        primary: The figure that ranks.
        ranges: Ranges of the figures that have intervals.

    Returns:
        One row per valuator: ``valuator``, ``rank`` (``None`` of one draw), every figure of ``ranges`` that the runs have as
        the mean over draws, with ``_low`` and ``_high`` (``nan`` of one draw), ``auroc_min`` (the worst draw and seed),
        ``stability`` (``nan`` of one seed and where ``fixed``), ``fixed`` (no seed changes the values), ``seconds`` (mean),
        ``peak_mb`` (largest), ``draws``, ``seeds``.
    """
    import pandas as pd

    tested = {name: by_draw(runs, name) for name in ranges if name in runs.columns}
    ranked = ranks(tested[primary])
    rows = []
    for name in dict.fromkeys(runs["valuator"]):
        own = runs[runs["valuator"] == name]
        row: dict[str, object] = {"valuator": name, "rank": ranked[name]}
        for figure, found in tested.items():
            row[figure], interval = over_draws(found[name], ranges[figure])
            row[f"{figure}_low"], row[f"{figure}_high"] = interval.low, interval.high
            if len(found[name]) == 1 and f"{figure}_low" in own:  # of one draw, the interval that the figure came with
                row[f"{figure}_low"], row[f"{figure}_high"] = own[f"{figure}_low"].mean(), own[f"{figure}_high"].mean()
        if "auroc" in tested:
            row["auroc_min"] = float(own["auroc"].min())
        stays = stable[name]
        row |= {
            "stability": math.nan if stays is None else stays,
            "fixed": stays is None,
            "seconds": float(own["seconds"].mean()),
            "peak_mb": float(own["peak_mb"].max()),
            "draws": int(own["draw"].nunique()),
            "seeds": int(own["seed"].nunique()),
        }
        rows.append(row)
    frame = pd.DataFrame(rows).astype({"rank": "Int64"})
    return frame.sort_values([primary, "valuator"], ascending=[False, True], ignore_index=True)
