"""Running the two-step method against a server: results in order, however they finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.progress import progress
from harness_generators.background import stream
from harness_generators.dialogue import Made, without_repetitions
from harness_generators.openai_batch import run_batches
from harness_generators.openai_session import Session

if TYPE_CHECKING:
    from harness_generators.openai_chat import OpenAI


def run(
    options: OpenAI, key: str, uus: Sequence[UnknownUnknown], task: GenerationTask, seed: int
) -> Iterator[SyntheticExample | Rejected | Usage]:
    """See :meth:`harness_generators.openai_chat.OpenAI.generate`."""
    session = Session(options, task, seed)
    work = run_batches(session, key, uus) if options.batch else session.concurrently(key, uus)
    return without_repetitions(_in_order(stream(work), len(uus)))


def _in_order(finished: Iterator[tuple[int, list[Made]]], total: int) -> Iterator[list[Made]]:
    """Results in the order of their positions, however they finish."""
    waiting: dict[int, list[Made]] = {}
    following = 0
    with progress("unknown unknowns", total=total) as bar:
        for position, made in finished:
            waiting[position] = made
            bar.advance()
            while following in waiting:
                yield waiting.pop(following)
                following += 1
