"""Seeds derived from named axes.

A run has one seed per repetition. Everything random inside it takes a seed derived from that one and from the names of
what varies (the data set, the role), and from nothing else. Two methods that are compared therefore see the same split
and the same noise.
"""

from __future__ import annotations

import hashlib
import json


def derive_seed(seed: int, *axes: str | int) -> int:
    """A seed in ``[0, 2**31)`` that depends on ``seed`` and on every axis, and on nothing else.

    >>> derive_seed(0, "fine-tune", "mrpc") == derive_seed(0, "fine-tune", "mrpc")
    True
    >>> derive_seed(0, "fine-tune", "mrpc") == derive_seed(1, "fine-tune", "mrpc")
    False
    """
    payload = json.dumps([seed, *axes], ensure_ascii=True, separators=(",", ":")).encode()
    return int.from_bytes(hashlib.sha256(payload).digest()[:4], "big") >> 1
