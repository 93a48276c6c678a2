"""The leaderboard: derived from records, and all its views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from harness.report import frames, markup, views
from harness.report.baselines import Baselines, default_baselines
from harness.report.model import Board, Overall, Part

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from harness.records.model import RecordFolder
    from harness.report.notebook import Plot

LEADERBOARD_VERSION = 1


class Leaderboard(Part):
    """All boards. Build one with :meth:`build`; everything else is a view of it."""

    schema_version: int = LEADERBOARD_VERSION
    level: float = 0.95
    """Confidence level of all intervals."""
    boards: tuple[Board, ...] = ()
    overall: tuple[Overall, ...] = ()
    """Arms over all data sets, of suites that have several."""
    _records: tuple[Any, ...] = PrivateAttr(())

    @classmethod
    def build(cls, records: Iterable[RecordFolder], *, baselines: Iterable[Baselines] | None = None) -> Leaderboard:
        """Derive the leaderboard from records, and add reported rows to the boards that they speak of.

        Args:
            records: Records, in any order; those of different suites, boards or data sets are kept apart.
            baselines: Reported figures; those that come with the project by default.

        Raises:
            harness.errors.InputError: Two records contradict each other (same arm and seed, other content; other data).
        """
        from harness.report.derive import derive
        from harness.statistics.intervals import LEVEL

        found = list(records)
        boards, overall = derive(found, default_baselines() if baselines is None else list(baselines))
        made = cls(level=LEVEL, boards=boards, overall=overall)
        made._records = tuple(found)
        return made

    @classmethod
    def read(cls, text: str, records: Iterable[RecordFolder] = ()) -> Leaderboard:
        """The leaderboard that :meth:`to_json` wrote, with the records that charts are drawn from."""
        found = cls.model_validate_json(text)
        found._records = tuple(records)
        return found

    def filter(
        self, *, datasets: Iterable[str] = (), arms: Iterable[str] = (), suites: Iterable[str] = ()
    ) -> Leaderboard:
        """Only the given data sets, arms and suites; an empty choice means all. Ranks and tests stay as they are.

        Summaries over data sets stay only where nothing of their suite was left out.

        Raises:
            harness.errors.InputError: A name that no board has, or nothing is left.
        """
        datasets, arms, suites = list(datasets), list(arms), list(suites)
        boards = views.choose(self.boards, datasets=datasets, arms=arms, suites=suites)
        kept = {board.suite for board in boards} if not [*datasets, *arms] else set()  # a summary is of everything
        return self.model_copy(update={"boards": boards, "overall": tuple(o for o in self.overall if o.suite in kept)})

    def sort(self, by: str, *, descending: bool = False) -> Leaderboard:
        """Rows sorted by a column: ``arm``, ``rank``, ``seeds``, ``delta`` (of the primary score) or any score's name.

        Reported rows stay below the measured ones; rows without the figure come last.

        Raises:
            harness.errors.InputError: No board has the column.
        """
        return self.model_copy(update={"boards": views.arrange(self.boards, by, descending=descending)})

    def to_pandas(self) -> pd.DataFrame:
        """One line per board and arm; columns ``SCORE``, ``SCORE_low``, ``SCORE_high``, ``SCORE_std`` and differences."""
        return frames.wide(self.boards)

    def to_csv(self) -> str:
        """:meth:`to_pandas` as comma-separated values."""
        return frames.csv(self.boards)

    def to_json(self) -> str:
        """Everything, as JSON of this model."""
        return frames.as_json(self.model_dump(mode="json"))

    def to_markdown(self, columns: Iterable[str] = ()) -> str:
        """Tables for a README, one per board."""
        return markup.markdown(self.boards, columns, self.overall)

    def to_latex(self, columns: Iterable[str] = ()) -> str:
        """Tables for a paper, one per board (needs the LaTeX package ``booktabs``)."""
        return markup.latex(self.boards, columns, self.overall)

    def plot(self, chart: str = "uu", dataset: str | None = None) -> Plot:
        """One of the report's charts, as Vega-Lite that a notebook shows and ``save`` writes as JSON, SVG or PNG.

        Args:
            chart: ``uu`` (unknown unknowns over the threshold), ``reliability``, ``wrong`` (confidence where wrong),
            ``remove``,
                ``values``, ``times`` or ``planted``, as far as the records have the data.
            dataset: Name of the data set; may be left out where there is one.

        Raises:
            harness.errors.InputError: There is no such chart or data set, or the leaderboard was not built from records.
        """
        from harness.report.notebook import plot

        return plot(self._records, chart, dataset)

    def _repr_html_(self) -> str:
        """The boards, for notebooks."""
        from harness.report import overall_text
        from harness.report.columns import captions, chosen_columns, title
        from harness.report.notebook import html_table

        parts = []
        for board in self.boards:
            columns = chosen_columns(board, ())
            heads, rows = [c.title for c in columns], [[c.cell(board, row) for c in columns] for row in board.rows]
            parts.append(html_table(title(board), heads, rows, captions(board), text=2))
        for one in self.overall:
            rows = [list(overall_text.cells(one, row)) for row in one.rows]
            parts.append(
                html_table(overall_text.title(one), overall_text.HEADS, rows, overall_text.captions(one), text=2)
            )
        return "".join(parts)

    def to_rich(self, columns: Iterable[str] = (), *, intervals: bool = False) -> RenderableType:
        """Tables for the terminal, which leave out the less important columns when it is narrow."""
        from harness.report.terminal import Terminal

        return Terminal(self.boards, tuple(columns), intervals=intervals, overall=self.overall)
