"""The two-step method as a dialogue: questions out, replies in, samples at the end.

Lippmann, Spaan, Yang (2024), "Exploring LLMs as a Source of Targeted Synthetic Textual Data to Minimize High Confidence
Misclassifications", and thesis 3.5. A dialogue is a generator that yields questions and is sent replies, so the same method
runs over a network (many dialogues at once), over a batch interface and over a local model (all dialogues in step).
"""

from __future__ import annotations

from collections.abc import Generator as Coroutine
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.components import Rejected, SyntheticExample, Task, UnknownUnknown, Usage
from harness.components.texts import writable
from harness_generators.checks import Checks
from harness_generators.prompts import Messages, Prompts, keys_of
from harness_generators.replies import Reading, Reply, read
from harness_generators.texts import as_example, as_texts, fold, shown

Made = SyntheticExample | Rejected | Usage
"""What a generator yields."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask a language model.

    Attributes:
        messages: The conversation.
        attempt: 0 at first; 1, 2, ... when the reply before could not be used, so that another one is drawn.
    """

    messages: Messages
    attempt: int


Dialogue = Coroutine[Question, Reply, list[Made]]


class Method:
    """The two-step method for one task.

    Args:
        task: Classes, columns and description.
        prompts: The templates.
        per_uu: Samples per unknown unknown: the first exploits, each further one explores.
        retries: How often a question is asked again when its reply cannot be used.
    """

    def __init__(self, task: Task, prompts: Prompts, *, per_uu: int, retries: int) -> None:
        self.task, self.prompts, self.per_uu, self.retries = task, prompts, per_uu, retries
        self.keys = keys_of(task.columns)
        self.checks = Checks(task, prompts.skeleton(task))

    def dialogue(self, position: int, uu: UnknownUnknown) -> Dialogue:
        """Ask for the samples of one unknown unknown.

        Every unusable reply becomes a :class:`~harness.components.Rejected`, also where asking again then succeeds. What
        was repaired is noted in the example's tags as ``"repaired:KIND"``.
        """
        made: list[Made] = []
        hypotheses: list[str] = []
        for step in range(self.per_uu):
            role = "explore" if step else "exploit"
            if step and not hypotheses:
                made.append(Rejected(position, role, "no hypothesis"))
                continue
            hypothesis = ""
            for attempt in range(1 + self.retries):
                reply = yield Question(self.prompts.messages(self.task, uu, hypotheses), attempt)
                reading = self._judge(reply, uu)
                made.append(reply.usage)
                hypothesis = reading.hypothesis or hypothesis
                if not reading.reason:
                    tags = tuple(f"repaired:{kind}" for kind in dict.fromkeys(reading.repairs))
                    example = as_example(as_texts(reading.columns), uu.example.label, tags=tags)
                    made.append(SyntheticExample(example, position, role, reading.hypothesis))
                    break
                text = shown(as_texts(reading.columns)) if reading.columns else writable(reply.text)
                made.append(Rejected(position, role, reading.reason, text))
                if reply.failure:
                    break
            if hypothesis:
                hypotheses.append(hypothesis)
        return made

    def _judge(self, reply: Reply, uu: UnknownUnknown) -> Reading:
        reading = read(reply, self.keys)
        if reading.reason:
            return reading
        if reading.label.strip().casefold() != self.task.labels[uu.example.label].casefold():
            reading.reason = "wrong label"
            return reading
        reading.columns, repairs, reading.reason = self.checks(reading.columns, uu)
        reading.repairs += repairs
        if not reading.reason and fold(as_texts(reading.columns)) == fold(reading.hypothesis):
            reading.reason = "description"
        return reading


def without_repetitions(results: Iterator[Sequence[Made]]) -> Iterator[Made]:
    """Pass results on, but reject samples whose text came before in the same run (``"duplicate"``)."""
    seen: set[str] = set()
    for made in results:
        for item in made:
            if isinstance(item, SyntheticExample):
                key = fold(item.example.texts)
                if key in seen:
                    yield Rejected(item.uu, item.role, "duplicate", shown(item.example.texts))
                    continue
                seen.add(key)
            yield item
