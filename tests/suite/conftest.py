"""A small installed distribution of toy components, so that suites can be read without the real ones."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from harness.registry import Registry

COMPONENTS = '''
from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.components import Attack, DatasetSource, Generator, Metric, Model, Selector, Valuator


class Nested(BaseModel):
    """A group of options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: int = 1


class Data(DatasetSource):
    """Toy data."""

    api_version: ClassVar[int] = 1

    path: Path = Path("toy")
    """Where the toys are."""
    labels: dict[int, str] = {}
    """Names by label."""

    def load(self, *, seed):
        raise NotImplementedError


class Encoder(Model):
    """A toy encoder."""

    api_version: ClassVar[int] = 1

    learning_rate: float = Field(5e-5, gt=0)
    """Step size."""
    epochs: int = Field(2, ge=1)
    bf16: bool = False

    def fine_tune(self, train, *, num_labels, seed, weights=None):
        raise NotImplementedError

    def load(self, folder):
        raise NotImplementedError

    def embed(self, texts):
        raise NotImplementedError


class Values(Valuator):
    """Toy values."""

    api_version: ClassVar[int] = 1

    iterations: int = Field(100, ge=1)
    """How often."""
    utility: Literal["accuracy", "log-loss", "probability"] = "probability"
    size: int | Literal["all"] = "all"
    nested: Nested = Nested()

    def value(self, problem, *, seed):
        raise NotImplementedError


class Faulty(Valuator):
    """Raises whatever it likes while its options are checked."""

    api_version: ClassVar[int] = 1

    option: int = 1

    @field_validator("option")
    @classmethod
    def check(cls, value):
        if value == 13:
            raise ValueError("thirteen is unlucky")
        if value > 13:
            raise KeyError("too much")
        return value

    def value(self, problem, *, seed):
        raise NotImplementedError


class Ordered(Selector):
    """Highest first."""

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"values"})

    share: float = 1.0

    def order(self, problem, *, seed):
        raise NotImplementedError


class Shuffled(Selector):
    """Any order."""

    api_version: ClassVar[int] = 1

    def order(self, problem, *, seed):
        raise NotImplementedError


class Swap(Attack):
    """Swaps toys."""

    api_version: ClassVar[int] = 1

    budget: int = 10

    def attack(self, victim, examples, *, seed):
        raise NotImplementedError


class Writer(Generator):
    """Writes toys."""

    api_version: ClassVar[int] = 1

    model: str = "none"
    temperature: float = 1.0

    def generate(self, uus, task, *, seed):
        raise NotImplementedError


class Score(Metric):
    """A toy score."""

    api_version: ClassVar[int] = 1

    bins: int = 15

    def score(self, outcome):
        raise NotImplementedError


class Count(Score):
    """Another toy score."""


class Greedy(DatasetSource):
    """Has an option that suites reserve."""

    api_version: ClassVar[int] = 1

    limit: int = 1

    def load(self, *, seed):
        raise NotImplementedError
'''

POINTS = """
[harness.datasets]
toy-data = {m}:Data
toy-greedy = {m}:Greedy

[harness.models]
toy-encoder = {m}:Encoder

[harness.valuators]
toy-values = {m}:Values
toy-faulty = {m}:Faulty
toy-absent = {m}_absent:Values

[harness.selectors]
random = {m}:Shuffled
highest = {m}:Ordered
lowest = {m}:Ordered
toy-bandit = {m}:Shuffled

[harness.attacks]
toy-swap = {m}:Swap

[harness.generators]
toy-writer = {m}:Writer

[harness.metrics]
toy-score = {m}:Score
toy-count = {m}:Count
"""


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry that has the toy components and nothing else, found through real entry points."""
    folder: Path = tmp_path_factory.mktemp("toys")
    (folder / "suite_toys.py").write_text(textwrap.dedent(COMPONENTS))
    info = folder / "suite_toys-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: suite-toys\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(POINTS.format(m="suite_toys"))
    sys.path.insert(0, str(folder))
    try:
        everything = Registry()
        others = {entry.distribution for entry in everything.entries()} - {"suite-toys"}
        registry = Registry(allow=["suite-toys"], block=others)
        for entry in registry.entries():
            registry.status(entry)  # loads the module while its folder can be found
    finally:
        sys.path.remove(str(folder))
    return registry
