"""JSON inside a page."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup


def script_json(value: Any) -> Markup:
    """JSON fit for a ``<script>`` element: without ``<``, nothing in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def embedded_size(value: Any) -> int:
    """Bytes that a value takes inside a page."""
    return len(script_json(value).encode())
