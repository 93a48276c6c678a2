"""Run records: what one arm did on one data set under one seed, complete enough to rebuild the leaderboard from.

A record is a folder::

    record.json            the header: versioned, validated on reading (:class:`Record`)
    predictions.parquet    per test example: id, label, tags, prob_0.., status, perturbed_prob_0.., queries (no texts); and
                           cluster, a digest of its text by which repeated texts are known (the id where it is absent)
    validation.parquet     per validation example: id, label, prob_0..
    per_example.parquet    per test example and decomposing score: its contribution (column = name of the score)
    replicates.parquet     per bootstrap resample and non-decomposing score: its value (column = name of the score)
    texts.parquet          per test example: id, text, text_pair, perturbed, perturbed_pair
    map.parquet            per test example: id, x, y (first two principal components of its embedding)
    synthetic.parquet      per synthetic example: its unknown unknown, hypothesis, role, text, label, tags ("repaired:KIND")
    rejected.parquet       per rejected sample: unknown unknown, role, reason, text
    tables/*.parquet       tables of the metrics, ``<metric>.<table>.parquet``

All but the header, the predictions and the validation file may be absent. ``texts``, ``synthetic``, ``rejected`` and the tables
may quote the data set; a submission may leave them out. The same resamples are used for every arm of a data set and seed, so
replicates of two arms are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.disk import file_digest, read_json, within
from harness.errors import InputError
from harness.records.columns import read_columns
from harness.types import NAME, SUITE_NAME

if TYPE_CHECKING:
    import pandas as pd

    from harness.components.metric import Score

SCHEMA_VERSION = 1
HEADER = "record.json"

FILE = rf"(?:{NAME}/)*[A-Za-z0-9][A-Za-z0-9._@+-]{{0,199}}\.parquet"
"""Form of the names of a record's other files."""

Name = Annotated[str, Field(pattern=rf"^{NAME}$")]
"""A name as suites give it; records become folders of these names."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="constants")


class ComponentUse(_Part):
    """A component as it was used."""

    kind: str
    name: str
    """Name qualified by its distribution, ``bliss-harness-valuators/dvrl``."""
    version: str
    """Version of the distribution."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options, defaults included."""
    digests: dict[str, Any] = Field(default_factory=dict)
    """What stands for options that only name something, by content: the version of prompts, of a checkpoint, of a file."""


class DataRecord(_Part):
    """The data, as loaded and limited."""

    fingerprint: str
    """Digest over texts, labels and tags of all splits."""
    labels: tuple[str, ...]
    """Class names by index."""
    columns: tuple[str, ...]
    description: str = ""
    train: int
    validation: int
    test: int
    notes: dict[str, int | float | str] = Field(default_factory=dict)
    """Rows dropped, duplicates across splits, revisions, separators that were guessed."""
    class_sizes: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """Examples of each class by split; empty in records of before these were kept."""


class ScoreRecord(_Part):
    """One figure, and how to read it."""

    value: float | None
    """``null`` where the figure is not defined."""
    better: Literal["higher", "lower"] | None = None
    low: float | None = None
    high: float | None = None
    total: bool = False
    """Whether it is a sum over test examples (a count), not a mean."""
    n: int | None = None
    """Number of test examples that it is over, where these are a sample: of the attack, if that was put to a part of the test
    set only. ``None`` for all of them."""
    decomposes: bool = False
    """Whether ``per_example.parquet`` has its contributions; otherwise ``replicates.parquet`` may have its resamples."""
    metric: str = ""
    """Name of the metric that it belongs to."""
    volatile: bool = False
    """Whether it differs between two equal runs (a time, a memory peak); such figures stay off the boards."""
    meaning: str = ""

    @classmethod
    def of(cls, score: Score, *, metric: str, volatile: bool = False, n: int | None = None) -> ScoreRecord:
        """A metric's figure as records keep it."""
        return ScoreRecord(
            value=float(score.value) if math.isfinite(score.value) else None,
            better=score.better,
            low=score.low,
            high=score.high,
            total=score.total,
            n=n,
            decomposes=score.per_example is not None,
            metric=metric,
            volatile=volatile,
            meaning=score.meaning,
        )


class Environment(_Part):
    """Where the arm's classifier was fine-tuned."""

    python: str
    platform: str
    packages: dict[str, str]
    device: str
    threads: int


