"""How payloads lie on disk: examples as parquet, arrays as safetensors, the rest as JSON; the same bytes for the same data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.components.example import Example
from harness.types import Texts

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    from harness.types import FloatArray, IntArray


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what :func:`write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays as safetensors."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read what :func:`write_arrays` wrote."""
    from safetensors.numpy import load_file

    return load_file(path)


def write_parquet(table: pd.DataFrame | pa.Table, path: Path) -> None:
    """Write a table as Zstandard-compressed parquet, a data frame without its index; the same bytes every time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", compression_level=9)


def write_table(path: Path, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> None:
    """Write columns as parquet; ``types`` names the arrow type of each, for columns may be empty or all null."""
    import pyarrow as pa

    aliases = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "tags": pa.list_(pa.string())}
    write_parquet(pa.table({name: pa.array(columns[name], type=aliases[kind]) for name, kind in types.items()}), path)


def read_table(path: Path) -> dict[str, list[Any]]:
    """Read a parquet file as columns of Python values."""
    import pyarrow.parquet as pq

    columns: dict[str, list[Any]] = pq.read_table(path).to_pydict()
    return columns


EXAMPLE_TYPES = {"id": "string", "text": "string", "text_pair": "string", "label": "int64", "tags": "tags"}


def example_columns(examples: Sequence[Example]) -> dict[str, list[Any]]:
    """Examples as columns ``id``, ``text``, ``text_pair``, ``label``, ``tags``."""
    return {
        "id": [example.id for example in examples],
        "text": [example.text for example in examples],
        "text_pair": [example.text_pair for example in examples],
        "label": [example.label for example in examples],
        "tags": [list(example.tags) for example in examples],
    }


def examples_of(columns: Mapping[str, Sequence[Any]]) -> list[Example]:
    """The examples of :func:`example_columns`."""
    return [
        Example(text=text, label=label, text_pair=pair, id=identifier, tags=tuple(tags))
        for identifier, text, pair, label, tags in zip(
            columns["id"], columns["text"], columns["text_pair"], columns["label"], columns["tags"], strict=True
        )
    ]


def write_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write examples as parquet."""
    write_table(path, example_columns(examples), EXAMPLE_TYPES)


def read_examples(path: Path) -> list[Example]:
    """Read what :func:`write_examples` wrote."""
    return examples_of(read_table(path))


def split_texts(texts: Iterable[Texts]) -> tuple[list[str], list[str | None]]:
    """Texts or pairs as two columns."""
    first, second = [], []
    for item in texts:
        one, two = (item, None) if isinstance(item, str) else item
        first.append(one)
        second.append(two)
    return first, second


def join_texts(first: Sequence[str], second: Sequence[str | None]) -> list[Texts]:
    """The reverse of :func:`split_texts`."""
    return [one if two is None else (one, two) for one, two in zip(first, second, strict=True)]


def labels_of(examples: Sequence[Example]) -> IntArray:
    """``(n,)`` int64 class indices."""
    import numpy as np

    return np.asarray([example.label for example in examples], dtype=np.int64)


def as_float32(array: npt.ArrayLike) -> FloatArray:
    """A contiguous float32 array."""
    import numpy as np

    result: npt.NDArray[np.float32] = np.ascontiguousarray(array, dtype=np.float32)
    return result
