"""Two arms against each other: paired differences of every score, and the test examples that changed sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.records.model import RecordFolder
from harness.report.breakdown import LABEL, breakdown, groupings, main_scores
from harness.report.derive import counted_score, primary_score
from harness.report.frames import as_json
from harness.report.groups import BoardKey, Group, Member, by_board
from harness.report.model import Difference, Figure, ScoreInfo, Stratum
from harness.report.panel import Panel, difference, score_info
from harness.report.sides import Kind, sides
from harness.statistics.comparison import holm
from harness.statistics.samples import Sample

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScoreComparison:
    """One score of both arms, and the paired difference ``b - a``."""

    name: str
    info: ScoreInfo
    a: Figure
    b: Figure
    difference: Difference


@dataclass(frozen=True)
class Change:
    """A test example that is an unknown unknown (in deployment, at the primary threshold) of only one of the two arms.

    Attributes:
        change: Of an unknown unknown of ``a``, ``"repaired"`` where ``b`` is right, and ``"no longer confident"`` where it is
            wrong still, below the threshold. Of one of ``b``, ``"broken"`` where ``a`` is right, else ``"newly confident"``.
        id: The example.
        seed: The seed of both records.
        label: True class.
        predicted_a: Class that ``a`` predicts for the text as deployed (perturbed where the attack on ``a`` succeeded).
        confidence_a: Its confidence.
        predicted_b: The same of ``b``.
        confidence_b: The same of ``b``.
        text: The text (two of a pair joined by `` | ``); empty where the record leaves texts out.
        perturbed_a: The text as deployed against ``a``; empty where nothing was perturbed or texts are left out.
        perturbed_b: The same against ``b``.
    """

    change: Kind
    id: str
    seed: int
    label: str
    predicted_a: str
    confidence_a: float
    predicted_b: str
    confidence_b: float
    text: str = ""
    perturbed_a: str = ""
    perturbed_b: str = ""


@dataclass(frozen=True)
class Comparison:
    """Arm ``b`` against arm ``a`` on one data set.

    Attributes:
        dataset: The data set.
        suite: The suite of the records.
        a: Name of the first arm.
        b: Name of the second arm.
        seeds: Seeds that both have.
        primary: The score that p-values are not adjusted for.
        counted: The count of unknown unknowns that the changed examples belong to.
        scores: Every score, in the order of the metrics.
        changes: The examples that changed sides, by seed, then by kind in the order of
            :data:`harness.report.sides.KINDS`, then as in the test set.
        strata: Main figures by group of test examples, where the data set names groups; differences are of ``b`` to ``a``.
    """

    dataset: str
    suite: str
    a: str
    b: str
    seeds: tuple[int, ...]
    primary: str | None
    counted: str | None
    scores: tuple[ScoreComparison, ...]
    changes: tuple[Change, ...]
    strata: tuple[Stratum, ...] = ()

    def count(self, change: Kind) -> int:
        """Number of changes of a kind, all seeds together."""
        return sum(found.change == change for found in self.changes)

    def to_pandas(self) -> pd.DataFrame:
        """One line per score: ``score, a, b, difference, low, high, p, p_holm, test, detectable``."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "score": score.name,
                    "a": score.a.value,
                    "b": score.b.value,
                    "difference": score.difference.value,
                    **score.difference.model_dump(include={"low", "high", "p", "p_holm", "test", "detectable"}),
                }
                for score in self.scores
            ]
        )

    def to_latex(self) -> str:
        """The main scores as a table for a paper (needs the LaTeX package ``booktabs``)."""
        from harness.report.markup import comparison_latex

        return comparison_latex(self)

    def _repr_html_(self) -> str:
        """The main scores, for notebooks."""
        from harness.report.comparing_text import caption, main_rows
        from harness.report.notebook import html_table

        heads = ("score", self.a, self.b, "\N{INCREMENT} [95 %]", "p", "detectable")
        title = f"{self.dataset} · suite {self.suite} · {self.b} against {self.a}"
        return html_table(title, heads, main_rows(self), [caption(self)])

    def changes_to_pandas(self) -> pd.DataFrame:
        """One line per change, columns as in :class:`Change`."""
        import dataclasses

        import pandas as pd

        names = [field.name for field in dataclasses.fields(Change)]
        return pd.DataFrame([dataclasses.asdict(change) for change in self.changes], columns=names)


def compare(a: Iterable[RecordFolder], b: Iterable[RecordFolder]) -> list[Comparison]:
    """Compare two arms, seed by seed on the same test examples.

    Args:
        a: Records of one arm (per data set): the point of reference.
        b: Records of another arm.

    Returns:
        One comparison for every suite, board and data set that both have.

    Raises:
        InputError: One side holds several arms, both hold the same one, or they have no board and seed in common.
    """
    first, second = _side(a, "first"), _side(b, "second")
    shared = [key for key in first if key in second]
    if not shared:
        raise InputError(
            f"Nothing to compare: the first has {_boards(first)}, the second {_boards(second)}; figures are comparable only "
            "on the same suite, board and data set.",
        )
    return [_compare(first[key], second[key]) for key in sorted(shared)]


def _side(records: Iterable[RecordFolder], which: str) -> dict[BoardKey, list[RecordFolder]]:
    found = by_board(records)
    for key, there in found.items():
        arms = sorted({record.header.arm for record in there})
        if len(arms) > 1:
            raise InputError(
                f"The {which} side holds several arms of data set {key.dataset!r}: {', '.join(arms)}.",
                hint=f"Name one: `PATH:{arms[0]}`, or the folder of that arm.",
            )
    return found


def _boards(found: dict[BoardKey, list[RecordFolder]]) -> str:
    return ", ".join(f"{dataset} of suite {suite} (board {board[:12]})" for suite, board, dataset in sorted(found))


