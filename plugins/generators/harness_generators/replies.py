"""From what a language model wrote to a hypothesis and a sample, or to the reason why there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.components import Usage
from harness.components.texts import is_text
from harness_generators.checks import is_refusal

_TAGS = r"think|thinking|thought|reasoning"
_THINKING = re.compile(
    # A block, or one that is never closed; or its end alone, where the prompt had its beginning.
    rf"^\s*(?:<(?:{_TAGS})>(?:.*?</(?:{_TAGS})>|.*)|\[THINK\](?:.*?\[/THINK\]|.*)|(?![\s\[{{`]).*?</(?:{_TAGS})>)",
    re.DOTALL | re.IGNORECASE,
)
_HARMONY = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)(?=<\|(?:end|return|start|call|channel)\|>|$)",
    re.DOTALL,
)
_HARMONY_BARE = re.compile(r"^\s*analysis.*?assistantfinal", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a language model.

    Attributes:
        text: What it wrote.
        truncated: Whether it ran into the limit of tokens.
        refused: Whether the server says that the model, or a filter, refused.
        usage: What it cost.
        failure: Empty, or why there is no answer (``"request failed"``); then ``text`` may say more.
    """

    text: str
    truncated: bool = False
    refused: bool = False
    usage: Usage = Usage()  # noqa: RUF009 - frozen
    failure: str = ""


@dataclass(slots=True)
class Reading:
    """What a reply says.

    Attributes:
        hypothesis: Empty when there is none.
        columns: The sample, one text per column; empty when there is none.
        label: Name of the class that the model gave, as it wrote it.
        repairs: Kinds of defects that were repaired.
        reason: Why there is no sample; empty when there is one.
    """

    hypothesis: str = ""
    columns: tuple[str, ...] = ()
    label: str = ""
    repairs: list[str] = field(default_factory=list)
    reason: str = ""


def read(reply: Reply, keys: Sequence[str]) -> Reading:
    """Read a reply that should be a JSON object with the given keys (hypothesis, columns, label).

    Repaired: thoughts or prose around the object (``"prose"``), broken JSON (``"malformed"``), a list of several objects,
    of which the last counts, as in thesis 6.1 (``"several samples"``), a whole sample before one that was cut off
    (``"cut off"``). Dropped: ``"refusal"``, ``"empty"``,
    ``"truncated"`` (cut off inside the sample; a hypothesis that was complete is kept), ``"malformed"`` (no object to be
    found, or nested too deep), ``"wrong schema"`` (keys missing or no strings), ``"not text"`` (a hypothesis with a lone
    surrogate or a control character: it could not be asked about any further). Whatever the text is, this returns.
    """
    if reply.failure:
        return Reading(reason=reply.failure)
    if reply.refused:
        return Reading(reason="refusal")
    text = answer_within(reply.text).strip()
    if not text:
        return Reading(reason="truncated" if reply.truncated else "empty")
    reading = Reading(repairs=[] if text == reply.text.strip() else ["prose"])
    found = _parse(text, reading.repairs)
    if found is None:
        reading.reason = "refusal" if is_refusal(text) else "truncated" if reply.truncated else "malformed"
        return reading
    cut = reply.truncated and "malformed" in reading.repairs
    if cut and (whole := _last_whole(text, keys)) is not None:
        found, cut, reading.repairs = whole, False, ["cut off"]
    values = [found.get(key) for key in keys]
    if isinstance(values[0], str) and not (cut and all(value is None for value in values[1:])):
        reading.hypothesis = values[0].strip()
    if not is_text(reading.hypothesis):
        reading.hypothesis, reading.reason = "", "not text"
    elif cut:
        reading.reason = "truncated"
    elif not all(isinstance(value, str) for value in values) or not reading.hypothesis:
        reading.reason = "wrong schema"
    else:
        reading.columns, reading.label = tuple(str(value) for value in values[1:-1]), str(values[-1])
    return reading


def answer_within(text: str) -> str:
    """What a model wrote without its thoughts: ``<think>`` blocks, and Harmony's channels but ``final``."""
    if channels := _HARMONY.findall(text):
        return "".join(content for channel, content in channels if channel == "final")
    return _HARMONY_BARE.sub("", _THINKING.sub("", text, count=1))


def _repaired(text: str, repairs: list[str]) -> Any:
    import json_repair

    try:
        found = json.loads(text)
        repairs.append("prose")
        return found
    except RecursionError:
        return None
    except ValueError:
        pass
    try:
        found = json_repair.loads(text)
    except (RecursionError, ValueError):
        return None
    repairs.append("malformed")
    return found


def _last_whole(text: str, keys: Sequence[str]) -> dict[str, Any] | None:
    """The last object of a text that is whole and has all the keys; ``None`` if there is none."""
    decoder, place, last = json.JSONDecoder(), 0, None
    while (start := text.find("{", place)) >= 0:
        try:
            found, place = decoder.raw_decode(text, start)
        except ValueError:
            place = start + 1
        except RecursionError:
            return last
        else:
            if isinstance(found, dict) and set(keys) <= found.keys():
                last = found
    return last


def _parse(text: str, repairs: list[str]) -> dict[str, Any] | None:
    """The JSON object in a text; notes what had to be repaired."""
    try:
        found = json.loads(text)
    except RecursionError:
        return None
    except ValueError:
        inner = re.search(r"[\[{].*[\]}]|[\[{].*", text, re.DOTALL)
        found = None if inner is None else _repaired(inner[0], repairs)
    if isinstance(found, dict) and len(found) == 1 and isinstance(next(iter(found.values())), list | dict):
        found = next(iter(found.values()))
    if isinstance(found, list):
        objects = [item for item in found if isinstance(item, dict)]
        if len(objects) > 1:
            repairs.append("several samples")
        found = objects[-1] if objects else None
    return found if isinstance(found, dict) and found else None
