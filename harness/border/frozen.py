"""What plugins are given: views that cannot be written to."""

from __future__ import annotations

import copy
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from harness.components.example import Example
from harness.components.generator import Rejected, SyntheticExample
from harness.components.model import Classifier

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

_CONSTANT: frozenset[type] = frozenset({str, int, float, bool, type(None), Example, SyntheticExample, Rejected})
"""Types of which no instance can be changed; long sequences of them are not looked at one by one."""


def frozen(value: T) -> T:
    """The same value, read-only all through: what a component is given, for other components are given it too.

    Arrays become views that cannot be written to (none is copied), lists tuples, also within dataclasses such as
    :class:`~harness.components.Outcome`. The value itself stays as it is, writable for whoever made it. Classifiers and
    functions are handed on.
    """
    made: Any = _frozen(value)
    found: T = made
    return found


def _frozen(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray):
        return _view(value)
    if isinstance(value, list | tuple):
        if {type(item) for item in value} <= _CONSTANT:
            return value if isinstance(value, tuple) else tuple(value)
        made = [_frozen(item) for item in value]
        return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
    if type(value) is dict:
        return {name: _frozen(item) for name, item in value.items()}
    if type(value) in _CONSTANT or isinstance(value, type | Classifier) or not is_dataclass(value):
        return value
    twin = copy.copy(value)
    for field in fields(value):
        object.__setattr__(twin, field.name, _frozen(getattr(value, field.name)))  # as a frozen dataclass sets its own
    return twin


def _view(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    view = array.view()
    view.flags.writeable = False
    return view
