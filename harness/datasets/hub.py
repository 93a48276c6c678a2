"""Reading through the ``datasets`` library: from the hub, from its cache, or from a local folder."""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.components.paths import locate
from harness.datasets.arrow import first_line, values
from harness.datasets.tables import Table, require
from harness.disk import files_digest
from harness.errors import DataError, InputError
from harness.progress import progress

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SAVED = ("dataset_dict.json", "state.json")
_TIMEOUT = 15.0


@dataclass(frozen=True)
class HubSource:
    """One data set of the hub, or a local folder.

    Attributes:
        name: Name on the hub, or path of a folder.
        config: Configuration; ``None`` for the only one.
        revision: Branch, tag or commit.
        folders: Folders that the path of a local one starts from, as for :func:`harness.components.paths.locate`.
    """

    name: str
    config: str | None = None
    revision: str | None = None
    folders: tuple[Path, ...] = ()

    @property
    def _folder(self) -> Path | None:
        looks_local = self.name.startswith((".", "~", "/", "$"))
        path = locate(self.name, folders=self.folders) if looks_local or self.name.count("/") <= 1 else None
        if path is not None and path.is_dir():
            return path
        if looks_local:
            raise DataError(f"There is no data folder {path}.")
        return None

    @property
    def _shown(self) -> str:
        parts = [
            self.name,
            *([self.config] if self.config else []),
            *([f"at {self.revision}"] if self.revision else []),
        ]
        return " ".join(parts)

    def check(self) -> None:
        """Raise :class:`~harness.errors.InputError` if :meth:`table` could not read; download nothing."""
        if importlib.util.find_spec("datasets") is None:
            raise InputError(
                f"The data set {self.name!r} needs the package 'datasets', which is not installed.",
                hint="Install it with `pip install 'bliss-harness[huggingface]'`.",
            )
        if self._folder is None and self._cached() is None:
            with self._explained():
                _commit(self.name, self.revision)

    def identity(self) -> str:
        """A name that changes with the contents.

        A digest of the files of a folder; else the commit on the hub, or without a network that of the copy used last.
        """
        if (folder := self._folder) is not None:
            # What the library writes beside the data (indices, locks) is not content.
            files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "cache-"))]
            return f"folder@{files_digest(files)}"
        if self.revision is not None and _COMMIT.fullmatch(self.revision):
            return f"{self.name}@{self.revision}"
        try:
            with self._explained():
                return f"{self.name}@{_commit(self.name, self.revision)}"
        except InputError:
            return f"{self.name}@{self._cached() or self.revision or 'unresolved'}"

    def table(self, name: str, columns: Sequence[str], *, split: str) -> Table:
        """The named columns of the split called ``name``.

        Raises:
            InputError: The data set cannot be had.
            DataError: It has no such configuration, split or column.
        """
        self.check()
        where = f"{self._shown}, split {name!r}"
        with quiet(), self._explained(), progress("data set files"):
            data = self._load(name)
        require(where, columns, data.column_names)
        rows = data.select_columns(list(dict.fromkeys(columns))).with_format("arrow")[:]
        feature = data.features[columns[-1]]
        return Table(
            split,
            where,
            {column: values(rows.column(column), column, where) for column in columns},
            tuple(getattr(feature, "names", ())),
        )

    def _load(self, name: str) -> Any:
        import datasets

        folder = self._folder
        if folder is not None and any((folder / marker).is_file() for marker in _SAVED):
            saved = datasets.load_from_disk(folder)
            if isinstance(saved, datasets.DatasetDict):
                require(f"The data set {self.name}", [name], list(saved), what="split")
                return saved[name]
            raise DataError(
                f"The folder {folder} holds one unnamed split.",
                hint="Save a DatasetDict with train and test splits to it.",
            )
        # Scripts that build a data set are never run: versions of the library that still could would ask first.
        where, options = str(folder or self.name), {"revision": self.revision, "trust_remote_code": False}
        return datasets.load_dataset(where, self.config, split=name, **options)

    def _cached(self) -> str | None:
        """The commit of the copy that the library prepared last, if there is one."""
        from huggingface_hub.constants import HF_HOME

        # What `datasets.config` says, without the seconds that importing it takes.
        home = Path(os.environ.get("HF_DATASETS_CACHE") or Path(HF_HOME) / "datasets").expanduser()
        cache = home / self.name.replace("/", "___")
        prepared = [info.parent for info in cache.glob(f"{self.config or '*'}/*/*/dataset_info.json")]
        if self.revision is not None and _COMMIT.fullmatch(self.revision):
            prepared = [folder for folder in prepared if folder.name == self.revision]
        return max(prepared, key=lambda folder: folder.stat().st_mtime).name if prepared else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what ``datasets`` and ``huggingface_hub`` raise into one message for a user."""
        from huggingface_hub.errors import (
            GatedRepoError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        elsewhere = "or name local files (data set `files`)."
        try:
            yield
        except InputError:
            raise
        except GatedRepoError as error:
            raise InputError(
                f"The data set {self._shown} is gated on the hub and your account has no access to it.",
                hint=f"Ask for access at https://huggingface.co/datasets/{self.name}, then log in with `hf auth login`.",
            ) from error
        except RevisionNotFoundError as error:
            raise InputError(f"The data set {self.name!r} has no revision {self.revision!r} on the hub.") from error
        except RepositoryNotFoundError as error:
            raise InputError(
                f"There is no folder {self.name!r} here, and no data set of that name on the hub (or it is private).",
                hint="Check the spelling; for a private one, log in with `hf auth login`.",
            ) from error
        except Exception as error:
            if isinstance(error, ValueError) and not isinstance(error, OSError):  # a failing network is both at times
                # No such configuration, no such split: the library names those that there are.
                raise DataError(f"The data set {self._shown} cannot be read: {first_line(error)}") from error
            if isinstance(error, RuntimeError) and "scripts are no longer supported" in str(error):
                raise DataError(
                    f"The data set {self._shown} is built by a script, which the harness does not run: {first_line(error)}",
                    hint="Convert it to Parquet files, or use a revision that has been.",
                ) from error
            if isinstance(error, OfflineModeIsEnabled) or os.environ.get("HF_HUB_OFFLINE", "0").upper() in _YES:
                arguments = ", ".join(repr(part) for part in (self.name, self.config) if part)
                raise InputError(
                    f"The data set {self._shown} was not downloaded before, and HF_HUB_OFFLINE forbids to do it now.",
                    hint=f'Unset HF_HUB_OFFLINE, or run `python -c "import datasets; datasets.load_dataset({arguments})"` '
                    f"where there is a network and copy the cache, {elsewhere}",
                ) from error
            if type(error).__name__ == "DatasetGenerationError":  # not imported: that would import all of the library
                cause = error.__cause__ or error
                raise DataError(f"The data set {self._shown} cannot be read: {first_line(cause)}") from error
            if self._folder is not None:
                raise DataError(
                    f"The data folder {self._folder} cannot be read: {type(error).__name__}: {first_line(error)}"
                ) from error
            raise InputError(
                f"The data set {self._shown} cannot be had from the hub: {type(error).__name__}: {first_line(error)}",
                hint=f"Check the network (or HF_ENDPOINT, HTTPS_PROXY), {elsewhere}",
            ) from error


_YES = {"1", "ON", "YES", "TRUE"}


@lru_cache(maxsize=64)
def _commit(name: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT).sha)


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, no log lines and no progress bars of ``datasets`` in this context."""
    import datasets

    verbosity = datasets.logging.get_verbosity()
    bars = datasets.utils.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what fails is said by the exception
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            datasets.logging.set_verbosity(verbosity)
            if not bars:
                datasets.enable_progress_bars()
