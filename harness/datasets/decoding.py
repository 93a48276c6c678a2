"""From a file's bytes to its text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from harness.errors import DataError

_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OFTEN = "Name its encoding in the option `encoding` (often `cp1252` or `latin-1`)."


def text_of(path: Path, encoding: str) -> str:
    """The text of a file, unpacked if its suffix says that it is packed; line ends are as they were.

    Raises:
        DataError: The archive is damaged, the bytes are not in this encoding, or they hold a NUL, as no text does.
    """
    raw = _unpacked(path)
    try:
        known = codecs.lookup(encoding)
        # A mark of the byte order at the beginning is no part of the text; of other encodings Python itself drops it.
        text = raw.decode("utf-8-sig" if known.name == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        marked = next((name for mark, name in _BOMS.items() if raw.startswith(mark) and name != known.name), None)
        # Where the encoding is not one of whole bytes, a line break is none either; then the position has to do.
        number = raw.count(b"\n", 0, error.start) + 1
        line = "" if b"\0" in raw else f", line {number}"
        raise DataError(
            f"{path} is not {encoding}: byte {raw[error.start]:#04x} near position {error.start}{line} ({error.reason}).",
            hint=f"It begins as {marked} does: set `encoding: {marked}`." if marked else _OFTEN,
        ) from error
    except LookupError as error:  # also what is no encoding of texts, such as "hex"
        raise DataError(f"There is no encoding {encoding!r}.") from error
    except ValueError as error:  # UnicodeError of encodings for host names and the like
        raise DataError(f"{path} is not {encoding}: {error}.", hint=_OFTEN) from error
    if (place := text.find("\0")) >= 0:
        number = text.count("\n", 0, place) + 1
        raise DataError(
            f"{path} holds the character NUL in line {number}: it is no text in {encoding}.",
            hint="Files of Windows programs are often `encoding: utf-16`."
            if raw.count(b"\0") > len(raw) // 4
            else None,
        )
    return text


def _unpacked(path: Path) -> bytes:
    read = UNPACKED.get(path.suffix, Path.read_bytes)
    try:
        return read(path)
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}.") from error
    except OSError as error:  # gzip's and bz2's own complaints too
        what = "read" if error.strerror else "unpacked"
        raise DataError(f"{path} cannot be {what}: {error.strerror or error}.") from error


def _gzip(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()


def _bz2(path: Path) -> bytes:
    with bz2.open(path) as file:
        return file.read()


def _xz(path: Path) -> bytes:
    with lzma.open(path) as file:
        return file.read()


def _zip(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"The archive {path} holds {len(names)} files; expected one.")
        return archive.read(names[0])


UNPACKED: dict[str, Callable[[Path], bytes]] = {".gz": _gzip, ".bz2": _bz2, ".xz": _xz, ".zip": _zip}
"""How files are unpacked, by their last suffix."""
