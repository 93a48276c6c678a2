"""Rows of tables by the values of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.components.texts import abridged
from harness.datasets.tables import Table
from harness.errors import DataError, did_you_mean

Value = str | bool | int | float
Filter = dict[str, Value | tuple[Value, ...]]
"""The values that are taken, by column."""


def filtered(tables: Mapping[str, Table], wanted: Mapping[str, Value | tuple[Value, ...]]) -> dict[str, Table]:
    """The rows of all splits in which every named column has one of the values that are named for it.

    Values are compared as text without surrounding white space: 3 is ``"3"`` and ``3.0``, true is ``"true"`` and ``"True"``.

    Args:
        tables: Tables by split.
        wanted: Values by column.

    Raises:
        DataError: A value occurs in no split, or no row of a split is left.
    """
    asked = {name: values if isinstance(values, tuple) else (values,) for name, values in wanted.items()}
    there = {
        name: {split: [text_of(value) for value in table.column(name)] for split, table in tables.items()}
        for name in asked
    }
    for name, values in asked.items():
        known = dict.fromkeys(text for texts in there[name].values() for text in texts)
        for value in values:
            if text_of(value) not in known:
                where = ", ".join(dict.fromkeys(table.where for table in tables.values()))
                raise DataError(
                    f"filter: no row of {where} has {abridged(value)} in column {name!r}. "
                    + did_you_mean(text_of(value), list(known)[:20])
                )
    kept = {}
    for split, table in tables.items():
        accepted = [{text_of(value) for value in values} for values in asked.values()]
        columns = [there[name][split] for name in asked]
        rows = [
            row
            for row, texts in enumerate(zip(*columns, strict=True))
            if all(text in some for text, some in zip(texts, accepted, strict=True))
        ]
        if not rows:
            shown = ", ".join(f"{name}: {', '.join(map(text_of, values))}" for name, values in asked.items())
            raise DataError(f"filter: none of the {len(table)} rows of {table.where} has {shown}.")
        kept[split] = _rows(table, rows)
    return kept


def text_of(value: Any) -> str:
    """A value of a cell, or of a suite, as the text that is compared."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def _rows(table: Table, rows: list[int]) -> Table:
    columns = {name: [values[row] for row in rows] for name, values in table.columns.items()}
    return replace(table, columns=columns, rows=[table.number(row) - 1 for row in rows])
