"""Figures by group of test examples: by the columns that a data set names as groups, and by class.

Group figures are means over the group's examples, with the intervals and paired differences of :mod:`harness.statistics`,
resampled within the group. Counts are left to the whole test set: of a group, rates say the same and can be compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.components.score_name import ScoreName
from harness.errors import InputError, did_you_mean
from harness.report.model import Stratum
from harness.report.panel import Panel, difference, score_info
from harness.statistics.comparison import Contrast, holm
from harness.statistics.digits import exact
from harness.statistics.samples import Sample, replicate

if TYPE_CHECKING:
    from harness.report.groups import Group, Member
    from harness.types import BoolArray, IntArray

LABEL = "label"
"""The grouping by true class, which every data set has."""


def groupings(group: Group) -> list[str]:
    """Names of the groupings of a board's test examples: the data set's columns, then ``label``."""
    member = next(iter(next(iter(group.members.values())).values()))
    names = dict.fromkeys(tag.partition("=")[0] for tags in member.tags for tag in tags if "=" in tag)
    return [*names, *([LABEL] if LABEL not in names else [])]


def main_scores(group: Group) -> list[str]:
    """The scores that a breakdown begins with: accuracy, and the rate of unknown unknowns at the first threshold."""
    at = exact(group.header.thresholds[0]) if group.header.thresholds else ""
    names = ["accuracy/clean", f"uu_rate@{at}/clean", f"uu_rate@{at}/deployed", "confidence/clean"]
    return [name for name in names if name in group.scores]


def breakdown(
    group: Group, by: str, scores: Iterable[str] | None = None, *, baseline: str | None = None
) -> tuple[Stratum, ...]:
    """The figures of every arm in every group of test examples, largest group first.

    Args:
        group: The records of a board.
        by: A grouping (:func:`groupings`).
        scores: Names of scores; by default all that decompose over examples and are no counts.
        baseline: The arm that differences refer to; that of the records by default.

    Raises:
        InputError: There is no such grouping.
    """
    known = groupings(group)
    if by not in known:
        raise InputError(
            f"The test examples of {group.header.dataset} are not grouped by {by!r}. {did_you_mean(by, known)}"
        )
    chosen = [name for name in (group.scores if scores is None else scores) if not score_info(group, name).total]
    samples = {key: sample for key, sample in group.samples().items() if key[2] in chosen}
    values: dict[int, list[str]] = {
        seed: _values(member, by) for seeds in group.members.values() for seed, member in seeds.items()
    }
    counts: dict[str, list[int]] = {}
    for there in values.values():
        for value in there:
            counts.setdefault(value, [])
    for value, sizes in counts.items():
        sizes.extend(there.count(value) for there in values.values())
    ordered = sorted(counts, key=lambda value: (-max(counts[value]), value))
    if by == LABEL:
        ordered = [name for name in group.header.data.labels if name in counts]
    reference = group.baseline if baseline is None else baseline
    found = [
        _stratum(group, by, value, round(sum(counts[value]) / len(values)), samples, values, reference)
        for value in ordered
    ]
    return _adjusted(found, group, chosen)


def _values(member: Member, by: str) -> list[str]:
    import numpy as np

    prefix = f"{by}="
    if by == LABEL and not any(tag.startswith(prefix) for tags in member.tags for tag in tags):
        names = member.header.data.labels
        return [names[label] for label in member.predictions["label"].to_numpy(np.int64).tolist()]
    return [next((tag[len(prefix) :] for tag in tags if tag.startswith(prefix)), "(none)") for tags in member.tags]


class _Part(Panel):
    """The figures of a group of records on a part of the test examples."""

    def __init__(self, group: Group, samples: Mapping[tuple[str, int, str], Sample], clusters: int) -> None:
        self.group, self.samples, self.clusters = group, dict(samples), clusters
        keys = list(samples)
        drawn = replicate(list(samples.values()), clusters)
        self._drawn = {key: drawn[:, i] for i, key in enumerate(keys)}

    def seeds(self, arm: str, score: str) -> list[int]:
        return [seed for seed in sorted(self.group.members[arm]) if (arm, seed, score) in self.samples]

    def values(self, arm: str, score: str, seeds: Sequence[int]) -> list[float]:
        return [self.samples[arm, seed, score].value for seed in seeds]


def _stratum(
    group: Group,
    by: str,
    value: str,
    n: int,
    samples: Mapping[tuple[str, int, str], Sample],
    values: Mapping[int, Sequence[str]],
    baseline: str,
) -> Stratum:
    import numpy as np

    inside: dict[int, BoolArray] = {seed: np.asarray(there, dtype=object) == value for seed, there in values.items()}
    here = {key: sample for key, sample in samples.items() if inside[key[1]].any()}
    codes: dict[int, IntArray] = {key[1]: sample.clusters[inside[key[1]]] for key, sample in here.items()}
    clusters = np.unique(np.concatenate(list(codes.values()))) if codes else np.zeros(0, dtype=np.int64)
    part = {
        key: Sample(sample.contributions[inside[key[1]]], np.searchsorted(clusters, codes[key[1]]))
        for key, sample in here.items()
    }
    part = {key: sample for key, sample in part.items() if sample.size}
    panel = _Part(group, part, len(clusters))
    infos = {name: score_info(group, name) for _, _, name in part}
    contrasts: dict[str, dict[str, Contrast]] = {}
    for arm, name in itertools.product(group.arms, infos):
        if baseline in group.members and arm != baseline:
            apart = panel.contrast(arm, baseline, name, exact=False)
            if apart is not None:
                contrasts.setdefault(arm, {})[name] = apart
    return Stratum(
        group=by,
        value=value,
        n=n,
        scores={
            arm: {name: found for name in infos if (found := panel.figure(arm, name, infos[name])).seeds}
            for arm in group.arms
        },
        differences={
            arm: {name: difference(apart, infos[name]) for name, apart in there.items()}
            for arm, there in contrasts.items()
        },
    )


def _adjusted(strata: Sequence[Stratum], group: Group, scores: Sequence[str]) -> tuple[Stratum, ...]:
    """The same with p-values adjusted by Holm: per score, over all groups and arms."""
    import math

    adjusted: dict[tuple[int, str, str], float] = {}
    for name in scores:
        raw = {
            (i, arm, name): math.nan if there[name].p is None else float(there[name].p or 0.0)
            for i, stratum in enumerate(strata)
            for arm, there in stratum.differences.items()
            if name in there
        }
        adjusted |= holm(raw)
    return tuple(
        stratum.model_copy(
            update={
                "differences": {
                    arm: {
                        name: found.model_copy(
                            update={"p_holm": p if math.isfinite(p := adjusted[i, arm, name]) else None}
                        )
                        for name, found in there.items()
                    }
                    for arm, there in stratum.differences.items()
                }
            }
        )
        for i, stratum in enumerate(strata)
    )


def worst(strata: Sequence[Stratum], arm: str, score: str, *, higher_is_better: bool) -> Stratum | None:
    """The group in which an arm's score is worst; ``None`` where no group has it."""
    known = [one for one in strata if score in one.scores.get(arm, {}) and one.scores[arm][score].value is not None]

    def key(one: Stratum) -> float:
        value = one.scores[arm][score].value or 0.0
        return value if higher_is_better else -value

    return min(known, key=key, default=None)


