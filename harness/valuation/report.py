"""The board of valuators on one data set: what their values are worth, and what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.statistics.digits import plural, significant
from harness.valuation.board import Judged, board, figures_of, steadiness
from harness.valuation.judge import agreement

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


COLUMNS = {
    "auroc": ("AUROC", ".3f"),
    "auroc_min": ("worst AUROC", ".3f"),
    "f1": ("F1", ".3f"),
    "removal_area": ("removal area", ".4f"),
    "network_area": ("network area", ".4f"),
    "lds": ("LDS", ".3f"),
    "lds_points": ("LDS per point", ".3f"),
    "lds_uu": ("LDS of UU", ".3f"),
    "stability": ("stability", ".3f"),
    "seconds": ("seconds", ""),
    "peak_mb": ("peak MB", ",.0f"),
}
"""Columns of the board: heading and format, none for significant digits. A board shows those that it has."""

MEANINGS = {
    "rank": "One more than the number of valuators that are better beyond chance (paired t-tests over draws, Holm over all "
    "pairs), and not before one with a better figure. None of a single draw.",
    "auroc": "Probability that a right label is valued above a flipped one; .5 is chance.",
    "auroc_min": "The AUROC of the worst draw and seed.",
    "f1": "F1 of calling the lowest-valued points flipped, as many as there are; chance is the flipped share.",
    "removal_area": "Mean gap in test accuracy between dropping the lowest- and the highest-valued points; 0 is chance.",
    "network_area": "The same gap for the network itself, trained again without the lowest or highest values.",
    "lds": "Linear datamodelling score: Spearman correlation, over random subsets of the training set, between the sum of "
    "their values and what retraining on them comes to (mean log-odds of the true class of test points); 0 is chance.",
    "lds_points": "The same for the log-odds of each single validation point, predicted by what training points do for that "
    "one, mean over these; of methods that can tell.",
    "lds_uu": "As LDS, for the share of unknown unknowns at the first threshold, fewer being better.",
    "stability": "Mean Spearman correlation of the values between seeds, on one problem; fixed: no seed changes them.",
    "seconds": "Wall-clock time of one valuation, mean over draws and seeds.",
    "peak_mb": "Largest memory above what was in use before, in megabytes.",
}
"""What the columns mean, for the pages."""

RANGES = {
    "auroc": (0.0, 1.0),
    "f1": (0.0, 1.0),
    "removal_area": (-1.0, 1.0),
    "network_area": (-1.0, 1.0),
    "lds": (-1.0, 1.0),
    "lds_points": (-1.0, 1.0),
    "lds_uu": (-1.0, 1.0),
}
"""The figures that have intervals and are tested, with their ranges; higher is better."""

BETTER = {"auroc_min": max, "stability": max, "seconds": min, "peak_mb": min}
"""Where the best of the other columns is."""

OVER_DRAWS = "Figures are means over draws of the problem and the seeds of each; [95 % intervals] over draws."
ONE_DRAW = (
    "One draw of the problem: no intervals over draws, no ranks, and another draw may turn rows round. `valuation: {draws: 5}` "
    "tells methods apart."
)
OVER_SUBSETS = "Intervals of LDS are over the subsets that were trained on."


@dataclass(frozen=True)
class Cell:
    """A figure of the board as text, with its interval (empty where there is none)."""

    text: str
    interval: str
    best: bool


@dataclass(frozen=True)
class ValuationReport:
    """The assessment of all valuators on one data set.

    Attributes:
        dataset: Name of the data set.
        noise: Share of the training labels that were flipped.
        points: Number of training points that were valued.
        primary: Name of the figure that ranks.
        runs: One row per valuator, draw and seed: ``valuator``, ``draw``, ``seed``, figures, costs
            (see :func:`harness.valuation.board.figures_of`).
        stable: By valuator, stability (:func:`harness.valuation.board.steadiness`).
        agreement: Spearman correlations between the valuators' values under the first seed, mean over draws.
        curves: Columns ``valuator``, ``draw``, ``seed``, ``removed``, ``remove_high``, ``remove_low``.
        threshold: Confidence from which errors are unknown unknowns, where retraining judges.
        network_curves: As ``curves``, of the network itself, with ``remove_random``; ``None`` where that was not asked for.
    """

    dataset: str
    noise: float
    points: int
    primary: str
    runs: pd.DataFrame
    stable: Mapping[str, float | None]
    agreement: pd.DataFrame
    curves: pd.DataFrame
    threshold: float | None = None
    network_curves: pd.DataFrame | None = None

    @cached_property
    def board(self) -> pd.DataFrame:
        """One row per valuator, best first (see :func:`harness.valuation.board.board`)."""
        return board(self.runs, self.stable, self.primary, RANGES)

    @property
    def draws(self) -> int:
        """Number of draws of the problem."""
        return int(self.runs["draw"].nunique())

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """The columns of :data:`COLUMNS` that this board has."""
        return {name: found for name, found in COLUMNS.items() if name in self.board.columns}

    @property
    def captions(self) -> list[str]:
        """What to know of the figures, in sentences."""
        if self.draws == 1:
            return [ONE_DRAW, *([OVER_SUBSETS] if "lds" in self.columns else [])]
        return [OVER_DRAWS, f"Ranked by {COLUMNS[self.primary][0]}; valuators that cannot be told apart share a rank."]

    @property
    def sizes(self) -> str:
        """How much was valued, how often, and with how many wrong labels."""
        noise = f"{self.noise:.0%} of the training labels flipped" if self.noise else "training labels as they are"
        seeds = int(self.board["seeds"].max())
        return f"{plural(self.points, 'point')} · {plural(self.draws, 'draw')} · {plural(seeds, 'seed')} · {noise}"

    @property
    def title(self) -> str:
        """The data set and its sizes."""
        return f"{self.dataset} · {self.sizes}"

    def rows(self) -> list[tuple[str, str, list[Cell]]]:
        """Rank (empty where there is none), valuator and the cells of every row."""
        ranked = ("" if math.isnan(rank) else f"{rank:.0f}" for rank in self.board["rank"].astype("float64"))
        rows = self.board.to_dict("records")
        return [(rank, row["valuator"], self._cells(row)) for rank, row in zip(ranked, rows, strict=True)]

    def _cells(self, row: dict[Any, Any]) -> list[Cell]:
        found = []
        for name, (_, form) in self.columns.items():
            interval = ""
            if name in RANGES and not math.isnan(row[f"{name}_low"]):
                interval = f"[{_end(row[f'{name}_low'])}, {_end(row[f'{name}_high'])}]"
            fixed = name == "stability" and row["fixed"]
            found.append(Cell("fixed" if fixed else shown(row[name], form), interval, self._best(name, row)))
        return found

    def _best(self, name: str, row: dict[Any, Any]) -> bool:
        """Whether a figure is the best of its column; of the ranking one, beyond chance, with all that share the rank."""
        if name == self.primary:
            return self.draws > 1 and bool(row["rank"] == 1) and bool((self.board["rank"] > 1).any())
        if name not in BETTER:
            return False
        finite = [value for value in self.board[name] if not math.isnan(value)]
        return bool(finite) and row[name] == BETTER[name](finite)

    def to_rich(self) -> RenderableType:
        """The board for the terminal; where it is narrow, without its less important columns."""
        from harness.valuation.terminal import BoardView

        return BoardView(self)

    def table(self) -> tuple[list[str], list[tuple[list[str], list[bool]]]]:
        """Headings, and of each row its texts and which of them are best, for formats of text."""
        ranked = self.draws > 1
        heads = [*(["rank"] if ranked else []), "valuator", *(heading for heading, _ in self.columns.values())]
        rows = []
        for rank, name, cells in self.rows():
            first = [*([rank] if ranked else []), name]
            texts = [f"{cell.text} {cell.interval}".rstrip() for cell in cells]
            rows.append(([*first, *texts], [False] * len(first) + [cell.best for cell in cells]))
        return heads, rows


def shown(value: float, form: str) -> str:
    """A figure, or a dash where it is not defined."""
    return "–" if math.isnan(value) else format(value, form) if form else significant(value)


def _end(value: float) -> str:
    """The end of an interval: two decimals, without the zero before them."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.0f}"


