"""The browser of examples: which are shown, and their data in a compact form.

Perturbed texts are kept as edits of the original, which is a tenth of their size, and exactly what the page marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from rapidfuzz.distance import Levenshtein

from harness.report.html.embed import embedded_size
from harness.report.html.sections import Section
from harness.unknowns import CLEAN, Predictions

MOST = 600
"""Test examples of a data set at most."""
MOST_UUS = 80
"""Unknown unknowns with their synthetic examples at most, per data set."""

Edits = list[int | str]
Json: TypeAlias = dict[str, Any]


def edits(original: str, changed: str) -> Edits:
    """What turns one text into the other: ``[start, removed, inserted, start, ...]``, positions in characters of the original.

    >>> edits("a fine film", "a fime film")
    [4, 1, 'm']
    """
    out: Edits = []
    for operation in Levenshtein.opcodes(original, changed):
        if operation.tag != "equal":
            out += [
                operation.src_start,
                operation.src_end - operation.src_start,
                changed[operation.dest_start : operation.dest_end],
            ]
    return out


def order_examples(section: Section, rng: np.random.Generator) -> list[int]:
    """Positions of the test examples in the order in which they are taken up, the telling ones first.

    Repaired (a UU of the baseline and not of some other arm), broken (the reverse), UUs of all arms and the rest are
    shuffled and taken in turn, in the proportion 3 : 3 : 2 : 2.
    """
    base = section.first(section.baseline)
    tau = section.thresholds[0]
    reference = base.deployed.uu(tau)
    others = [
        member.deployed.uu(tau)
        for arm in section.arms
        if (member := section.first(arm)).ids == base.ids and arm != section.baseline
    ]
    some = np.any(others, axis=0) if others else reference
    every = np.all(others, axis=0) if others else reference
    group = np.select([reference & ~every, ~reference & some, reference], [0, 1, 2], 3)
    queues = [list(rng.permutation(np.flatnonzero(group == g))) for g in range(4)]
    order: list[int] = []
    while any(queues):
        for queue, share in zip(queues, (3, 3, 2, 2), strict=True):
            order += [int(queue.pop()) for _ in range(min(share, len(queue)))]
    return order


def rows_of(frame: pd.DataFrame) -> list[Json]:
    """The rows of a table, missing values left out."""
    return [
        {str(name): value for name, value in row.items() if not (value is None or value is pd.NA or value != value)}  # noqa: PLR0124
        for row in frame.astype(object).to_dict("records")
    ]


def texts_of(frame: pd.DataFrame, ids: Sequence[str]) -> dict[str, Json]:
    """Rows of a texts table by id, of the wanted ids only."""
    return {str(row["id"]): row for row in rows_of(frame[frame["id"].isin(ids)])}


def test_examples(section: Section, *, budget: int, seed: int) -> Json:
    """Test examples with every arm's predictions.

    Args:
        section: The data set's records.
        budget: Bytes they may take in the page.
        seed: Decides which are shown.

    Returns:
        ``examples``: each ``id``, ``label``, ``tags``, ``texts`` (absent where the records have none) and per arm and seed
        ``p``: class and confidence (per mille) clean, whether the attack succeeded, class and confidence as deployed; and
        ``e``: the edits of each text, or ``null`` where nothing changed.
    """
    keys = [(arm, s) for arm in section.arms for s in section.seeds]
    base = section.first(section.baseline)
    order = order_examples(section, np.random.default_rng([seed, len(base.ids)]))[:MOST]
    ids = [base.ids[i] for i in order]
    sources = {}
    for key in keys:
        frame = section.records[key].record.frame("texts") if key in section.records else None
        sources[key] = {} if frame is None else texts_of(frame, ids)
    rows = {key: _positions(section, key, ids) for key in keys}
    plain: dict[str, Json] = {}
    for source in reversed(sources.values()):
        plain |= source
    examples, used = [], 0
    for name, position in zip(ids, order, strict=True):
        row = plain.get(name)
        item: Json = {
            "id": name,
            "label": int(base.deployed.labels[position]),
            "p": [_prediction(section, key, rows[key].get(name)) for key in keys],
        }
        if base.tags[position]:
            item["tags"] = list(base.tags[position])
        if row is not None:
            item["texts"] = [str(row["text"])] + ([str(row["text_pair"])] if "text_pair" in row else [])
            item["e"] = [_edits(sources[key].get(name)) for key in keys]
        size = embedded_size(item)
        if used + size > budget:
            continue  # a shorter one may still fit
        used += size
        examples.append(item)
    return {"examples": examples, "total": len(base.ids)}


def _positions(section: Section, key: tuple[str, int], ids: Sequence[str]) -> dict[str, int]:
    if key not in section.records:
        return {}
    wanted = set(ids)
    return {name: i for i, name in enumerate(section.records[key].ids) if name in wanted}


def _prediction(section: Section, key: tuple[str, int], row: int | None) -> list[int] | None:
    if row is None:
        return None
    member = section.records[key]
    clean, after = member.populations[CLEAN], member.deployed
    hit = member.succeeded is not None and bool(member.succeeded[row])
    # Whether it is an unknown unknown is decided here, on the unrounded confidence.
    sure = [int(predictions.confident(section.thresholds[0])[row]) for predictions in (clean, after)]
    return [*_rounded(clean, row), int(hit), *_rounded(after, row), *sure]


def _rounded(predictions: Predictions, row: int) -> list[int]:
    """Class and confidence, per mille."""
    return [int(predictions.predicted[row]), round(float(predictions.confidence[row]) * 1000)]


def _edits(row: Json | None) -> list[Edits] | None:
    if row is None:
        return None
    pairs = [("text", "perturbed"), ("text_pair", "perturbed_pair")]
    found = [edits(str(row[a]), str(row[b])) for a, b in pairs if a in row and b in row]
    return found if any(found) else None


def synthetic_examples(section: Section, *, budget: int, seed: int) -> Json:
    """Unknown unknowns elicited from the training set, with hypotheses and the samples made from them.

    Returns:
        ``uus``: each ``arms`` (arms that share the synthetic set), ``seed``, ``texts`` and ``e`` (edits) where the record has
        the original, ``label``, ``predicted``, ``confidence``, ``samples`` (``role``, ``hypothesis``, ``texts``, ``label``)
        and ``rejected``; ``total_uus``: how many there are.
    """
    sharing: dict[tuple[int, str], list[str]] = {}
    for (arm, run_seed), member in section.records.items():
        digest = member.header.files.get("synthetic.parquet")
        if digest is not None:
            sharing.setdefault((run_seed, digest), []).append(arm)
    groups: list[tuple[list[str], int, pd.DataFrame, pd.DataFrame | None]] = []
    for (run_seed, _), arms in sharing.items():
        record = section.records[arms[0], run_seed].record
        frame, rejected = record.frame("synthetic"), record.frame("rejected")
        for uu, rows in frame.groupby("uu", sort=True) if frame is not None else []:
            groups.append((arms, run_seed, rows, None if rejected is None else rejected[rejected["uu"] == uu]))
    picked: list[Json] = []
    used = 0
    for index in np.random.default_rng([seed, len(groups)]).permutation(len(groups))[:MOST_UUS]:
        arms, run_seed, rows, thrown = groups[index]
        item = {"arms": arms, "seed": run_seed, **_group(rows_of(rows), [] if thrown is None else rows_of(thrown))}
        size = embedded_size(item)
        if used + size <= budget:
            used += size
            picked.append(item)
    return {"uus": picked, "total_uus": len(groups)}


def _group(rows: list[Json], rejected: list[Json]) -> Json:
    first = rows[0]
    out: Json = {}
    pairs = [("original", "perturbed"), ("original_pair", "perturbed_pair")]
    pairs = [(a, b) for a, b in pairs if a in first and b in first]
    if pairs:
        out["texts"] = [str(first[a]) for a, _ in pairs]
        out["e"] = [edits(str(first[a]), str(first[b])) for a, b in pairs]
    named = {"label": "original_label", "predicted": "predicted"}
    out |= {key: int(first[column]) for key, column in named.items() if column in first}
    if "confidence" in first:
        out["confidence"] = round(float(first["confidence"]) * 1000)
    out["samples"] = [
        {
            "role": str(row["role"]),
            "hypothesis": str(row.get("hypothesis", "")),
            "texts": [str(row[name]) for name in ("text", "text_pair") if name in row],
            "label": int(row["label"]),
        }
        for row in rows
    ]
    out["rejected"] = [{key: str(row.get(key, "")) for key in ("role", "reason", "text")} for row in rejected]
    return out


def browser_data(sections: Sequence[Section], *, budget: int, seed: int) -> list[Json]:
    """The data of the browser, per data set, within ``budget`` bytes in all."""
    share = budget // max(1, len(sections))
    out = []
    for section in sections:
        synthetic = synthetic_examples(section, budget=share // 4, seed=seed)
        left = share - embedded_size(synthetic)
        header = section.header
        out.append(
            {
                "key": section.key,
                "title": section.title,
                "labels": list(header.data.labels),
                "columns": list(header.data.columns),
                "arms": list(section.arms),
                "colors": [section.palette.index(arm) % 8 for arm in section.arms],
                "seeds": list(section.seeds),
                "tau": section.thresholds[0],
                "attacked": section.attacked,
                **synthetic,
                **test_examples(section, budget=left, seed=seed),
            }
        )
    return out
