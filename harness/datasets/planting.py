"""Plant blind spots in a loaded data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.components.example import Dataset, Example
from harness.datasets.planted_kinds import AnySpot, Mislabelled, Shifted, Spurious, Subpopulation, Withheld
from harness.errors import DataError
from harness.seeds import derive_seed

if TYPE_CHECKING:
    from harness.components.model import Model
    from harness.types import FloatArray, IntArray

Splits = dict[str, list[Example]]
Notes = Mapping[str, int]


@dataclass(frozen=True)
class Ground:
    """What spots are planted in.

    Attributes:
        classes: Number of classes K.
        seed: Decides every draw.
        cluster: Cluster of every example by split, ranked by size in the training set, for a number of clusters.
    """

    classes: int
    seed: int
    cluster: Callable[[int], dict[str, IntArray]]


def plant(dataset: Dataset, spots: Sequence[AnySpot], *, embedder: Model | None, seed: int) -> Dataset:
    """The data set with every spot planted in it, in order.

    Args:
        dataset: What is planted in.
        spots: What is planted.
        embedder: The model to cluster texts with; ``None`` for TF-IDF vectors.
        seed: Decides every draw.

    Raises:
        DataError: See :meth:`harness.datasets.planted.Planted.load`.
    """
    original: Splits = {
        "train": list(dataset.train),
        "validation": list(dataset.validation),
        "test": list(dataset.test),
    }
    found: dict[int, dict[str, IntArray]] = {}

    def cluster(k: int) -> dict[str, IntArray]:
        if k not in found:
            found[k] = clusters(original, k, embedder)
        return found[k]

    ground = Ground(dataset.task.num_labels, seed, cluster)
    # Membership is decided on the original texts, so that no spot changes what another one is made of.
    members = {spot.name: _members(spot, original, ground) for spot in spots}
    ids = {split: {example.id: row for row, example in enumerate(rows)} for split, rows in original.items()}
    splits, notes = original, dict(dataset.notes)
    for spot in spots:
        inside = {
            split: np.asarray(
                [members[spot.name][split][ids[split][e.id]] if e.id in ids[split] else False for e in rows]
            )
            for split, rows in splits.items()
        }
        splits, counts = _PLANT[type(spot)](spot, splits, inside, ground)
        tested = sum(spot.tag in example.tags for example in splits["test"])
        if not tested:
            raise DataError(f"The planted spot {spot.name!r} has no member in the test set.", hint=_HINT)
        if counts.get("changed") == 0:
            raise DataError(
                f"The planted spot {spot.name!r} has no member in the training set, so nothing changes.", hint=_HINT
            )
        notes |= {f"planted/{spot.name}/test": tested}
        notes |= {f"planted/{spot.name}/{name}": count for name, count in counts.items()}
    return replace(dataset, train=splits["train"], validation=splits["validation"], test=splits["test"], notes=notes)


_HINT = "Choose other words or another cluster or class, or take more examples."


def _members(spot: AnySpot, splits: Splits, ground: Ground) -> dict[str, Any]:
    """For each split ``(n,)`` bool: which examples belong to a subpopulation; nothing for spots of other kinds."""
    if not isinstance(spot, Subpopulation):
        return {split: np.zeros(len(rows), dtype=bool) for split, rows in splits.items()}
    if spot.label is not None:
        _class(spot.label, spot, ground)
    if spot.words:
        pattern = re.compile("|".join(rf"(?<!\w){re.escape(word.strip())}(?!\w)" for word in spot.words), re.IGNORECASE)
        inside = {
            split: np.asarray([pattern.search(joined(e)) is not None for e in rows], dtype=bool)
            for split, rows in splits.items()
        }
    else:
        assert spot.clusters is not None  # noqa: S101 - the model validates it
        inside = {split: labels == spot.rank for split, labels in ground.cluster(spot.clusters).items()}
    if spot.label is not None:
        for split, rows in splits.items():
            inside[split] = inside[split] & np.asarray([e.label == spot.label for e in rows], dtype=bool)
    return inside


def _withhold(spot: Withheld, splits: Splits, inside: Mapping[str, Any], ground: Ground) -> tuple[Splits, Notes]:
    members = np.flatnonzero(inside["train"])
    leaving = _draw(members, len(members) - round(spot.keep * len(members)), spot, "train", ground)
    tagged = _tag_members(spot, splits, inside)
    tagged["train"] = [example for row, example in enumerate(tagged["train"]) if row not in leaving]
    return tagged, {"changed": len(leaving), "train": len(members) - len(leaving)}


def _mislabel(spot: Mislabelled, splits: Splits, inside: Mapping[str, Any], ground: Ground) -> tuple[Splits, Notes]:
    members = np.flatnonzero(inside["train"])
    wrong = _draw(members, round(spot.share * len(members)), spot, "train", ground)
    tagged = _tag_members(spot, splits, inside)
    tagged["train"] = [
        replace(example, label=(example.label + 1) % ground.classes) if row in wrong else example
        for row, example in enumerate(tagged["train"])
    ]
    return tagged, {"changed": len(wrong), "train": len(members)}


def _tie(spot: Spurious, splits: Splits, inside: Mapping[str, Any], ground: Ground) -> tuple[Splits, Notes]:
    _class(spot.label, spot, ground)
    planted: Splits = {}
    changed = 0
    for split, rows in splits.items():
        labels = np.asarray([example.label for example in rows])
        tied, others = np.flatnonzero(labels == spot.label), np.flatnonzero(labels != spot.label)
        shares = (spot.train_share, spot.leak_share) if split == "train" else (spot.test_share, spot.test_share)
        chosen = _draw(tied, round(shares[0] * len(tied)), spot, f"{split}/tied", ground)
        chosen |= _draw(others, round(shares[1] * len(others)), spot, f"{split}/others", ground)
        rng = np.random.default_rng(derive_seed(ground.seed, "planted", spot.name, split, "place"))
        planted[split] = list(rows)
        for row in sorted(chosen):
            example = replace(rows[row], text=_insert(rows[row].text, spot, rng))
            planted[split][row] = example if example.label == spot.label else _tagged(example, spot)
        changed += len(chosen) if split == "train" else 0
    return planted, {"changed": changed, "train": sum(spot.tag in e.tags for e in planted["train"])}


def _shift(spot: Shifted, splits: Splits, inside: Mapping[str, Any], ground: Ground) -> tuple[Splits, Notes]:
    other = spot.domain.load(seed=ground.seed)
    if other.task.num_labels != ground.classes:
        raise DataError(
            f"The domain of the planted spot {spot.name!r} has {other.task.num_labels} classes, not {ground.classes}."
        )
    needed = spot.test + spot.validation
    known = {joined(example) for rows in splits.values() for example in rows}
    pool = [example for example in other.test if joined(example) not in known]
    if len(pool) < needed:
        raise DataError(
            f"The domain of the planted spot {spot.name!r} has {len(pool)} test examples that are not in the data set"
            f" already; {needed} are wanted."
        )
    order = np.random.default_rng(derive_seed(ground.seed, "planted", spot.name, "domain")).permutation(len(pool))[
        :needed
    ]
    drawn = [_tagged(replace(pool[int(i)], id=f"{spot.name}/{pool[int(i)].id}"), spot) for i in order]
    added: Splits = {
        "train": splits["train"],
        "validation": [*splits["validation"], *drawn[spot.test :]],
        "test": [*splits["test"], *drawn[: spot.test]],
    }
    return added, {"train": 0}


_PLANT: dict[type, Callable[..., tuple[Splits, Notes]]] = {
    Withheld: _withhold,
    Mislabelled: _mislabel,
    Spurious: _tie,
    Shifted: _shift,
}


def _tag_members(spot: AnySpot, splits: Splits, inside: Mapping[str, Any]) -> Splits:
    return {
        split: [_tagged(e, spot) if member else e for e, member in zip(rows, inside[split], strict=True)]
        for split, rows in splits.items()
    }


def _tagged(example: Example, spot: AnySpot) -> Example:
    return replace(example, tags=(*example.tags, spot.tag))


def _draw(rows: IntArray, count: int, spot: AnySpot, what: str, ground: Ground) -> set[int]:
    rng = np.random.default_rng(derive_seed(ground.seed, "planted", spot.name, what))
    return {int(row) for row in rng.permutation(rows)[:count]}


def _insert(text: str, spot: Spurious, rng: np.random.Generator) -> str:
    words = text.split(" ")
    place = 0 if spot.where == "start" else int(rng.integers(0, len(words) + 1))
    return " ".join([*words[:place], spot.token, *words[place:]])


def _class(label: int, spot: AnySpot, ground: Ground) -> None:
    if label >= ground.classes:
        raise DataError(
            f"The planted spot {spot.name!r} names class {label}; there are {ground.classes}, 0..{ground.classes - 1}."
        )


def joined(example: Example) -> str:
    """The text, or the two texts of a pair on two lines."""
    return example.text if example.text_pair is None else f"{example.text}\n{example.text_pair}"


def clusters(splits: Mapping[str, Sequence[Example]], k: int, encoder: Model | None = None) -> dict[str, IntArray]:
    """K-means clusters of all examples together, numbered by falling size in the training set.

    Args:
        splits: Examples by split.
        k: Number of clusters.
        encoder: A model whose ``embed`` gives the vectors; by default TF-IDF reduced to 50 dimensions.

    Returns:
        For each split ``(n,)`` cluster numbers. The same texts give the same clusters, whatever the seed.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    examples = [example for rows in splits.values() for example in rows]
    if len(examples) < k:
        raise DataError(f"{len(examples)} examples cannot be cut into {k} clusters.")
    # With several threads the sums of k-means are taken in an order that varies.
    with threadpool_limits(limits=1):
        vectors = (
            _tfidf([joined(e) for e in examples]) if encoder is None else encoder.embed([e.texts for e in examples])
        )
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        labels = KMeans(n_clusters=k, n_init=4, random_state=0).fit_predict(vectors)
    sizes = np.bincount(labels[: len(splits["train"])], minlength=k)
    rank = np.empty(k, dtype=np.int64)
    rank[np.lexsort((np.arange(k), -sizes))] = np.arange(k)
    parts = np.split(rank[labels], np.cumsum([len(rows) for rows in splits.values()])[:-1])
    return dict(zip(splits, parts, strict=True))


def _tfidf(texts: Sequence[str]) -> FloatArray:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        weights = TfidfVectorizer(sublinear_tf=True, min_df=2, max_df=0.3, stop_words="english").fit_transform(texts)
    except ValueError as error:
        raise DataError(f"The texts share too few words to be clustered by them: {error}.") from error
    if weights.shape[1] <= 50:
        dense: FloatArray = weights.toarray()
        return dense
    reduced: FloatArray = TruncatedSVD(n_components=50, random_state=0).fit_transform(weights)
    return reduced
