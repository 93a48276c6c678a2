"""The stand-in for a language model: short texts put together at random, in the JSON form that was asked for."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

Author = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""Writes the fields of an answer to a request's body."""

_OPENINGS = (
    "On the whole",
    "After a slow start",
    "Seen twice by now",
    "To my own surprise",
    "For what it is",
    "In short",
)
_SUBJECTS = ("the story", "the cast", "the second act", "the camera work", "the ending", "the dialogue", "the pacing")
_VERBS = ("carries", "spoils", "lifts", "sinks", "rescues", "ruins", "saves", "weakens", "improves")
_OBJECTS = (
    "the evening",
    "what could have been",
    "every single scene",
    "its good intentions",
    "an old idea",
    "the rest",
)


def write(body: Mapping[str, Any]) -> dict[str, str]:
    """An answer to a chat completion's body: hypothesis, columns and label. The same body gets the same answer.

    The keys come from the JSON schema, or from the list in the system message; the label is the class that the prompt says
    the classifier was right about.
    """
    rng = random.Random(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest())
    prompt = "\n".join(str(message["content"]) for message in body["messages"])
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema", {})
    listed = re.search(r"with the keys (.+?), and nothing", prompt)
    keys = list(schema.get("properties", {})) or (listed[1].split(", ") if listed else ["hypothesis", "text", "label"])
    label = re.search(r"reads this correctly as (.+?):\s*$", prompt, re.MULTILINE)
    values = {key: _sentences(rng) for key in keys[1:-1]}
    number = rng.randrange(10**6)
    return {
        keys[0]: f"The classifier leans on single words and misses them when they are misspelt (no. {number}).",
        **values,
        keys[-1]: label[1] if label else schema.get("properties", {}).get(keys[-1], {}).get("enum", ["?"])[0],
    }


def _sentences(rng: random.Random) -> str:
    return " ".join(
        f"{rng.choice(_OPENINGS)}, {rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)}."
        for _ in range(rng.randint(2, 4))
    )
