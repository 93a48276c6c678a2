"""A classifier of which nothing is known but its predictions for certain texts, in a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.components.example import Example
from harness.components.labels import listed
from harness.components.paths import existing_file
from harness.components.texts import abridged
from harness.disk import known_digest
from harness.errors import DataError, did_you_mean
from harness.models.given import GivenModel, TextClassifier, probabilities
from harness.types import Texts

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray

_NUMBERED = re.compile(r"(?:prob|probability|proba|p|logit|score)s?[_ .-]?(\d+)", re.IGNORECASE)
_PREFIXED = re.compile(r"(?:prob|probability|proba|p|logit|score)s?[_ .-](.+)", re.IGNORECASE)


class Predictions(GivenModel):
    """Predictions of a classifier in a file: CSV, JSON lines or Parquet with ids or texts, and probabilities or logits.

    A row belongs to an example by its `id` (`test/17`, or 17: the row of the data file, counted from 0), or by its `text` (and
    `text_pair`). The columns of the numbers are called as the classes are (`negative`, `prob_negative`) or numbered (`prob_0`);
    or there is one column `probabilities` (or `logits`) of lists, in JSON lines and Parquet.

    Everything that needs no query can be had: unknown unknowns at every threshold, calibration, intervals, blind spots,
    comparisons. It cannot be attacked or fine-tuned.
    """

    api_version: ClassVar[int] = 1
    queryable: ClassVar[bool] = False

    path: str = Field(min_length=1)
    """The file."""
    encoding: str = "utf-8"
    """Encoding of CSV and JSON lines."""

    def preflight(self) -> None:
        """Check that the file is there."""
        super().preflight()
        self._file()

    def identity(self) -> dict[str, Any]:
        """The options, with the file named by a digest of its contents."""
        return {**super().identity(), "path": known_digest(self._file())}

    def name(self) -> str:
        """What to call it in messages."""
        return f"The file {self.path}"

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> TextClassifier:
        """Its predictions for these examples; see :meth:`harness.components.Model.given`.

        Raises:
            DataError: A row is missing, is there twice, belongs to no example, or holds no probabilities.
        """
        frame = self._frame()
        outputs, columns = self._columns(frame)
        match = self.matched(self.labels or outputs, labels)
        numbers = frame[columns[0]].tolist() if len(columns) == 1 else frame[columns].to_numpy().tolist()
        texts = [f"id {name}" for name in self._names(frame)]
        probs = probabilities(numbers, match.order, self.scale, self.name(), texts)
        rows = self._rows(frame, examples)
        said = f"{match.said} Only predictions are known: nothing that needs a query of the classifier is computed (no attack)."
        known: dict[Texts, FloatArray] = {}
        for example, row in zip(examples, rows, strict=True):
            before = known.setdefault(example.texts, probs[row])
            if abs(before - probs[row]).max() > 1e-4:
                raise DataError(
                    f"{self.name()} has different predictions for one text, {abridged(example.text)} ({example.id}); a "
                    "classifier gives one."
                )
        return _Known(known, len(labels), said, self.name())

    def load(self, folder: Path) -> TextClassifier:
        """Read back the predictions that were saved."""
        kept = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
        import numpy as np

        texts = [text if isinstance(text, str) else tuple(text) for text in kept["texts"]]
        probs = np.asarray(kept["probs"], dtype=np.float32)
        return _Known(dict(zip(texts, probs, strict=True)), kept["classes"], kept["said"], self.name())

    def _file(self) -> Path:
        return existing_file(self.locate(self.path))

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        path = self._file()
        frame: pd.DataFrame | None
        try:
            match path.suffix:
                case ".csv" | ".tsv":
                    separator = "\t" if path.suffix == ".tsv" else None
                    frame = pd.read_csv(path, sep=separator, engine="python", encoding=self.encoding)
                case ".jsonl":
                    frame = pd.read_json(
                        path, lines=True, encoding=self.encoding, dtype={"id": str}, convert_dates=False
                    )
                case ".parquet":
                    frame = pd.read_parquet(path)
                case _:
                    frame = None
        except Exception as error:  # three libraries read these files
            first = (str(error).splitlines() or ["no message"])[0]
            raise DataError(f"{path} cannot be read as {path.suffix[1:]}: {first}") from error
        if frame is None:
            raise DataError(f"The format of {path} is not known; expected .csv, .tsv, .jsonl or .parquet.")
        if not len(frame):
            raise DataError(f"{self.name()} has no rows.")
        if "id" not in frame and "text" not in frame:
            raise DataError(
                f"{self.name()} has neither a column 'id' nor 'text'; it has {listed(list(map(str, frame)))}."
            )
        return frame

    def _columns(self, frame: pd.DataFrame) -> tuple[tuple[str, ...] | None, list[str]]:
        """What outputs are called, ``None`` if they are numbered only; and the columns of their numbers."""
        names = [str(column) for column in frame.columns]
        for single in ("probabilities", "logits", "probs"):
            if single in names:
                return None, [single]
        wanted = [f"{prefix}{label}" for label in self.labels for prefix in ("", "prob_")]
        if self.labels and len(found := [name for name in names if name in wanted]) == len(self.labels):
            return tuple(name if name in self.labels else name[len("prob_") :] for name in found), found
        numbered = {int(match[1]): name for name in names if (match := _NUMBERED.fullmatch(name))}
        if numbered and sorted(numbered) == list(range(len(numbered))):
            return None, [numbered[index] for index in range(len(numbered))]
        prefixed = {match[1]: name for name in names if (match := _PREFIXED.fullmatch(name))}
        if prefixed:
            return tuple(prefixed), list(prefixed.values())
        left = [n for n in names if n not in ("id", "text", "text_pair", "label", "prediction", "predicted")]
        numbers = [name for name in left if frame[name].dtype.kind in "fi"]
        if len(numbers) < 2:
            raise DataError(
                f"{self.name()} has no columns of probabilities: {listed(names)}.",
                hint="Call them as the classes (`negative`, `positive`) or `prob_0`, `prob_1`, ...; see docs/audit.md.",
            )
        return tuple(numbers), numbers

    def _names(self, frame: pd.DataFrame) -> list[str]:
        if "id" in frame:
            return [str(value) for value in frame["id"]]
        return [abridged(str(value)) for value in frame["text"]]

    def _rows(self, frame: pd.DataFrame, examples: Sequence[Example]) -> list[int]:
        """The row of the file for every example; every row belongs to one."""
        wanted: Mapping[Any, list[int]]
        if "id" in frame:
            mine: list[Any] = [example.id for example in examples]
            # A test set that was drawn from the training file keeps the ids of that file.
            split = "train" if mine and not any(name.startswith("test/") for name in mine) else "test"
            keys: list[Any] = [name if "/" in name else f"{split}/{name}" for name in self._names(frame)]
        else:
            pairs = frame["text_pair"].tolist() if "text_pair" in frame else [None] * len(frame)
            keys = [
                (str(a).strip(), None if b is None else str(b).strip())
                for a, b in zip(frame["text"], pairs, strict=True)
            ]
            mine = [(example.text, example.text_pair) for example in examples]
        place: dict[Any, int] = {}
        for row, key in enumerate(keys):
            if key in place and "id" in frame:
                raise DataError(
                    f"{self.name()} has the id {key!r} twice: in rows {place[key] + 1} and {row + 1} (counted from 1)."
                )
            place.setdefault(key, row)
        wanted = {key: [] for key in mine}
        absent = [example for example, key in zip(examples, mine, strict=True) if key not in place]
        if absent:
            first = absent[0]
            raise DataError(
                f"{self.name()} lacks {len(absent)} of {len(examples)} examples; first: {first.id}, {abridged(first.text)}"
            )
        for row, key in enumerate(keys):
            if key not in wanted:
                near = did_you_mean(key, [str(k) for k in mine[:1000]]) if isinstance(key, str) else ""
                shown = key if isinstance(key, str) else abridged(key[0])
                raise DataError(
                    f"{self.name()}, row {row + 1} (counted from 1): {shown} is no example of the data. {near}".rstrip()
                )
        return [place[key] for key in mine]


class _Known(TextClassifier):
    def __init__(self, known: Mapping[Texts, FloatArray], classes: int, said: str, name: str) -> None:
        super().__init__(classes, said)
        self._known, self._name = known, name

    def ask(self, texts: Sequence[Texts]) -> FloatArray:
        import numpy as np

        for text in texts:
            if text not in self._known:
                raise DataError(
                    f"{self._name} has no prediction for {abridged(text)}, and there is nothing else to ask."
                )
        rows: FloatArray = np.stack([self._known[text] for text in texts])
        return rows

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "texts": list(self._known),
            "probs": [[float(value) for value in row] for row in self._known.values()],
            "classes": self.num_labels,
            "said": self.said,
        }
        (folder / "predictions.json").write_text(json.dumps(content), encoding="utf-8")