def _compare(a: Sequence[RecordFolder], b: Sequence[RecordFolder]) -> Comparison:
    arm_a, arm_b = a[0].header.arm, b[0].header.arm
    if arm_a == arm_b:
        raise InputError(f"Both sides are arm {arm_a!r} of data set {a[0].header.dataset!r}.")
    group = Group([*a, *b])
    seeds = sorted(set(group.members[arm_a]) & set(group.members[arm_b]))
    if not seeds:
        raise InputError(f"Arms {arm_a!r} and {arm_b!r} of data set {group.header.dataset!r} have no seed in common.")
    panel = Panel(group)
    primary, counted = primary_score(group), counted_score(group.header)
    found = {}
    for name in group.scores:
        contrast = panel.contrast(arm_b, arm_a, name, exact=name == primary)
        if contrast is not None:
            found[name] = contrast
    infos = {name: score_info(group, name) for name in found}
    adjusted = holm({name: c.p for name, c in found.items() if name != primary and infos[name].better is not None})
    if primary in found and primary is not None:
        adjusted[primary] = found[primary].p
    scores = tuple(
        ScoreComparison(
            name=name,
            info=infos[name],
            a=panel.figure(arm_a, name, infos[name]),
            b=panel.figure(arm_b, name, infos[name]),
            difference=difference(contrast, infos[name], adjusted.get(name)),
        )
        for name, contrast in found.items()
    )
    changes: list[Change] = []
    if counted is not None:
        for seed in seeds:
            pair = panel.samples.get((arm_a, seed, counted)), panel.samples.get((arm_b, seed, counted))
            if pair[0] is not None and pair[1] is not None:
                changes += _changes(group.members[arm_a][seed], group.members[arm_b][seed], pair[0], pair[1])
    return Comparison(
        dataset=group.header.dataset,
        suite=group.header.suite,
        a=arm_a,
        b=arm_b,
        seeds=tuple(seeds),
        primary=primary,
        counted=counted,
        scores=scores,
        changes=tuple(changes),
        strata=_strata(group, arm_a),
    )


def _strata(group: Group, reference: str) -> tuple[Stratum, ...]:
    """By the data set's own groupings; classes are left to ``harness leaderboard --by label``."""
    names = [name for name in groupings(group) if name != LABEL]
    return tuple(one for name in names for one in breakdown(group, name, main_scores(group), baseline=reference))


def _changes(a: Member, b: Member, uus_a: Sample, uus_b: Sample) -> list[Change]:
    import numpy as np

    is_a, is_b = uus_a.contributions == 1, uus_b.contributions == 1
    deployed_a, deployed_b = _deployed(a), _deployed(b)
    names = a.header.data.labels
    ids = a.ids
    labels = a.deployed.labels.tolist()
    right_a, right_b = (np.asarray(found.predicted) == a.deployed.labels for found in (deployed_a, deployed_b))
    changes = []
    for kind, rows in sides(is_a, is_b, right_a, right_b).items():
        for i in np.flatnonzero(rows).tolist():
            changes.append(
                Change(
                    change=kind,
                    id=ids[i],
                    seed=a.header.seed,
                    label=names[int(labels[i])],
                    predicted_a=names[deployed_a.predicted[i]],
                    confidence_a=deployed_a.confidence[i],
                    predicted_b=names[deployed_b.predicted[i]],
                    confidence_b=deployed_b.confidence[i],
                    text=deployed_a.texts[i],
                    perturbed_a=deployed_a.perturbed[i],
                    perturbed_b=deployed_b.perturbed[i],
                )
            )
    return changes


@dataclass(frozen=True, eq=False)
class _Deployed:
    predicted: Sequence[int]
    confidence: Sequence[float]
    texts: Sequence[str]
    perturbed: Sequence[str]


def _deployed(member: Member) -> _Deployed:
    """What a classifier does with every test example, perturbed where the attack succeeded and as it was otherwise."""
    predictions = member.deployed
    texts = member.record.frame("texts")
    plain = perturbed = [""] * len(member.ids)
    if texts is not None and texts["id"].astype(str).tolist() == member.ids:
        plain = _joined(texts, "text", "text_pair")
        if "perturbed" in texts and member.succeeded is not None:
            both = zip(_joined(texts, "perturbed", "perturbed_pair"), member.succeeded, strict=True)
            perturbed = [text if fooled else "" for text, fooled in both]
    return _Deployed(predictions.predicted.tolist(), predictions.confidence.astype(float).tolist(), plain, perturbed)


def _joined(texts: pd.DataFrame, first: str, second: str) -> list[str]:
    pairs = texts[second].tolist() if second in texts else [None] * len(texts)
    return [
        f"{text} | {pair}" if isinstance(pair, str) else str(text)
        for text, pair in zip(texts[first].tolist(), pairs, strict=True)
    ]


def to_json(comparisons: Sequence[Comparison]) -> str:
    """Comparisons as JSON, examples included."""
    import dataclasses

    payload = [
        {
            "dataset": found.dataset,
            "suite": found.suite,
            "a": found.a,
            "b": found.b,
            "seeds": found.seeds,
            "primary": found.primary,
            "counted": found.counted,
            "scores": {
                score.name: {
                    "a": score.a.model_dump(mode="json"),
                    "b": score.b.model_dump(mode="json"),
                    "difference": score.difference.model_dump(mode="json"),
                }
                for score in found.scores
            },
            "groups": [stratum.model_dump(mode="json") for stratum in found.strata],
            "changes": [dataclasses.asdict(change) for change in found.changes],
        }
        for found in comparisons
    ]
    return as_json(payload)
