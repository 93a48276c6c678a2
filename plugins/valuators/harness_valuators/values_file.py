"""Values that were computed elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.components import ValuationProblem, Valuator
from harness.components.paths import existing_file
from harness.components.valuator import Need
from harness.disk import known_digest
from harness.errors import DataError, did_you_mean, nearest

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray


class ValuesFile(Valuator):
    """Values from a CSV file: a column `value`, and a column `id`, without which rows are in the training set's order.

    Every training example must have one; rows of other examples are refused, for they tell that the file is of other data.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[Need]] = frozenset({"texts"})

    path: str = Field(min_length=1)
    """The file."""
    column: str = Field(default="value", min_length=1)
    """The column of the values."""
    negate: bool = False
    """Whether low values are those of points that help, as of losses."""

    def preflight(self) -> None:
        """Check that the file is there and has the column, with a finite number in each row."""
        self._values(self._table())

    def identity(self) -> dict[str, Any]:
        """The options, with the file named by a digest of its contents."""
        return {**super().identity(), "path": known_digest(self._file())}

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values as they are in the file, or their negatives; nothing is random.

        Raises:
            DataError: The file is damaged, lacks training examples or has others, or has not as many rows as there are.
        """
        import numpy as np

        table = self._table()
        values = self._values(table)
        if "id" not in table:
            rows = problem.sources.rows
            if len(values) != problem.n_train if rows is None else len(values) <= rows.max():
                raise DataError(
                    f"{self.path} has {len(values)} rows for {problem.n_train} training examples.",
                    hint="Without a column `id` it needs one for each, in their order.",
                )
            return values if rows is None else values[rows]
        known = dict(zip(table["id"], values, strict=True))
        ids = [example.id for example in problem.texts[0]]
        if missing := [name for name in ids if name not in known]:
            raise DataError(
                f"{self.path} lacks {len(missing)} of {len(ids)} training examples (first: {missing[0]!r}). "
                f"{did_you_mean(missing[0], list(known)[:1000])}"
            )
        others = set(known) - set(ids)
        if others and problem.sources.rows is None:
            first = next(name for name in table["id"] if name in others)
            close = nearest(first, ids[:1000], limit=1)
            raise DataError(
                f"{self.path} has {len(others)} ids that no training example has (first: {first!r})"
                + (f"; the nearest is {close[0]!r}." if close else ".")
            )
        return np.asarray([known[name] for name in ids])

    def _file(self) -> Path:
        return existing_file(self.locate(self.path))

    def _table(self) -> pd.DataFrame:
        import pandas as pd

        path = self._file()
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (ValueError, OSError) as error:
            raise DataError(f"{self.path} is no CSV file: {str(error).splitlines()[0]}") from error
        if self.column not in table:
            raise DataError(
                f"{self.path} has no column {self.column!r}. {did_you_mean(self.column, list(table.columns))}"
            )
        if "id" in table and table["id"].duplicated().any():
            twice = table["id"][table["id"].duplicated()].iloc[0]
            raise DataError(f"{self.path} has the id {twice!r} more than once.")
        return table

    def _values(self, table: pd.DataFrame) -> FloatArray:
        import numpy as np
        import pandas as pd

        values = pd.to_numeric(table[self.column], errors="coerce").to_numpy(dtype=np.float64)
        if not (finite := np.isfinite(values)).all():
            row = int((~finite).argmax())
            found = table[self.column].iloc[row]
            raise DataError(f"{self.path}, line {row + 2}: {self.column} is {found!r}; expected a finite number.")
        found_values: FloatArray = -values if self.negate else values
        return found_values
