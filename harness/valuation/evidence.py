"""What the scores of a board of valuators follow from where retraining judges: kept beside it, so that they can be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.store.payload import read_arrays
from harness.valuation.datamodel import Retrainings

if TYPE_CHECKING:
    import numpy.typing as npt

    from harness.types import FloatArray
    from harness.valuation.board import Judged

ARRAYS = "valuators.safetensors"
"""Name of the file in a run folder: per draw members of the subsets (one bit each) and the probabilities of their classifiers,
per valuator its values and what it predicts of single validation points."""


def write_evidence(path: Path, boards: Mapping[str, Sequence[Judged]]) -> None:
    """Write what the boards of data sets follow from, where retraining judges; elsewhere there is no such file."""
    import numpy as np
    from safetensors.numpy import save

    arrays: dict[str, npt.NDArray[Any]] = {}
    for dataset, items in boards.items():
        for item in items:
            if item.retrainings is None:
                continue
            place = f"{dataset}/{item.draw}"
            for field in fields(Retrainings):
                array = getattr(item.retrainings, field.name)
                arrays[f"{place}/{field.name}"] = np.packbits(array, axis=-1) if array.dtype == bool else array
            arrays[f"{place}/values/{item.valuator}/{item.seed}"] = item.values
            if item.predicted is not None:
                arrays[f"{place}/predicted/{item.valuator}/{item.seed}"] = item.predicted.astype(np.float32)
    path.unlink(missing_ok=True)
    if arrays:
        path.write_bytes(save(arrays))  # for others to read too, as the library's own files are not


class Evidence:
    """The arrays of :data:`ARRAYS`."""

    def __init__(self, path: Path) -> None:
        """Read them.

        Raises:
            InputError: The file is missing or no such file.
        """
        self.path = path
        if not path.is_file():
            raise InputError(
                f"{path} is missing: the scores of {path.with_suffix('.json').name} cannot be computed again."
            )
        try:
            self._arrays = read_arrays(path)
        except Exception as error:  # noqa: BLE001 - the library has errors of its own
            raise InputError(f"{path}: cannot be read ({error}).") from None

    def retrainings(self, dataset: str, draw: int, points: int) -> Retrainings:
        """Those of a draw with ``points`` training points.

        Raises:
            InputError: They are missing, or do not fit.
        """
        import numpy as np

        found = {field.name: self._array(f"{dataset}/{draw}/{field.name}") for field in fields(Retrainings)}
        for name in ("members", "noisy"):
            found[name] = np.unpackbits(found[name], axis=-1, count=points).astype(bool)
        made, m = Retrainings(**found), len(found["members"])
        sizes = made.test.shape[:2], made.validation.shape[:2]
        if sizes != ((m, len(made.test_labels)), (m, len(made.validation_labels))):
            raise InputError(f"{self.path}: {dataset}, draw {draw}: the arrays do not fit together.")
        return made

    def values(self, dataset: str, draw: int, valuator: str, seed: int) -> FloatArray:
        """``(n_train,)`` float64.

        Raises:
            InputError: They are missing.
        """
        return self._array(f"{dataset}/{draw}/values/{valuator}/{seed}")

    def predicted(self, dataset: str, draw: int, valuator: str, seed: int) -> FloatArray | None:
        """``(m, n_valid)`` float32, or ``None``."""
        return self._arrays.get(f"{dataset}/{draw}/predicted/{valuator}/{seed}")

    def _array(self, name: str) -> npt.NDArray[Any]:
        if name not in self._arrays:
            raise InputError(f"{self.path}: {name} is missing.")
        return self._arrays[name]
