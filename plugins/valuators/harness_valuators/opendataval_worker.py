"""The worker process of :mod:`harness_valuators.opendataval`. It imports nothing of this project, and runs by path.

Arguments: a folder to import from (or an empty string), then ``--versions``, or the folder of a job (``job.json``,
``data.npz``), into which ``values.npy`` is written. The last line of the output is a JSON object; its key ``problem`` says
what went wrong, if anything.
"""

import importlib.machinery
import importlib.metadata
import importlib.util
import json
import random
import sys
import types
from pathlib import Path

PLACEHOLDERS = ("torchvision", "transformers", "matplotlib", "mpl_toolkits", "pandera", "PIL", "pykeops", "typer")
"""Packages that opendataval imports at its top for loading and plotting data; valuation never calls them."""


class _Anything(type):
    """A class that may be called, subscripted, and asked for any attribute, while modules that use it are imported."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder

    def __getitem__(cls, _):
        return Placeholder


class Placeholder(metaclass=_Anything):
    """Stands for any object of a package that is not there."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return args[0] if args else self


class PlaceholderModules:
    """Finds the packages in ``PLACEHOLDERS`` as modules in which every name is a placeholder."""

    def find_spec(self, name, path=None, target=None):
        """Find a module; see ``importlib.abc.MetaPathFinder``."""
        if name.partition(".")[0] not in PLACEHOLDERS:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        """An empty module that answers for every name."""
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: _Anything.__getattr__(Placeholder, name)
        return module

    def exec_module(self, module):
        """There is nothing to execute."""


class Problem(Exception):
    """An expected failure, with what the other side has to know of it."""

    def __init__(self, problem, message, **details):
        super().__init__(message)
        self.answer = {"problem": problem, "message": message, **details}


def versions():
    """The versions that a result depends on."""
    found = {}
    for name in ("opendataval", "torch", "numpy", "scikit-learn", "geomloss"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise Problem("missing", f"{name} is not installed.") from None
    return {"versions": found}


def value(place):
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
        raise Problem("missing", str(error)) from error

    known = {kind.__name__.lower(): kind for kind in DataEvaluator.Evaluators.values()}
    kind = known.get(job["evaluator"].lower())
    if kind is None:
        names = sorted(kind.__name__ for kind in known.values())
        raise Problem("unknown", f"opendataval has no evaluator called {job['evaluator']!r}.", known=names)
    random.seed(job["seed"])
    np.random.seed(job["seed"] % 2**32)
    torch.manual_seed(job["seed"])
    try:
        evaluator = kind(**job["arguments"], random_state=np.random.RandomState(job["seed"] % 2**32))
    except TypeError as error:
        raise Problem("arguments", str(error)) from error

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
    evaluator.train_data_values(**job["training"])
    np.save(place / "values.npy", np.asarray(evaluator.data_values, dtype=np.float64).reshape(-1), allow_pickle=False)
    return {}


def main():
    """Run the worker; never raises."""
    folder, what = sys.argv[1:3]
    if folder:
        sys.path.append(folder)
    try:
        answer = versions() if what == "--versions" else value(Path(what))
    except Problem as problem:
        answer = problem.answer
    except Exception as error:
        answer = {"problem": "failed", "message": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
