"""Stages that do sums: quick, with a payload that depends on all they rest on, and failing when told to.

A module that can be imported from any process, as the stages of a suite can.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from harness.stages.base import Context, Inputs, Stage
from harness.stages.contents.base import Content


@dataclass(frozen=True)
class Total(Content):
    """A number, which fails half written when ``how`` has an exception under its title."""

    number: int
    title: str = ""
    how: dict[str, BaseException] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        (folder / "half.json").write_text("{", encoding="utf-8")
        if self.title in self.how:
            raise self.how[self.title]
        (folder / "sum.json").write_text(json.dumps(self.number), encoding="utf-8")
        (folder / "half.json").unlink()

    @classmethod
    def read(cls, folder: Path) -> Total:
        return cls(json.loads((folder / "sum.json").read_text(encoding="utf-8")))


@dataclass(frozen=True, eq=False)
class Sum(Stage[Total]):
    """Its own number and the sums of its inputs."""

    kind: ClassVar[str] = "sum"
    gives: ClassVar = Total

    number: int
    of: tuple[Sum, ...] = ()
    how: dict[str, BaseException] = field(default_factory=dict)
    """An exception under its title makes it fail with it; no part of its identity."""

    fatal: Fatal | None = None
    """What happens to the process that computes it; no part of its identity."""

    def options(self) -> dict[str, Any]:
        return {"number": self.number}

    def inputs(self) -> dict[str, Stage[Any]]:
        return {str(position): stage for position, stage in enumerate(self.of)}

    def compute(self, inputs: Inputs, context: Context) -> Total:
        context.facts["usage"] = {"requests": 1}
        if self.fatal:
            self.fatal.meet()
        total = self.number + sum(inputs[stage].number for stage in self.of)
        return Total(total, self.title, self.how)


@dataclass(frozen=True)
class Fatal:
    """Ends the process that meets it, or sleeps in it, as often as it says.

    Attributes:
        folder: Holds a file for each time, named by the process.
        times: How often it happens.
        signal: The signal that ends the process; 0: it exits with 3; -1: it sleeps for a minute.
    """

    folder: Path
    times: int = 1
    signal: int = signal.SIGKILL

    def meet(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if len(list(self.folder.iterdir())) >= self.times:
            return
        (self.folder / str(os.getpid())).touch()
        if self.signal == -1:
            time.sleep(60)
        elif self.signal == 0:
            os._exit(3)
        else:
            os.kill(os.getpid(), self.signal)
            time.sleep(60)


@dataclass(frozen=True, eq=False)
class SeenGpu(Sum):
    """The number of the GPU that its process sees."""

    kind: ClassVar[str] = "seen-gpu"

    def compute(self, inputs: Inputs, context: Context) -> Total:
        return Total(int(os.environ["CUDA_VISIBLE_DEVICES"]))


@dataclass(frozen=True, eq=False)
class Large(Sum):
    """A sum that says that it takes a GiB."""

    kind: ClassVar[str] = "large"

    @property
    def memory(self) -> int:
        return 2**30


@dataclass
class Diamond:
    """``a`` under ``b`` and ``c``, ``d`` over both, ``e`` alone; ``how`` says which fail."""

    how: dict[str, BaseException] = field(default_factory=dict)

    def __post_init__(self) -> None:
        a = Sum("a", 1, (), self.how)
        b, c = Sum("b", 10, (a,), self.how), Sum("c", 100, (a,), self.how)
        self.stages = {"a": a, "b": b, "c": c, "d": Sum("d", 1000, (b, c), self.how), "e": Sum("e", 5, (), self.how)}

    def __getitem__(self, titles: str) -> list[Sum]:
        return [self.stages[title] for title in titles]