def make_report(dataset: str, noise: float, items: Sequence[Judged], threshold: float | None = None) -> ValuationReport:
    """The report of one data set.

    Args:
        dataset: Name of the data set.
        noise: Share of flipped labels.
        items: In the suite's order.
        threshold: Confidence from which errors are unknown unknowns.
    """
    import pandas as pd

    runs = figures_of(items)
    curves, of_network = (
        [
            frame.assign(valuator=i.valuator, draw=i.draw, seed=i.seed)
            for i in items
            if (frame := getattr(i, name)) is not None
        ]
        for name in ("curves", "network_curves")
    )
    return ValuationReport(
        dataset=dataset,
        noise=noise,
        points=len(items[0].values),
        primary=_primary(runs),
        runs=runs,
        stable=steadiness(items),
        agreement=_agreement(items),
        curves=pd.concat(curves, ignore_index=True)[
            ["valuator", "draw", "seed", "removed", "remove_high", "remove_low"]
        ],
        network_curves=pd.concat(of_network, ignore_index=True) if of_network else None,
        threshold=threshold if any(item.retrainings is not None for item in items) else None,
    )


def _primary(runs: pd.DataFrame) -> str:
    """What ranks: what retraining says, else how wrong labels are found, else removal."""
    known = (name for name in ("lds", "auroc") if name in runs and runs[name].notna().all())
    return next(known, "removal_area")


def _agreement(items: Iterable[Judged]) -> pd.DataFrame:
    """Spearman correlations under the first seed, mean over draws."""
    first: dict[int, dict[str, Any]] = {}
    for item in items:
        first.setdefault(item.draw, {}).setdefault(item.valuator, item.values)
    frames = [agreement(values) for values in first.values()]
    return sum(frames[1:], frames[0]) / len(frames)
