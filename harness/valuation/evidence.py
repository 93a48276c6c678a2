"""What the scores of a board of valuators follow from where retraining judges: kept beside it, so that they can be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.disk import write_bytes
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
    if arrays:
        write_bytes(path, save(arrays))  # for others to read too, as the library's own files are not
    else:
        path.unlink(missing_ok=True)


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

        place, octets = f"{dataset}/{draw}", -(-points // 8)
        members, noisy = (self._array(f"{place}/{name}", "u", n) for name, n in (("members", 2), ("noisy", 1)))
        test, validation = (self._array(f"{place}/{name}", "f", 3) for name in ("test", "validation"))
        labels = [self._array(f"{place}/{name}_labels", "iu", 1) for name in ("test", "validation")]
        m, classes = len(members), test.shape[2]
        fits = (members.shape[1], len(noisy)) == (octets, octets) and all(
            len(own) and probs.shape == (m, len(own), classes) and 0 <= own.min() <= own.max() < classes
            for own, probs in zip(labels, (test, validation), strict=True)
        )
        if not fits or not m:
            raise InputError(f"{self.path}: {dataset}, draw {draw}: the arrays do not fit together.")
        which, flipped = (np.unpackbits(bits, axis=-1, count=points).astype(bool) for bits in (members, noisy))
        return Retrainings(which, test, labels[0], validation, labels[1], flipped)

    def values(self, dataset: str, draw: int, valuator: str, seed: int) -> FloatArray:
        """``(n_train,)`` float64.

        Raises:
            InputError: They are missing, or no such array.
        """
        return self._array(f"{dataset}/{draw}/values/{valuator}/{seed}", "f", 1)

    def predicted(self, dataset: str, draw: int, valuator: str, seed: int) -> FloatArray | None:
        """``(m, n_valid)`` float32, or ``None``.

        Raises:
            InputError: It is no such array.
        """
        name = f"{dataset}/{draw}/predicted/{valuator}/{seed}"
        return self._array(name, "f", 2) if name in self._arrays else None

    def _array(self, name: str, kind: str, ndim: int) -> npt.NDArray[Any]:
        """An array of one of numpy's kinds of numbers, all of them finite."""
        import numpy as np

        if name not in self._arrays:
            raise InputError(f"{self.path}: {name} is missing.")
        found = self._arrays[name]
        if found.dtype.kind not in kind or found.ndim != ndim or not np.isfinite(found).all():
            raise InputError(f"{self.path}: {name} is not what a run writes.")
        return found
