"""Samples by completing an open line: what is asked, and what comes of an answer, whoever completes it."""

from __future__ import annotations

from collections.abc import Callable

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown
from harness.components.texts import writable
from harness_generators.checks import Checks
from harness_generators.open_lines import OpenLines, leak_of
from harness_generators.replies import Reply
from harness_generators.texts import as_example, as_texts, shown

CHARACTERS_PER_TOKEN = 3
"""By this the original is cut to what the context holds; texts of most languages have more."""
STOP = ("\n",)
"""Where an open line ends."""


class Completions:
    """The open lines of one stage and the judgement of what completes them.

    Args:
        task: What generators get.
        demonstrations: Pairs of training examples before the open line.
        room: Tokens that a prompt may have; ``None`` where there is no limit.
        seed: Decides which examples demonstrate.
        believed: Whether a sample may be of the class that it is written for, asked last; by default it may.
    """

    def __init__(
        self,
        task: GenerationTask,
        *,
        demonstrations: int,
        room: int | None,
        seed: int,
        believed: Callable[[OpenLines, tuple[str, ...], UnknownUnknown], bool] | None = None,
    ) -> None:
        longest = 10_000 if room is None else max(80, room * CHARACTERS_PER_TOKEN // (2 * demonstrations + 3))
        self.lines = OpenLines(task, demonstrations=demonstrations, longest=longest, seed=seed)
        self._checks = Checks(task.task, leak_of(task.task))
        self._believed = believed

    def made(
        self, position: int, uu: UnknownUnknown, reply: Reply, hypothesis: str = ""
    ) -> SyntheticExample | Rejected:
        """The sample that an answer is, or why it is none; its class is that of the prompt."""
        texts, repairs, reason = self._judged(reply, uu)
        if reason:
            return Rejected(position, "explore", reason, shown(as_texts(texts)) if texts else writable(reply.text))
        tags = tuple(f"repaired:{kind}" for kind in dict.fromkeys(repairs))
        return SyntheticExample(
            as_example(as_texts(texts), uu.example.label, tags=tags), position, "explore", hypothesis
        )

    def _judged(self, reply: Reply, uu: UnknownUnknown) -> tuple[tuple[str, ...], list[str], str]:
        """The texts, what was repaired, and why they cannot be used."""
        if reply.failure or reply.truncated:
            return (), [], reply.failure or "truncated"
        texts = self.lines.read(reply.text)
        if texts is None:
            return (), [], "not a pair"
        found, repairs, reason = self._checks(texts, uu)
        if not reason and self._believed is not None and not self._believed(self.lines, found, uu):
            reason = "label not believed"
        return found, repairs, reason