class Record(_Part):
    """The header of a record."""

    schema_version: int = SCHEMA_VERSION
    suite: Annotated[str, Field(pattern=rf"^{SUITE_NAME}$")]
    """Name of the suite."""
    board: str
    """Digest of everything that must be equal for two records to stand on one board: the suite's thresholds, metrics,
    attack on the test set, data set and model with their options. Arms and seeds are not part of it."""
    dataset: Name
    arm: Name
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    baseline: Annotated[str, Field(pattern=rf"^(?:{NAME})?$")]
    """Name of the arm that differences refer to."""
    primary: str = ""
    """Name of the score that the suite ranks by; empty where it leaves the choice to the board."""
    arm_definition: dict[str, Any]
    """The arm's ``weights``, ``order``, ``select``, ``generate`` as the suite has them."""
    thresholds: tuple[float, ...]
    data: DataRecord
    components: dict[str, ComponentUse]
    """By role: ``dataset``, ``model``, ``base``, ``attack``, ``test_attack``, ``weights``, ``order``, ``selector``,
    ``selector_values``, ``generator``, ``metric:NAME``."""
    counts: dict[str, int]
    """``attacked``, ``uus``, ``uus_wanted``, ``synthetic``, ``leaks``, ``repaired/KIND`` and ``rejected/REASON``."""
    usage: dict[str, float] = Field(default_factory=dict)
    """Seconds by kind of stage (``seconds/fine-tune``; not deterministic, and not in older records); requests, tokens and
    money spent on language models; ``lost``, where it is not 0, is the number of stages of which it is not known any more what
    they spent."""
    scores: dict[str, ScoreRecord]
    artifacts: dict[str, str]
    """Identity of the artifact of every stage that led here, by stage."""
    classes: str = ""
    """How the outputs of the arm's classifier came to mean the classes: a head that was reused, matched by name, replaced, or
    drawn; whether an order had to be assumed."""
    files: dict[Annotated[str, Field(pattern=rf"^{FILE}$")], str]
    """SHA-256 of every other file of the record."""
    timings: dict[str, float]
    """Seconds per stage, when it was computed; not deterministic."""
    environment: Environment
    harness: str
    """Version of bliss-harness."""


@dataclass(frozen=True)
class RecordFolder:
    """A record on disk: its header, and its files on demand."""

    folder: Path
    header: Record

    def frame(self, name: str) -> pd.DataFrame | None:
        """A sidecar such as ``"predictions"`` or ``"tables/ece.reliability"``; ``None`` when the record has none.

        Raises:
            InputError: The file is damaged, a column is not what it is in records (:mod:`harness.records.columns`), or the name
                leads out of the folder.
        """
        path = within(self.folder, f"{name}.parquet")
        return read_columns(path, name) if path.exists() else None

    def tables(self) -> list[str]:
        """Names of the metric tables: ``"tables/ece.reliability"``."""
        return sorted(
            f"tables/{path.name.removesuffix('.parquet')}" for path in (self.folder / "tables").glob("*.parquet")
        )

    def _repr_html_(self) -> str:
        """The figures, for notebooks."""
        from markupsafe import escape

        header = self.header
        title = f"{header.suite} · {header.dataset} · {header.arm} · seed {header.seed}"
        figures = {name: "–" if score.value is None else f"{score.value:.4g}" for name, score in header.scores.items()}
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{figure}</td></tr>" for name, figure in figures.items())
        return f"<strong>{escape(title)}</strong><table><tbody>{rows}</tbody></table>"

    def verify(self) -> list[str]:
        """Files that are missing or differ from their digest in the header; empty when all is well."""
        problems = []
        for name, digest in sorted(self.header.files.items()):
            path = within(self.folder, name)
            if not path.is_file():
                problems.append(f"{path}: {'is no file' if path.exists() else 'missing'}")
            elif file_digest(path) != digest:
                problems.append(f"{path}: differs from the digest in {HEADER}")
        return problems


def read_record(folder: Path) -> RecordFolder:
    """Read and validate a record.

    Raises:
        InputError: No header, a header that is no record, or one written by a newer harness.
    """
    path = folder / HEADER
    payload = read_json(path, absent=f"{folder} is not a record: it has no {HEADER}.")
    version = payload.get("schema_version") if isinstance(payload, Mapping) else None
    if type(version) is not int or version < 1:
        raise InputError(f"{path}: is not a run record (no schema_version).")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: has record schema {version}, newer than the {SCHEMA_VERSION} that this harness reads.",
            hint="Upgrade with `pip install --upgrade bliss-harness`.",
        )
    try:
        return RecordFolder(folder, Record.model_validate(payload))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more problems)" if error.error_count() > 1 else ""
        given = "" if isinstance(first["input"], dict | list) else f", not {str(first['input'])[:80]!r}"
        raise InputError(f"{path}: key {where!r}: {first['msg']}{given}{more}.") from error


def find_records(paths: Iterable[Path]) -> list[RecordFolder]:
    """All records at or below the given folders (or named by their header file), sorted and without repetition.

    Raises:
        InputError: A path does not exist or holds no record, or one that cannot be read.
    """
    return [read_record(folder.resolve()) for folder in record_folders(paths)]


def record_folders(paths: Iterable[Path]) -> list[Path]:
    """The folders of :func:`find_records`, whether or not their headers can be read.

    Raises:
        InputError: A path does not exist or holds no record.
    """
    folders: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist.")
        if path.name == HEADER:
            path = path.parent  # noqa: PLW2901
        # A writer that was killed leaves a hidden folder behind, which is not a record.
        headers = [
            header
            for header in (sorted(path.rglob(HEADER)) if path.is_dir() else [])
            if not any(part.startswith(".") for part in header.relative_to(path).parts)
        ]
        if not headers:
            raise InputError(f"{path} holds no records (no {HEADER} in it or below).")
        for header in headers:
            folders.setdefault(header.parent.resolve(), header.parent)
    return list(folders.values())
