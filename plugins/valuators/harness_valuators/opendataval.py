"""Adapter of the package opendataval: any of its evaluators, run in a worker process.

opendataval 1.3.0 pins torch 2.1, numpy < 1.26 and pandas < 2, so it cannot be installed beside anything current, but it
runs there. It lives in a folder of its own or in another interpreter, and arrays go to and fro in files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, JsonValue

from harness.components import ValuationProblem, Valuator
from harness.errors import HarnessError, InputError, did_you_mean

if TYPE_CHECKING:
    from harness.types import FloatArray

FOLDER_VARIABLE = "HARNESS_OPENDATAVAL"
"""Environment variable that names the folder in which opendataval is installed."""

INSTALL = (
    "Install it into a folder of its own and name the folder:\n"
    "  pip install --no-deps --target ~/.cache/harness/opendataval opendataval==1.3.0 geomloss==0.2.6\n"
    f"  export {FOLDER_VARIABLE}=~/.cache/harness/opendataval\n"
    "or give the interpreter of an environment that has it, as the valuator's option `python`."
)

WORKER = Path(__file__).with_name("opendataval_worker.py")


@dataclass(frozen=True)
class Evaluation:
    """What the worker found.

    Attributes:
        values: ``(n_train,)`` float64.
        seconds: Wall-clock time of the evaluator itself, without starting the worker and importing the package.
        cpu_seconds: CPU time of the same, of all its threads.
        peak_bytes: Largest resident memory of the worker, the package included.
    """

    values: FloatArray
    seconds: float
    cpu_seconds: float
    peak_bytes: int


class OpenDataVal(Valuator):
    """Any evaluator of the package opendataval, by name, in a worker process (Jiang et al. 2023, NeurIPS).

    Its global random number generators are seeded, so that runs repeat, which they do not by themselves.
    """

    api_version: ClassVar[int] = 1

    evaluator: str
    """Class name in opendataval: AME, BetaShapley, DataBanzhaf, DataOob, DataShapley, DVRL, InfluenceSubsample, KNNShapley,
    LavaEvaluator, LeaveOneOut, RandomEvaluator, ...; upper and lower case do not matter."""

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments of the evaluator (`{rl_epochs: 2000}` for DVRL, `{num_models: 200}` for DataOob)."""

    predictor: Literal["sklearn", "torch"] = "sklearn"
    """Logistic regression of scikit-learn (trained to convergence), or opendataval's own in torch (one epoch by default)."""

    training: dict[str, JsonValue] = Field(default_factory=dict)
    """Keyword arguments of the predictor's training; of the torch one: `epochs`, `batch_size`, `lr`."""

    python: str | None = None
    """Interpreter of the worker; by default this process's own."""

    folder: str | None = None
    """Folder with opendataval in it, added to the worker's import path; by default what the environment variable
    HARNESS_OPENDATAVAL says, if anything."""

    timeout: float = Field(default=86_400.0, gt=0.0)
    """Seconds after which the worker is stopped and the run fails."""

    neutral: ClassVar[frozenset[str]] = frozenset({"python", "folder", "timeout"})

    def preflight(self) -> None:
        """Check that the worker has opendataval.

        Raises:
            harness.errors.InputError: It has not, with the commands that install it; or its interpreter does not start.
        """
        self._versions()

    def identity(self) -> dict[str, Any]:
        """The options, with the versions that the worker runs; where it finds them does not matter."""
        return {**super().identity(), "versions": self._versions()}

    def value(self, problem: ValuationProblem, *, seed: int) -> FloatArray:
        """``(n_train,)`` float64 values as the evaluator defines them. See :meth:`evaluate`."""
        return self.evaluate(problem, seed=seed).values

    def evaluate(self, problem: ValuationProblem, *, seed: int) -> Evaluation:
        """Values, and what they cost in the worker.

        Raises:
            harness.errors.InputError: opendataval is missing, has no such evaluator, or refuses its arguments.
            harness.errors.HarnessError: The evaluator fails, takes too long, or gives values that are not finite.
        """
        import numpy as np

        job = {
            "evaluator": self.evaluator,
            "arguments": self.arguments,
            "predictor": self.predictor,
            "training": self.training,
            "classes": problem.num_classes,
            "seed": seed,
        }
        with tempfile.TemporaryDirectory(prefix="harness-opendataval-") as name:
            place = Path(name)
            (place / "job.json").write_text(json.dumps(job))
            arrays = {"x_train": problem.x_train, "x_valid": problem.x_valid}
            arrays = {key: x.astype(np.float32) for key, x in arrays.items()}
            np.savez(place / "data.npz", allow_pickle=False, **arrays, y_train=problem.y_train, y_valid=problem.y_valid)
            answer = self._call([str(place)])
            values = np.load(place / "values.npy", allow_pickle=False).astype(np.float64)
        if values.shape != (problem.n_train,) or not np.isfinite(values).all():
            raise HarnessError(
                f"opendataval's {self.evaluator} gave values of shape {values.shape}, {int((~np.isfinite(values)).sum())} of"
                f" them not finite; {problem.n_train} finite values were expected."
            )
        return Evaluation(values, answer["seconds"], answer["cpu_seconds"], answer["peak_bytes"])

    def _call(self, arguments: list[str]) -> dict[str, Any]:
        return _run(self._python(), self._folder(), tuple(arguments), self.timeout, f"opendataval's {self.evaluator}")

    def _python(self) -> str:
        if not self.python:
            return sys.executable
        if "/" not in self.python:
            return self.python  # a command to be found on the path
        given = Path(self.python)  # not resolved itself: an environment's interpreter is a link, and known by its place
        return str(self.locate(given.parent) / given.name)

    def _folder(self) -> str:
        chosen = self.folder or os.environ.get(FOLDER_VARIABLE) or ""
        return str(self.locate(chosen)) if chosen else ""

    def _versions(self) -> dict[str, str]:
        return _worker_versions(self._python(), self._folder())


@cache
def _worker_versions(python: str, folder: str) -> dict[str, str]:
    versions: dict[str, str] = _run(python, folder, ("--versions",), 60.0, "opendataval")["versions"]
    return versions


def _run(python: str, folder: str, arguments: tuple[str, ...], timeout: float, what: str) -> dict[str, Any]:
    """Run the worker and return the JSON object on the last line of its output."""
    # -I: neither the worker's own folder nor the user's settings may shadow what it imports
    command = [python, "-I", str(WORKER), folder, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(
            f"{what} was stopped after {timeout:g} s.", hint="The option `timeout` allows more."
        ) from error
    except OSError as error:
        raise InputError(f"The worker's interpreter {python!r} does not start: {error}", hint=INSTALL) from error
    lines = done.stdout.strip().splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        tail = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise HarnessError(f"The worker of {what} ended with exit status {done.returncode}.\n{tail}") from None
    problem, message = answer.get("problem"), answer.get("message", "")
    if problem == "missing":
        raise InputError(f"opendataval cannot be imported by {python}: {message}", hint=INSTALL)
    if problem == "unknown":
        raise InputError(f"{message} {did_you_mean(what.rsplit(maxsplit=1)[-1], answer['known'])}")
    if problem == "arguments":
        raise InputError(f"{what} refuses its arguments: {message}")
    if problem == "failed":
        raise HarnessError(f"{what} failed: {message}")
    return answer
