"""What comes back is distrusted: defects of a sample, named, and either repaired or a reason to drop it."""

from __future__ import annotations

import re

from rapidfuzz import fuzz

from harness.components import Task, UnknownUnknown
from harness.components.texts import canonical, is_text, lone_surrogate
from harness_generators.texts import as_texts, as_tuple, fold

NEAR = 0.95
"""A sample this similar to the original or the perturbed text (indel similarity after folding) only repeats it."""

LEAK_WORDS = 8
"""So many consecutive words of the prompt's own wording in a sample make it a leak."""

_MARKERS = re.compile(
    r"<\|\w+\|>|\[/?INST\]|<</?SYS>>|\{\{|\}\}|\{%|\"(?:hypothesis|label)\"\s*:"
    r"|^\s*###?\s*(?:instruction|response|system)|^\s*(?:system|assistant|user)\s*:",
    re.IGNORECASE | re.MULTILINE,
)

_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m (?:very )?sorry|i am (?:very )?sorry|sorry|unfortunately|i apologi[sz]e|i can(?:no|['’])t"
    r"|i['’]?m (?:not able|unable)|i am (?:not able|unable)|i won['’]?t|as an ai)\b.{0,120}?"
    r"\b(?:assist|help with|comply|fulfil|request|provide|generate|create|language model|an ai|polic(?:y|ies)|guidelines)\b",
    re.IGNORECASE | re.DOTALL,
)

_CHANGE = re.compile(
    r"^\W*(?:replace|substitute|change|swap|misspell|switch|insert|add|remove|delete|drop|modify|alter)\b[^.!?]{0,80}?"
    r"(?:['\"“‘][^'\"”’]+['\"”’]|\bthe (?:word|letter|character|term|phrase)s?\b|\btypos?\b)",
    re.IGNORECASE,
)


class Checks:
    """The checks of one run: they know the task and the prompts' own wording.

    A sample is *repaired* where its text is clear and only wrapped: quotation marks around the whole, the column's name in
    front (``"Review: ..."``), the label behind (``"... (label: positive)"``). It is *dropped* as

    - ``"empty"``: a column without a letter or digit;
    - ``"not text"``: a lone surrogate, or a control character where the original has none;
    - ``"refusal"``: an apology that speaks of requests, help or language models;
    - ``"several samples"``: a numbered list of samples, or more than one label in one text;
    - ``"prompt leak"``: chat markers, template syntax, JSON keys, or :data:`LEAK_WORDS` words in a row of the prompt;
    - ``"wrong label"``: a label behind the text that is not the one asked for;
    - ``"description"``: it tells what to change, or what a sample would be like, and is none;
    - ``"original repeated"``, ``"perturbation repeated"``: similarity :data:`NEAR` or more.

    Args:
        task: Classes and columns.
        skeleton: What the prompts say whatever the unknown unknown is.
    """

    def __init__(self, task: Task, skeleton: str) -> None:
        self.labels = task.labels
        self._leaks = _shingles(skeleton)
        columns = "|".join(re.escape(column) for column in task.columns)
        labels = "|".join(re.escape(label) for label in sorted(task.labels, key=len, reverse=True))
        self._prefix = re.compile(rf"^\s*(?:new |synthetic )?(?:{columns}|text|sample|example)\s*:\s+", re.IGNORECASE)
        self._suffix = re.compile(
            rf"[\s(\[]*\b(?:label|class|answer)\s*[:=]\s*[\"']?({labels})[\"']?[.)\]]*\s*$", re.IGNORECASE
        )
        self._item = re.compile(
            rf"^\s*(?:(?:sample|example|text|{columns})\s*)?\d+\s*[.:)]\s", re.IGNORECASE | re.MULTILINE
        )
        self._label = re.compile(rf"\b(?:label|class)\s*[:=]\s*[\"']?(?:{labels})\b", re.IGNORECASE)
        self._portrait = re.compile(
            rf"^\W*(?:a|an|the) (?:\w+ )?(?:sample|version|example|text|sentence|variant|{columns})\b[^.!?]{{0,20}}?"
            r"\b(?:in which|where|that (?:uses|contains|has|replaces|includes)|with (?:a|the|some) (?:typo|misspel|swapped)\w*)"
            rf"|^\W*(?:the )?same (?:text|sentence|{columns})? ?as (?:the )?(?:original|above|before)\b",
            re.IGNORECASE,
        )

    def __call__(self, columns: tuple[str, ...], uu: UnknownUnknown) -> tuple[tuple[str, ...], list[str], str]:
        """Check a sample of one text per column.

        Returns:
            The columns as repaired, the kinds of repair, and why the sample has to be dropped (empty when it need not).
        """
        repairs: list[str] = []
        cleaned = []
        originals = as_tuple(uu.example.texts)
        for column, original in zip(columns, originals, strict=True):
            text, label = self._unwrap(column, original, repairs)
            if label is not None and label != uu.example.label:
                return columns, repairs, "wrong label"
            cleaned.append(text)
        result = tuple(cleaned)
        for text, original in zip(result, originals, strict=True):
            if reason := self._defect(text, original):
                return result, repairs, reason
        sample = fold(as_texts(result))
        for other, reason in ((uu.example.texts, "original repeated"), (uu.perturbed, "perturbation repeated")):
            if fuzz.ratio(sample, fold(other), score_cutoff=100 * NEAR):
                return result, repairs, reason
        return result, repairs, ""

    def _unwrap(self, text: str, original: str, repairs: list[str]) -> tuple[str, int | None]:
        label: int | None = None
        before = text = text.strip()
        if len(self._label.findall(text)) == 1 and (match := self._suffix.search(text)):
            label = [name.casefold() for name in self.labels].index(match[1].casefold())
            text = text[: match.start()].strip()
            repairs.append("label in text")
        if not self._prefix.match(original):
            text = self._prefix.sub("", text)
        if len(text) > 1 and text[0] + text[-1] in ('""', "“”", "''", "‘’") and original[:1] != text[0]:
            text = text[1:-1].strip()
        if text != before and "label in text" not in repairs:
            repairs.append("wrapper")
        return text, label

    def _defect(self, text: str, original: str) -> str:
        if lone_surrogate(text) or (not is_text(text) and is_text(original)):
            return "not text"
        if not any(character.isalnum() for character in text):
            return "empty"
        if is_refusal(text):
            return "refusal"
        if (
            len(self._item.findall(text)) > max(1, len(self._item.findall(original)))
            or len(self._label.findall(text)) > 1
        ):
            return "several samples"
        if (_MARKERS.search(text) and not _MARKERS.search(original)) or _shingles(text) & self._leaks - _shingles(
            original
        ):
            return "prompt leak"
        if (_CHANGE.match(text) and not _CHANGE.match(original)) or self._portrait.match(text):
            return "description"
        return ""


def is_refusal(text: str) -> bool:
    """Whether a text turns the request down instead of answering it."""
    return bool(_REFUSAL.match(text))


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", canonical(text).casefold())
    return {tuple(words[i : i + LEAK_WORDS]) for i in range(len(words) - LEAK_WORDS + 1)}
