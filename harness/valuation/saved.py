"""What ``valuators.json`` holds, checked when it is read: a file may come from anywhere."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.valuation.report import RANGES

Count = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Run(_Part):
    """A valuator on one draw under one seed; its figures and costs are further keys, in their order."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number | None]

    valuator: str
    draw: Count
    seed: Count


class Row(_Part):
    """A row of the board; its figures are further keys."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Number | bool | None]

    valuator: str


class Point(_Part):
    """A point of the removal curves of a valuator."""

    valuator: str
    draw: Count
    seed: Count
    removed: Share
    remove_high: Share
    remove_low: Share


class NetworkPoint(Point):
    """A point of the removal curves of the network."""

    remove_random: Share


class Board(_Part):
    """The board of one data set."""

    dataset: str
    noise: Share
    points: Annotated[int, Field(ge=1, lt=2**63)]
    primary: str
    board: list[Row]
    runs: Annotated[list[Run], Field(min_length=1)]
    stable: dict[str, Literal["fixed"] | Number | None]
    agreement: dict[str, dict[str, Number | None]]
    curves: list[Point]
    network_curves: list[NetworkPoint] | None = None
    threshold: Share | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Every run has what ranks and what it cost, and every valuator is said to be stable or not.

        Raises:
            ValueError: Something is missing.
        """
        if self.primary not in RANGES:
            raise ValueError(f"primary: {self.primary!r} is no figure that ranks")
        for run in self.runs:
            for name in (self.primary, "seconds", "peak_mb"):
                if name not in (run.model_extra or {}):
                    raise ValueError(f"runs: {run.valuator} has no {name}")
            if run.valuator not in self.stable:
                raise ValueError(f"stable: {run.valuator} is missing")
        return self
