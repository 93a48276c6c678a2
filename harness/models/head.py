"""The classification head of a checkpoint: what its outputs mean, and bringing them into a task's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.components.labels import listed, match_labels
from harness.disk import read_json
from harness.errors import DataError, InputError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Head = Literal["match", "new"]
"""What becomes of a head that a checkpoint brings: its outputs are matched with the classes, or a new one takes its place."""


@dataclass(frozen=True)
class HeadPlan:
    """What is done about the head of a checkpoint.

    Attributes:
        order: For each class the output of the checkpoint's head that means it; ``None``: the head is freshly drawn.
        replaced: Whether the checkpoint has a head that is not used.
        said: A sentence about it.
    """

    order: tuple[int, ...] | None
    replaced: bool
    said: str


def outputs_of_head(folder: Path) -> tuple[str, ...] | None:
    """The names of a checkpoint's outputs, by position, by its configuration; ``None`` where it has no classification head.

    Raises:
        InputError: The configuration is damaged.
    """
    config = read_json(folder / "config.json", absent=f"The checkpoint {folder} has no config.json.")
    if not isinstance(config, dict):
        raise InputError(f"The checkpoint {folder} cannot be read: config.json holds no configuration.")
    if not any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures") or ()):
        return None
    named = config.get("id2label")
    if not isinstance(named, dict) or not named:
        number = config.get("num_labels")
        return tuple(f"LABEL_{index}" for index in range(number if isinstance(number, int) else 2))
    try:
        outputs = {int(index): str(name) for index, name in named.items()}
    except ValueError:
        outputs = {}
    if sorted(outputs) != list(range(len(outputs))) or not outputs:
        raise InputError(
            f"The checkpoint {folder} has an id2label whose keys are not 0, 1, 2, ...: {listed(list(named))}."
        )
    return tuple(outputs[index] for index in range(len(outputs)))


def plan_head(folder: Path, name: str, classes: int | Sequence[str], head: Head) -> HeadPlan:
    """Decide what becomes of a checkpoint's head.

    Args:
        folder: The checkpoint.
        name: What to call it.
        classes: The class names by index, or where they are not known their number.
        head: What the suite asks for.

    Raises:
        DataError: The head decides between other classes.
        InputError: The configuration is damaged.
    """
    outputs, what = outputs_of_head(folder), f"The checkpoint {name}"
    if outputs is None:
        return HeadPlan(None, False, f"{what} has no classification head: one is drawn at random.")
    if head == "new":
        return HeadPlan(
            None, True, f"{what} has a head for {listed(outputs)}; a new one is drawn, as `head: new` asks."
        )
    if isinstance(classes, int):  # whoever gives no names means the outputs as they are, if there are so many
        classes = outputs if classes == len(outputs) else [f"LABEL_{index}" for index in range(classes)]
    try:
        match = match_labels(outputs, tuple(classes), what)
    except DataError as error:
        raise DataError(
            error.message,
            hint="Say in `labels` or `label_values` of the data set which class is which, in the checkpoint's words; or set "
            "`head: new` on the model, which draws a new head and fine-tunes it.",
        ) from error
    return HeadPlan(match.order, False, match.said)


def reorder_head(model: PreTrainedModel, order: Sequence[int]) -> None:
    """Bring the outputs of a classifier's head into another order, in place.

    Args:
        model: A sequence classifier.
        order: For each place the output that comes to stand there.

    Raises:
        InputError: The head does not end in a linear layer with an output per class.
    """
    import torch

    if list(order) == sorted(order):
        return
    last = _last_layer(model, len(order))
    rows = torch.as_tensor(order, device=last.weight.device)
    with torch.no_grad():
        last.weight.copy_(last.weight[rows].clone())
        if last.bias is not None:
            last.bias.copy_(last.bias[rows].clone())


def draw_head(model: PreTrainedModel) -> None:
    """Draw the layers of a classifier's head anew from torch's global generator, as ``transformers`` draws them."""
    import torch

    deviation = float(getattr(model.config, "initializer_range", None) or 0.02)
    with torch.no_grad():
        for layer in _head_layers(model):
            layer.weight.normal_(0.0, deviation)
            if layer.bias is not None:
                layer.bias.zero_()


def name_outputs(config: Any, labels: Sequence[str]) -> None:
    """Write class names into a configuration, so that whoever loads the classifier knows what its outputs mean."""
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: index for index, name in enumerate(labels)}


def _head_layers(model: PreTrainedModel) -> list[torch.nn.Linear]:
    import torch

    encoder = {id(module) for module in model.base_model.modules()}
    return [m for m in model.modules() if isinstance(m, torch.nn.Linear) and id(m) not in encoder]


def _last_layer(model: PreTrainedModel, classes: int) -> torch.nn.Linear:
    layers = [layer for layer in _head_layers(model) if layer.out_features == classes]
    if not layers:
        raise InputError(
            f"The outputs of {type(model).__name__} cannot be reordered: no layer of its head has {classes} outputs.",
            hint="Name the classes of the data in the order of the checkpoint's outputs (`labels`).",
        )
    return layers[-1]
