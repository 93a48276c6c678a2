"""Metric ``cost``."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores


class Cost(Metric):
    """What the arm cost: seconds per stage, peak memory, language-model tokens and money.

    ``seconds`` is the wall-clock time of all stages of the arm, shared ones included, and ``seconds/STAGE`` that of each kind
    of stage; ``peak_memory_bytes`` the largest resident size of the process while one of them ran (libraries that were loaded
    before included); ``requests``, ``prompt_tokens`` and ``completion_tokens`` what was asked of a language model, ``money``
    its price in US dollars (0 when unknown). All from 0 up, lower is better. Measured, therefore not the same from run to
    run.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"costs"})
    resample: ClassVar[bool] = False

    def score(self, outcome: Outcome) -> Scores:
        """Report what the runner measured."""
        scalars: dict[str, Score] = {}
        for name, cost in outcome.costs.items():
            kind, _, stage = name.partition("/")
            meaning = (
                f"Wall-clock seconds of stage {stage}." if stage else MEANINGS.get(kind, "As the runner counted it.")
            )
            scalars[name] = Score(float(cost), "lower", 0, meaning=meaning)
        return Scores(scalars)


MEANINGS = {
    "seconds": "Wall-clock seconds of all stages of the arm.",
    "peak_memory_bytes": "Largest resident size of the process while a stage of the arm ran, in bytes.",
    "requests": "Requests to a language model.",
    "prompt_tokens": "Tokens sent to a language model.",
    "completion_tokens": "Tokens received from a language model.",
    "money": "Price of the language model in US dollars; 0 when unknown.",
}
