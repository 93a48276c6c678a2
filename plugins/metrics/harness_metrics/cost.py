"""Metric ``cost``."""

from __future__ import annotations

from typing import ClassVar

from harness.components import Metric, Outcome, Score, Scores


class Cost(Metric):
    """What the arm cost: seconds per stage, peak memory, language-model tokens and money.

    ``seconds/STAGE`` are wall-clock seconds of each stage of the arm (also of stages shared with other arms), ``seconds``
    their sum; ``peak_memory_bytes`` the largest resident size of the process; ``requests``, ``prompt_tokens`` and
    ``completion_tokens`` what was asked of a language model, ``money`` its price in US dollars (0 when unknown). All from 0
    up, lower is better. Measured, therefore not the same from run to run.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"costs"})

    def score(self, outcome: Outcome) -> Scores:
        """Report what the runner measured."""
        stages = {name: cost for name, cost in outcome.costs.items() if name.startswith("seconds/")}
        scalars: dict[str, Score] = {}
        if stages:
            total = float(sum(stages.values()))
            scalars["seconds"] = Score(total, "lower", 0, meaning="Wall-clock seconds of all stages of the arm.")
        for name, cost in (*stages.items(), *((k, v) for k, v in outcome.costs.items() if k not in stages)):
            kind, _, stage = name.partition("/")
            meaning = (
                f"Wall-clock seconds of stage {stage}." if stage else MEANINGS.get(kind, "As the runner measured it.")
            )
            scalars[name] = Score(float(cost), "lower", 0, meaning=meaning)
        return Scores(scalars)


MEANINGS = {
    "peak_memory_bytes": "Largest resident size of the process, in bytes.",
    "requests": "Requests to a language model.",
    "prompt_tokens": "Tokens sent to a language model.",
    "completion_tokens": "Tokens received from a language model.",
    "money": "Price of the language model in US dollars; 0 when unknown.",
}
