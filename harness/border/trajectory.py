"""What models tell of their fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.border.model import classifier
from harness.border.numbers import described, fault
from harness.components.trajectory import Looks, Trajectory

if TYPE_CHECKING:
    from harness.components.model import Classifier
    from harness.registry import Entry


def trajectory(
    entry: Entry, found: Any, looks: Looks, n_train: int, n_valid: int, num_labels: int
) -> tuple[Classifier, Trajectory]:
    """What a model passed through while it learned from ``n_train`` points, as far as it was asked for.

    Raises:
        HarnessError: It has broken its contract: no trajectory, one of other points or classes, or numbers that are not finite.
    """
    import numpy as np

    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], Trajectory):
        raise fault(entry, f"returned {described(found)}; expected a Classifier and a Trajectory")
    made, found = classifier(entry, found[0]), found[1]
    sizes = (found.n_train, found.valid_logits.shape[1], found.train_logits.shape[2])
    if sizes != (n_train, n_valid, num_labels):
        raise fault(
            entry,
            f"returned a trajectory of {sizes[0]} training and {sizes[1]} validation points in {sizes[2]} classes; expected "
            f"{n_train} and {n_valid} in {num_labels}",
        )
    total = len(found.batches)
    per_epoch = total // found.epochs
    states = [done for done in range(total + 1) if looks.wants(done, done % per_epoch == 0, total)]
    if list(found.steps) != states:
        raise fault(entry, f"returned {len(found.steps)} states of its training; expected {len(states)}")
    seen = [name for name in ("passing_logits", "passing_features") if looks.passing]
    seen += [name for name in ("glance_logits", "glance_features", "glance_rows") if looks.validation]
    seen += ["products"] if looks.products else []
    seen += [name for name in ("train_gradients", "valid_gradients") if looks.gradients]
    if missing := [name for name in seen if getattr(found, name) is None]:
        raise fault(entry, f"returned a trajectory without {missing[0]}, which was asked for")
    for name in ("train_logits", "train_features", "valid_logits", "valid_features", "learning_rates", *seen):
        if not np.isfinite(getattr(found, name)).all():
            raise fault(entry, f"returned a trajectory whose {name} are NaN or infinite in places")
    return made, found
