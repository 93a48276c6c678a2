"""The loop under all attacks: many examples in flight, one queue of queries.

Every example is a coroutine (:data:`harness_attacks.trial.Steps`). In each round the queries of all examples in flight are
put to the classifier together, the oldest example's first, up to a number of tokens. Within an example every distinct
token sequence is computed once: two spellings that the classifier cannot tell apart get the same probabilities to the
last bit, so numerical noise, which may depend on who shares a batch, never decides between them.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, SupportsIndex

from harness.components import AttackResult, AttackStatus, Classifier, Encoding, Example
from harness.components.probabilities import proper
from harness.errors import DataError, HarnessError
from harness.progress import progress
from harness_attacks.sight import Sight
from harness_attacks.trial import Steps, Trial

if TYPE_CHECKING:
    from harness.types import FloatArray, Texts

ROUND_TOKENS = 32_768
"""Tokens put to the classifier in one round. The classifier cuts them into batches of its own liking."""


def run(
    victim: Classifier,
    examples: Sequence[Example],
    start: Callable[[Trial], Steps],
    *,
    seeds: Sequence[int],
    in_flight: int = 32,
    max_queries: int | None = None,
    time_limit: float | None = None,
) -> Iterator[AttackResult]:
    """Attack examples and yield the results in their order.

    Examples are taken up lazily. At first few are in flight, then more as results are consumed: what is done in vain for
    a consumer that stops early stays small beside what it consumed.

    Args:
        victim: The classifier.
        examples: What to attack; indexed one by one, in order.
        start: Starts the whole attack on one example.
        seeds: What decides the random choices in attacking each example.
        in_flight: Most examples under attack at a time. Does not change results.
        max_queries: Query budget per example.
        time_limit: Seconds per example, from its first query; the best attempt so far is the result then.

    Raises:
        DataError: An example's text or label cannot be attacked.
        HarnessError: The classifier returned something other than probabilities.
    """
    loop = _Loop(victim, start, max_queries, time_limit)
    slots: deque[_Slot] = deque()
    taken = given = 0
    with progress("examples", total=len(examples)) as bar:
        while taken < len(examples) or slots:
            width = min(in_flight, 4 + given // 4)
            active = sum(not slot.done for slot in slots)
            while taken < len(examples) and active < width and len(slots) < 2 * width:
                slots.append(loop.start(taken, examples[taken], seeds[taken]))
                taken += 1
                active += not slots[-1].done
            loop.round(slots)
            while slots and slots[0].done:
                result = slots.popleft().result()
                given += 1
                loop.queries += result.queries
                bar.advance(1, queries=loop.queries, queries_per_second=round(loop.rate, 1))
                yield result


class _Slot:
    """An example in flight."""

    __slots__ = ("answers", "error", "keys", "missing", "sight", "started", "steps", "trial", "where")

    def __init__(self, where: str, trial: Trial) -> None:
        self.where = where
        self.trial = trial
        self.sight: Sight | None = None
        self.steps: Steps | None = None  # none once it is done
        self.error: HarnessError | None = None
        self.keys: list[Hashable] = []  # of the texts it waits for, in their order
        self.missing: dict[Hashable, Any] = {}  # those not computed yet
        self.answers: dict[Hashable, FloatArray] = {}  # everything computed so far
        self.started = time.monotonic()

    @property
    def done(self) -> bool:
        return self.steps is None

    def finish(self, error: HarnessError | None = None) -> None:
        if self.steps is not None:
            self.steps.close()
        self.steps, self.error, self.keys = None, error, []
        self.missing, self.answers = {}, {}

    def result(self) -> AttackResult:
        if self.error is not None:
            raise self.error
        trial = self.trial
        status = trial.status
        if status is None:
            status = AttackStatus.SUCCEEDED if trial.fooled(trial.best_probs) else AttackStatus.FAILED
        return AttackResult(
            original=trial.example.texts,
            perturbed=trial.best,
            label=int(trial.example.label),
            status=status,
            queries=trial.queries,
            original_probs=trial.original_probs,
            perturbed_probs=trial.best_probs,
            note=trial.note if status is AttackStatus.FAILED else "",
        )


class _Loop:
    def __init__(
        self,
        victim: Classifier,
        begin: Callable[[Trial], Steps],
        max_queries: int | None,
        time_limit: float | None,
    ) -> None:
        self.victim = victim
        self.begin = begin
        self.max_queries = max_queries
        self.time_limit = time_limit
        self.fresh: list[tuple[_Slot, list[Texts]]] = []  # texts to be tokenised
        self.queries = 0
        self._began = time.monotonic()

    @property
    def rate(self) -> float:
        """Queries per second so far."""
        return self.queries / max(time.monotonic() - self._began, 1e-9)

    def start(self, index: int, example: Example, seed: int) -> _Slot:
        slot = _Slot(
            f"Example {index}" + (f" ({example.id})" if example.id else ""), Trial(example, seed, self.max_queries)
        )
        if problem := _problem(example, self.victim.num_labels):
            slot.error = DataError(f"{slot.where}: {problem}")
            return slot
        slot.sight = Sight(self.victim, example.texts)
        steps = slot.steps = self.begin(slot.trial)
        self._advance(slot, steps, None)
        return slot

    def _resume(self, slot: _Slot, steps: Steps, rows: FloatArray) -> None:
        """Let a search go on until it asks again or ends."""
        late = self.time_limit is not None and time.monotonic() - slot.started > self.time_limit
        if late and slot.trial.ready:
            slot.trial.note = "time limit"
            slot.finish()
            return
        self._advance(slot, steps, rows)

    def _advance(self, slot: _Slot, steps: Steps, rows: FloatArray | None) -> None:
        try:
            self.fresh.append((slot, next(steps) if rows is None else steps.send(rows)))
        except StopIteration:
            slot.finish()
        except HarnessError as error:
            slot.finish(error)

    def round(self, slots: deque[_Slot]) -> None:
        """Tokenise what is new, compute a batch of what is missing, and let the examples go on that have their answers."""
        import numpy as np

        self._encode()
        batch: list[tuple[_Slot, Hashable]] = []
        encodings: list[Any] = []
        tokens = 0
        for slot in slots:
            for key, encoding in slot.missing.items():
                size = self.victim.size(encoding)
                if encodings and tokens + size > ROUND_TOKENS:
                    break
                batch.append((slot, key))
                encodings.append(encoding)
                tokens += size
        if encodings:
            probs = self.victim.predict_encoded(encodings)
            self._distribute(batch, probs)
        for slot in slots:
            if slot.steps is not None and slot.keys and not slot.missing:
                rows = np.stack([slot.answers[key] for key in slot.keys])
                slot.keys = []
                self._resume(slot, slot.steps, rows)

    def _encode(self) -> None:
        asked = [(slot, text) for slot, texts in self.fresh for text in texts]
        self.fresh.clear()
        if not asked:
            return
        encodings = self.victim.encode([slot.sight.start(text) if slot.sight else text for slot, text in asked])
        for (slot, text), encoding in zip(asked, encodings, strict=True):
            full = slot.sight is None or slot.sight.enough(encoding)
            whole = encoding if full else self.victim.encode([text])[0]
            key = _key(whole)
            slot.keys.append(key)
            if key not in slot.answers:
                slot.missing[key] = whole

    def _distribute(self, batch: list[tuple[_Slot, Hashable]], probs: FloatArray) -> None:
        shape = (len(batch), self.victim.num_labels)
        if probs.shape != shape:
            raise HarnessError(f"The classifier returned an array of shape {probs.shape}; expected {shape}.")
        for (slot, key), row, fine in zip(batch, probs, proper(probs), strict=True):
            if slot.done:
                continue
            if not fine:
                slot.finish(
                    HarnessError(
                        f"{slot.where}: the classifier returned {row.tolist()} for a variant of it; expected probabilities "
                        "that sum to 1.",
                        hint="Of numbers that are not finite: its weights may have diverged in training, or overflow in its "
                        "precision; try float32.",
                    )
                )
                continue
            slot.answers[key] = row
            del slot.missing[key]


def _key(encoding: Any) -> Hashable:
    """A short stand-in for a token sequence, of which an example may have thousands; anything else stands for itself."""
    if not isinstance(encoding, Encoding):
        found: Hashable = encoding
        return found
    digest = blake2b(array("q", encoding.input_ids).tobytes(), digest_size=16)
    if encoding.token_type_ids is not None:
        digest.update(b"|" + bytes(encoding.token_type_ids))
    return digest.digest()


def _problem(example: Example, num_labels: int) -> str:
    """Why an example cannot be attacked; empty when it can."""
    texts: list[object] = [example.text] if example.text_pair is None else [example.text, example.text_pair]
    for text in texts:
        if not isinstance(text, str):
            return f"a text must be a string, not {type(text).__name__}."
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return f"the text has a lone surrogate (U+{ord(text[error.start]):04X}) at position {error.start}: not Unicode."
    label: object = example.label
    if not isinstance(label, SupportsIndex):  # NumPy's integers are welcome
        return f"the label must be an integer class index, not {label!r}."
    if not 0 <= label.__index__() < num_labels:
        return f"label {label} is out of range for a classifier with {num_labels} classes (0..{num_labels - 1})."
    return ""
