"""Prompts whose last line is open: what a language model that follows no instructions can complete.

The label is fixed by the prompt and never asked for. Each demonstration is a pair of training examples of one class::

    negative review: a dull film .
    another negative review about something else: the jokes fall flat .

and the last pair begins with the unknown unknown's original and leaves its second line open.
"""

from __future__ import annotations

from harness.components import Example, GenerationTask, Task, UnknownUnknown
from harness.seeds import derive_seed
from harness_generators.texts import as_tuple

BETWEEN = " | "
"""What stands between the two texts of a pair, on one line."""
LONGEST = 300
"""Characters of a demonstration at most, where there are enough that are no longer."""
POOL = 12
"""Pairs of each class that demonstrations are drawn from."""


class OpenLines:
    """The prompts of one stage.

    Args:
        task: What generators get.
        demonstrations: Pairs of training examples before the open line.
        longest: Characters of the original at most; a longer one is cut between words.
        seed: Decides which examples demonstrate.
    """

    def __init__(self, task: GenerationTask, *, demonstrations: int, longest: int, seed: int) -> None:
        self.task, self.demonstrations, self.longest = task.task, demonstrations, longest
        self.pairs = _pairs(task, seed)

    def prompt(self, uu: UnknownUnknown) -> str:
        """The demonstrations and the open line for an unknown unknown."""
        label = uu.example.label
        lines: list[str] = []
        used: dict[int, int] = {}
        original = line_of(uu.example)
        for which in _classes(label, sorted(self.pairs), self.demonstrations):
            found = [pair for pair in self.pairs[which] if original not in pair]
            if not found:
                continue
            first, second = found[used.get(which, 0) % len(found)]
            used[which] = used.get(which, 0) + 1
            lines += [f"{self._name(which)}: {first}", f"{self._another(which)}: {second}"]
        return "\n".join([*lines, f"{self._name(label)}: {_cut(original, self.longest)}", f"{self._another(label)}:"])

    def labelling(self, texts: tuple[str, ...]) -> str:
        """A prompt whose next word is the class of a text."""
        lines: list[str] = []
        for which in sorted(self.pairs):
            for first, _ in self.pairs[which][:2]:
                lines.append(f"{self._column()}: {first}\nkind: {self.task.labels[which]}")
        return "\n".join([*lines, f"{self._column()}: {_cut(BETWEEN.join(texts), self.longest)}\nkind:"])

    def why(self, uu: UnknownUnknown) -> str:
        """A prompt that asks why the classifier erred; what comes back is kept as a text, and used for nothing."""
        perturbed = _cut(" ".join(BETWEEN.join(as_tuple(uu.perturbed)).split()), self.longest)
        labels = self.task.labels
        return (
            f"{self._name(uu.example.label)}: {perturbed}\nA classifier took it for {labels[uu.predicted]}. "
            "The reason for its mistake is that"
        )

    def read(self, written: str) -> tuple[str, ...] | None:
        """The texts of a completed line; ``None`` where a pair was wanted and another number of texts came."""
        texts = tuple(part.strip() for part in written.strip().split(BETWEEN.strip()))
        if len(self.task.columns) < 2:
            return (written.strip(),)
        return texts if len(texts) == 2 and all(texts) else None

    def _column(self) -> str:
        return self.task.columns[0] if len(self.task.columns) < 2 else BETWEEN.join(self.task.columns)

    def _name(self, label: int) -> str:
        return f"{self.task.labels[label]} {self._column()}"

    def _another(self, label: int) -> str:
        return f"another {self._name(label)} about something else"


def line_of(example: Example) -> str:
    """The texts of an example on one line."""
    return " ".join(BETWEEN.join(as_tuple(example.texts)).split())


def leak_of(task: Task) -> str:
    """All that the prompts say whatever the unknown unknown is: by this a leaked prompt is recognised."""
    return "\n".join(
        f"another {label} {column} about something else" for label in task.labels for column in task.columns
    )


def _pairs(task: GenerationTask, seed: int) -> dict[int, list[tuple[str, str]]]:
    """Pairs of different training examples by class, short ones first where there are enough."""
    import numpy as np

    rng = np.random.default_rng(derive_seed(seed, "demonstrations"))
    by_class: dict[int, list[str]] = {}
    for example in task.train:
        by_class.setdefault(example.label, []).append(line_of(example))
    found: dict[int, list[tuple[str, str]]] = {}
    for label, known in sorted(by_class.items()):
        distinct = list(dict.fromkeys(known))
        short = [line for line in distinct if len(line) <= LONGEST]
        lines = short if len(short) >= 2 * POOL else sorted(distinct, key=len)[: max(2 * POOL, len(short))]
        order = [_cut(lines[i], LONGEST) for i in rng.permutation(len(lines))[: 2 * POOL].tolist()]
        found[label] = list(zip(order[::2], order[1::2], strict=False))
    return {label: pairs for label, pairs in found.items() if pairs}


def _classes(label: int, known: list[int], count: int) -> list[int]:
    """The classes that demonstrate, in turn: others and the wanted one, which never comes last (it would be repeated)."""
    others = [other for other in known if other != label] or [label]
    turn = [label if i % 2 else others[(i // 2) % len(others)] for i in range(count)]
    return turn if count % 2 else turn[::-1]


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return text[:longest].rsplit(" ", 1)[0] or text[:longest]
