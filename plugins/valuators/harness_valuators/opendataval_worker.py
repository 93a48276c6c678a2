"""The worker process of :mod:`harness_valuators.opendataval`. It imports nothing of this project, and runs by path.

Arguments: a folder to import from (or an empty string), then ``--versions``, or the folder of a job (``job.json``,
``data.npz``), into which ``values.npy`` is written. The last line of the output is a JSON object; its key ``problem`` says
what went wrong, if anything.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import random
import resource
import sys
import time
import types
from pathlib import Path
from typing import Any

PLACEHOLDERS = ("torchvision", "transformers", "matplotlib", "mpl_toolkits", "pandera", "PIL", "pykeops", "typer")
"""Packages that opendataval imports at its top for loading and plotting data; valuation never calls them."""


class _Anything(type):
    """A class that may be called, subscripted, and asked for any attribute, while modules that use it are imported."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder

    def __getitem__(cls, _: Any) -> Any:
        return Placeholder


class Placeholder(metaclass=_Anything):
    """Stands for any object of a package that is not there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As a decorator: what is decorated, unchanged."""
        return args[0] if args else self


class PlaceholderModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the packages in ``PLACEHOLDERS`` as modules in which every name is a placeholder."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """Find a module; see ``importlib.abc.MetaPathFinder``."""
        if fullname.partition(".")[0] not in PLACEHOLDERS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """An empty module that answers for every name."""
        module = types.ModuleType(spec.name)
        vars(module)["__getattr__"] = lambda name: getattr(Placeholder, name)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to execute."""


class WorkerError(Exception):
    """An expected failure, with what the other side has to know of it."""

    def __init__(self, problem: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.answer: dict[str, Any] = {"problem": problem, "message": message, **details}


def versions() -> dict[str, Any]:
    """The versions that a result depends on."""
    found = {}
    for name in ("opendataval", "torch", "numpy", "scikit-learn", "geomloss"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise WorkerError("missing", f"{name} is not installed.") from None
    return {"versions": found}


def value(place: Path) -> dict[str, Any]:
    """Compute the values of the job in the folder ``place``."""
    job = json.loads((place / "job.json").read_text())
    sys.meta_path.insert(0, PlaceholderModules())
    try:
        import numpy as np
        import torch
        from opendataval.dataval import DataEvaluator, ModelLessMixin
        from opendataval.metrics import accuracy
        from opendataval.model import ClassifierSkLearnWrapper, LogisticRegression
        from sklearn.linear_model import LogisticRegression as SkLearnLogisticRegression
    except ImportError as error:
        raise WorkerError("missing", str(error)) from error

    known = {kind.__name__.lower(): kind for kind in DataEvaluator.Evaluators.values()}
    kind = known.get(job["evaluator"].lower())
    if kind is None:
        names = sorted(kind.__name__ for kind in known.values())
        raise WorkerError("unknown", f"opendataval has no evaluator called {job['evaluator']!r}.", known=names)
    random.seed(job["seed"])
    np.random.seed(job["seed"] % 2**32)  # noqa: NPY002 - its evaluators draw from the global generator
    torch.manual_seed(job["seed"])
    try:
        evaluator = kind(**job["arguments"], random_state=np.random.RandomState(job["seed"] % 2**32))
    except TypeError as error:
        raise WorkerError("arguments", str(error)) from error

    data, classes = np.load(place / "data.npz", allow_pickle=False), job["classes"]
    x_train, x_valid = torch.as_tensor(data["x_train"]), torch.as_tensor(data["x_valid"])
    onehot = torch.eye(classes)
    evaluator.input_data(x_train, onehot[data["y_train"]], x_valid, onehot[data["y_valid"]])
    if not isinstance(evaluator, ModelLessMixin):
        if job["predictor"] == "torch":
            model = LogisticRegression(x_train.shape[1], classes)
        else:
            model = ClassifierSkLearnWrapper(SkLearnLogisticRegression, classes, max_iter=1000)
        evaluator.input_model_metric(model, accuracy)
    begin, spent = time.perf_counter(), time.process_time()
    evaluator.train_data_values(**job["training"])
    values = np.asarray(evaluator.data_values, dtype=np.float64).reshape(-1)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - spent
    np.save(place / "values.npy", values, allow_pickle=False)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak_memory()}


def peak_memory() -> int:
    """Largest resident size of this program so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (
        OSError,
        IndexError,
    ):  # not Linux; there, rusage would tell the size of whoever started us if that was larger
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    """Run the worker; never raises."""
    folder, what = sys.argv[1:3]
    if folder:
        sys.path.append(folder)
    try:
        answer = versions() if what == "--versions" else value(Path(what))
    except WorkerError as problem:
        answer = problem.answer
    except Exception as error:  # noqa: BLE001 - the other side reports it
        answer = {"problem": "failed", "message": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
