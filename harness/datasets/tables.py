"""What a reader of files or of the hub hands on: named columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.components.texts import abridged
from harness.errors import DataError, did_you_mean, nearest

_SHOWN = 20


@dataclass(frozen=True)
class Table:
    """Named columns of one split, as they were read.

    Attributes:
        split: ``"train"``, ``"validation"`` or ``"test"``; ids start with it.
        where: What to call it in messages: a path, or a name on the hub.
        columns: Values by column name, all of the same length.
        class_names: Names of the classes by index, if the source states them for the label column.
        rows: Numbers of the rows in the source, from 0, where the table does not hold all of them.
        notes: How it was read, where that was guessed (``separator``).
    """

    split: str
    where: str
    columns: dict[str, list[Any]]
    class_names: tuple[str, ...] = ()
    rows: Sequence[int] | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), []))

    def number(self, row: int) -> int:
        """The number in the source, counted from 1, of a row of this table, counted from 0."""
        return (row if self.rows is None else self.rows[row]) + 1

    def column(self, name: str) -> list[Any]:
        """The values of one column.

        Raises:
            DataError: There is none of that name.
        """
        require(self.where, [name], self.columns)
        return self.columns[name]


def require(where: str, wanted: Sequence[str], present: Iterable[str], *, what: str = "column") -> None:
    """Raise :class:`~harness.errors.DataError` for the first wanted name that is not present, or present more than once."""
    names = list(present)
    for name in wanted:
        count = names.count(name)
        if count > 1:
            raise DataError(
                f"{where} has {count} {what}s of the name {abridged(name)}: it is not clear which one is meant."
            )
        if not count:
            short = [known if len(known) <= _SHOWN * 3 else f"{known[: _SHOWN * 3]}..." for known in names]
            if len(short) <= _SHOWN or nearest(name, short):
                raise DataError(f"{where} has no {what} {abridged(name)}. {did_you_mean(name, short)}")
            some = ", ".join(short[:_SHOWN])
            raise DataError(f"{where} has no {what} {abridged(name)}, but {len(short)} others: {some}, ...")