def worst_lines(group: Group) -> list[str]:
    """A line per grouping of the data set's own: in which group each arm is worst."""
    names = [name for name in groupings(group) if any(tag.startswith(f"{name}=") for tag in _tags(group))]
    at = exact(group.header.thresholds[0]) if group.header.thresholds else ""
    score = next(
        (name for name in (f"uu_rate@{at}/deployed", f"uu_rate@{at}/clean", "accuracy/clean") if name in group.scores),
        "",
    )
    lines = []
    for name in names if score else []:
        strata = breakdown(group, name, [score])
        if len(strata) < 2:
            continue
        parts = []
        for arm in group.arms:
            found = worst(strata, arm, score, higher_is_better=score.startswith("accuracy"))
            if found is not None and (found.scores[arm][score].value or score.startswith("accuracy")):
                figure = found.scores[arm][score]
                ends = (
                    ""
                    if figure.low is None or figure.high is None
                    else f" [{_percent(figure.low)}, {_percent(figure.high)}]"
                )
                parts.append(f"{arm} {_percent(figure.value)}{ends} in {found.value} ({found.n:,})")
        title = (
            f"UU@{at.removeprefix('0')} rate, {ScoreName.parse(score).part}" if score.startswith("uu") else "accuracy"
        )
        lines.append(f"Worst {name} by {title}, per cent: {'; '.join(parts)}. All groups: --by {name}.")
    return lines


def _tags(group: Group) -> set[str]:
    return {
        tag for seeds in group.members.values() for member in seeds.values() for tags in member.tags for tag in tags
    }


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def confusions(group: Group, arm: str, *, clean: bool = True) -> dict[tuple[str, str], float]:
    """How often an arm takes one class for another: mean number over seeds by true and predicted class, diagonal included."""
    import numpy as np

    names = group.header.data.labels
    matrix = np.zeros((len(names), len(names)))
    members = group.members[arm].values()
    for member in members:
        found = member.populations["clean"] if clean else member.deployed
        np.add.at(matrix, (found.labels, found.predicted), 1.0 / len(members))
    rows, columns = np.nonzero(matrix)
    return {(names[i], names[j]): float(matrix[i, j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)}
