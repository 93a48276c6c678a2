"""A classifier that is a Python function, an object with ``predict_proba``, or a scikit-learn pipeline in a file."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.components.example import Example
from harness.components.file import find, names_file
from harness.components.paths import existing_file
from harness.disk import known_digest
from harness.errors import HarnessError, InputError
from harness.models.given import GivenModel, Scale, TextClassifier, probabilities, read_order, write_order
from harness.types import Texts

if TYPE_CHECKING:
    from harness.types import FloatArray

PICKLES = (".joblib", ".pkl", ".pickle")


class PythonModel(GivenModel):
    """A classifier in Python: a function in a file, or a scikit-learn pipeline that was saved.

    A function takes a list of texts (of pairs of texts: a list of tuples) and returns an array with a row of probabilities for
    each. Instead of a function there may be an object with a method `predict_proba`, and for outputs that have names an
    attribute `classes_`, as estimators of scikit-learn have. It must give the same answer to the same text.
    """

    api_version: ClassVar[int] = 1

    source: str = Field(min_length=1)
    """`./serve.py:predict_proba`, or a file that joblib or pickle wrote (`.joblib`, `.pkl`)."""
    trust_pickle: bool = False
    """Read a file of joblib or pickle. Doing so runs whatever code is in it, with all that you may do on this machine: only
    for files that you made or that come from somebody you trust."""

    def preflight(self) -> None:
        """Check that the file is there, and that reading it is allowed."""
        super().preflight()
        self._file()

    def identity(self) -> dict[str, Any]:
        """The options, with the file named by its contents."""
        options = super().identity()
        del options["trust_pickle"]
        name = self.source.rpartition(":")[2] if names_file(self.source) else ""
        return options | {"source": f"{known_digest(self._file())}:{name}"}

    def given(self, labels: Sequence[str], examples: Sequence[Example]) -> TextClassifier:
        """The classifier as it is; see :meth:`harness.components.Model.given`."""
        function, classes = self._function()
        match = self.matched(self.labels or classes, labels)
        return _Callable(function, match.order, self.scale, self.name(), match.said)

    def load(self, folder: Path) -> TextClassifier:
        """Read back what was saved: the function again, and the order of its outputs."""
        kept = read_order(folder)
        return _Callable(self._function()[0], kept["order"], self.scale, self.name(), kept["said"])

    def name(self) -> str:
        """What to call it in messages."""
        return f"The classifier {self.source}"

    def _file(self) -> Path:
        if names_file(self.source):
            return find(self.source, self.origin().folders).path
        path = existing_file(self.locate(self.source))
        if path.suffix not in PICKLES:
            raise InputError(
                f"{self.name()} is no Python file with a name in it, nor a file of joblib or pickle.",
                hint=f"Write `./serve.py:predict_proba`, or name a file that ends in {', '.join(PICKLES)}.",
            )
        if not self.trust_pickle:
            raise InputError(
                f"{self.name()} is a pickled file, which is not read: that runs whatever code is in it.",
                hint="If you made it, or trust whoever did, set `trust_pickle: true` (`--trust-pickle` of harness audit).",
            )
        return path

    def _function(self) -> tuple[Any, tuple[str, ...] | None]:
        """What is called with texts, and what it calls its outputs."""
        path = self._file()
        if names_file(self.source):
            found = find(self.source, self.origin().folders).load()
            found = found() if isinstance(found, type) else found
        else:
            found = _unpickled(path, known_digest(path))
        classes = getattr(found, "classes_", None)
        function = getattr(found, "predict_proba", found)
        if not callable(function):
            raise InputError(
                f"{self.name()} is a {type(found).__name__}; expected a function, or an object with predict_proba."
            )
        return function, None if classes is None else tuple(str(name) for name in classes)


class _Callable(TextClassifier):
    def __init__(self, function: Any, order: Sequence[int], scale: Scale, name: str, said: str) -> None:
        super().__init__(len(order), said)
        self._function, self._order, self._scale, self._name = function, tuple(order), scale, name

    def ask(self, texts: Sequence[Texts]) -> FloatArray:
        try:
            found = self._function(list(texts))
        except HarnessError:
            raise
        except Exception as error:
            first = (str(error).splitlines() or ["no message"])[0]
            raise InputError(f"{self._name} failed on {len(texts)} texts: {type(error).__name__}: {first}") from error
        return probabilities(found, self._order, self._scale, self._name, texts)

    def save(self, folder: Path) -> None:
        write_order(folder, self._order, self.said)


@lru_cache(maxsize=2)
def _unpickled(path: Path, digest: str) -> Any:
    """The object in a pickled file; ``digest`` changes when the file does."""
    try:
        if path.suffix == ".joblib":
            import joblib  # type: ignore[import-untyped]

            return joblib.load(path)
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the suite says that it is trusted
    except Exception as error:  # whatever the code in it raises
        first = (str(error).splitlines() or ["no message"])[0]
        raise InputError(f"{path} cannot be unpickled: {type(error).__name__}: {first}") from error
