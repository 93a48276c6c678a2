"""Lists of test examples from records: what an arm is sure of and wrong, what it repaired or broke against another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import InputError, did_you_mean
from harness.report.groups import Group, Member, groups
from harness.report.sides import KINDS, sides
from harness.unknowns import CLEAN, Predictions

if TYPE_CHECKING:
    import pandas as pd

    from harness.records.model import RecordFolder

CHANGED = {kind.replace(" ", "-"): kind for kind in KINDS}
"""Kinds of examples that two arms tell apart, by their name on the command line."""

LISTED = ("uu", "error", "all", *CHANGED, "changed")
"""Kinds of examples that can be listed."""


def listing(
    records: Sequence[RecordFolder],
    *,
    kind: str = "uu",
    arm: str | None = None,
    against: str | None = None,
    tau: float | None = None,
    clean: bool = False,
) -> pd.DataFrame:
    """Test examples of a kind, one row each, by board, seed and place in the test set.

    Args:
        records: Of one or more boards.
        kind: ``uu`` (wrong with a confidence of at least ``tau``), ``error`` (wrong), ``all``; against another arm
            ``repaired``, ``no-longer-confident``, ``broken``, ``newly-confident`` (:mod:`harness.report.sides`), or
            ``changed`` for these four.
        arm: The arm; may be left out where there is one only.
        against: The arm to compare with; for the kinds that need one, the baseline by default.
        tau: Confidence threshold, in (0, 1]; the first of the suite's by default.
        clean: The predictions on clean texts; by default those in deployment (attacked where the attack succeeded).

    Returns:
        Columns ``dataset, arm, seed, id, kind, label, predicted, confidence, text, text_pair, perturbed, perturbed_pair,
        tags, spot``, and ``against, against_predicted, against_confidence, against_perturbed, against_perturbed_pair``
        where two arms are compared. ``kind`` is ``uu``, ``error`` or ``right`` of a single arm; of two it is the kind of
        change, empty where there is none. ``perturbed`` is empty where nothing was perturbed; ``spot`` is the number of the
        blind spot of the arm that the example belongs to (metric ``blind-spots``), empty for none. Texts are empty where
        records leave them out. Columns that are empty throughout are left out.

    Raises:
        InputError: No such kind or arm, or nothing to compare with.
    """
    import pandas as pd

    if kind not in LISTED:
        raise InputError(f"There are no examples of kind {kind!r}. {did_you_mean(kind, LISTED)}")
    if tau is not None and not 0 < tau <= 1:
        raise InputError(f"--tau {tau}: a confidence threshold lies above 0 and is at most 1.")
    compared = kind in CHANGED or kind == "changed" or against is not None
    parts = [_of(group, kind, arm, against, tau, clean=clean, compared=compared) for group in groups(records)]
    found = pd.concat(parts, ignore_index=True)
    empty = [name for name in OPTIONAL if name in found and not found[name].astype(bool).any()]
    return found.drop(columns=empty)


OPTIONAL = (
    "text",
    "text_pair",
    "perturbed",
    "perturbed_pair",
    "tags",
    "spot",
    "against_perturbed",
    "against_perturbed_pair",
)


def _of(
    group: Group, kind: str, arm: str | None, against: str | None, tau: float | None, *, clean: bool, compared: bool
) -> pd.DataFrame:
    import pandas as pd

    name = _arm(group, arm)
    other = _other(group, name, against) if compared else None
    seeds = group.members[name]
    if other is not None:
        seeds = {seed: member for seed, member in seeds.items() if seed in group.members[other]}
        if not seeds:
            raise InputError(
                f"Arms {name!r} and {other!r} of data set {group.header.dataset!r} have no seed in common."
            )
    threshold = group.header.thresholds[0] if tau is None else tau
    frames = []
    for seed, member in sorted(seeds.items()):
        reference = None if other is None else group.members[other][seed]
        frames.append(_rows(member, reference, kind, threshold, clean=clean))
    return pd.concat(frames, ignore_index=True)


def _arm(group: Group, arm: str | None) -> str:
    if arm is None:
        if len(group.members) > 1:
            raise InputError(
                f"There are several arms of data set {group.header.dataset}: {', '.join(group.arms)}.",
                hint="Name one with --arm.",
            )
        return group.arms[0]
    if arm not in group.members:
        raise InputError(f"Data set {group.header.dataset} has no arm {arm!r}. {did_you_mean(arm, group.members)}")
    return arm


def _other(group: Group, arm: str, against: str | None) -> str:
    if against is not None:
        other = _arm(group, against)
    elif group.baseline in group.members:
        other = group.baseline
    else:
        raise InputError("The records have no baseline to compare with.", hint="Name an arm with --against.")
    if other == arm:
        raise InputError(f"Arm {arm!r} cannot be compared with itself.", hint="Name two arms: --arm A --against B.")
    return other


def _predictions(member: Member, *, clean: bool) -> Predictions:
    return member.populations[CLEAN] if clean else member.deployed


def _rows(member: Member, reference: Member | None, kind: str, tau: float, *, clean: bool) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    mine = _predictions(member, clean=clean)
    names = np.asarray(member.header.data.labels, dtype=object)
    uu = mine.uu(tau)
    if reference is None:
        what = np.select([uu, ~mine.correct], ["uu", "error"], "right").astype(object)
        wanted = {"uu": uu, "error": ~mine.correct}.get(kind, np.ones(len(uu), dtype=bool))
    else:
        if reference.ids != member.ids:
            raise InputError(f"{member.record.folder} and {reference.record.folder} have other test examples.")
        theirs = _predictions(reference, clean=clean)
        what = np.full(len(uu), "", dtype=object)
        for change, mask in sides(theirs.uu(tau), uu, theirs.correct, mine.correct).items():
            what[mask] = change
        wanted = {"uu": uu, "error": ~mine.correct, "changed": what != "", "all": np.ones(len(uu), dtype=bool)}.get(
            kind, what == CHANGED.get(kind)
        )
    rows = np.flatnonzero(wanted)
    ids = [member.ids[row] for row in rows]
    frame: dict[str, Any] = {
        "dataset": member.header.dataset,
        "arm": member.header.arm,
        "seed": member.header.seed,
        "id": ids,
        "kind": what[rows],
        "label": names[mine.labels[rows]],
        "predicted": names[mine.predicted[rows]],
        "confidence": mine.confidence[rows].astype(float).round(6),
        **_texts(member, ids, clean=clean),
        "tags": [" ".join(member.tags[row]) for row in rows],
        "spot": _spots(member, ids),
    }
    if reference is not None:
        frame |= {
            "against": reference.header.arm,
            "against_predicted": names[theirs.predicted[rows]],
            "against_confidence": theirs.confidence[rows].astype(float).round(6),
        }
        perturbed = _texts(reference, ids, clean=clean)
        frame |= {f"against_{name}": perturbed[name] for name in ("perturbed", "perturbed_pair")}
    return pd.DataFrame(frame)


def _texts(member: Member, ids: Sequence[str], *, clean: bool) -> dict[str, list[str]]:
    """Texts as they are, and as deployed where the attack succeeded; empty where there are none."""
    columns = ("text", "text_pair", "perturbed", "perturbed_pair")
    frame = member.record.frame("texts")
    if frame is None:
        return {name: [""] * len(ids) for name in columns}
    rows = frame.assign(id=frame["id"].astype(str)).set_index("id").reindex(list(ids))
    hit = dict(zip(member.ids, member.succeeded, strict=True)) if member.succeeded is not None and not clean else {}
    found = {}
    for name in columns:
        texts = rows[name].tolist() if name in rows else [None] * len(ids)
        deployed = [not name.startswith("perturbed") or hit.get(one, False) for one in ids]
        found[name] = [
            text if isinstance(text, str) and there else "" for text, there in zip(texts, deployed, strict=True)
        ]
    return found


def _spots(member: Member, ids: Sequence[str]) -> list[str]:
    members = member.table("blind_spot_members", frozenset({"arm", "spot", "id"}))
    if members is None:
        return [""] * len(ids)
    own = members[members["arm"] == "this"]
    spot = dict(zip(own["id"].astype(str), own["spot"].astype(int), strict=True))
    return [str(spot[name]) if name in spot else "" for name in ids]
