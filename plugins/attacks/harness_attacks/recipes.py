"""TextAttack's attacks as coroutines of our runner.

The library calls the model in the middle of its search, from a plain function. A greenlet is a function that can be left
at that point and resumed with the answer; so the search runs as it is, and whoever resumes it decides how queries are
batched. The library draws from the global random generators: each greenlet has states of its own, which are put in place
while it runs.
"""

from __future__ import annotations

import copy
import importlib.util
import logging
import random
import re
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from greenlet import getcurrent, greenlet  # type: ignore[import-untyped,unused-ignore]

from harness.components import AttackStatus, Classifier
from harness.errors import ComponentError, HarnessError, InputError

if TYPE_CHECKING:
    from harness.types import Texts
    from harness_attacks.textattack import TextAttackRecipe
    from harness_attacks.trial import Steps, Trial


class Recipe:
    """One recipe, built once; every example gets light copies of its stateful parts.

    Args:
        victim: The classifier to attack.
        options: Which recipe, and how.
    """

    def __init__(self, victim: Classifier, options: TextAttackRecipe) -> None:
        self._textattack = library()
        self._options = options
        recipe = getattr(self._textattack.attack_recipes, options.recipe)
        host = _Generators.current()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._attack = recipe.build(_wrap(self._textattack, victim), **options.build)
        except Exception as error:
            raise _explain(error, f"The recipe {options.recipe} cannot be built") from error
        finally:
            host.use()
        if options.columns != "both":
            spared = options.column_names[options.columns == "first"]
            constraints = self._textattack.constraints.pre_transformation
            self._attack.pre_transformation_constraints.append(
                constraints.InputColumnModification(list(options.column_names), {spared})
            )

    def start(self, trial: Trial) -> Steps:
        """The whole attack on one example."""
        attack = self._copy()
        attack.goal_function.query_budget = self._options.max_queries or float("inf")
        texts = trial.example.texts
        given = texts if isinstance(texts, str) else OrderedDict(zip(self._options.column_names, texts, strict=True))
        searching = greenlet(lambda _: attack.attack(given, trial.example.label))
        mine = _Generators.seeded(trial.seed)
        answer: Any = None
        while True:
            host = _Generators.current()
            mine.use()
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    said = searching.switch(answer)
            except Exception as error:
                raise _explain(error, f"The recipe {self._options.recipe} failed", texts) from error
            finally:
                mine = _Generators.current()
                host.use()
            if searching.dead:
                break
            trial.queries += len(said)  # until the library's own count is known
            answer = yield said
            if not trial.ready:
                trial.original_probs = answer[0]
                trial.keep(texts, answer[0])
        self._conclude(trial, said)

    def _conclude(self, trial: Trial, result: Any) -> None:
        results = self._textattack.attack_results
        final = result.perturbed_result
        trial.queries = final.num_queries
        trial.original_probs = np.asarray(result.original_result.raw_output)
        trial.keep(final.attacked_text.tokenizer_input, np.asarray(final.raw_output))
        if isinstance(result, results.MaximizedAttackResult):
            trial.note = "maximised"
        elif isinstance(result, results.SkippedAttackResult):
            trial.status = AttackStatus.SKIPPED
        else:
            succeeded = isinstance(result, results.SuccessfulAttackResult)
            trial.status = AttackStatus.SUCCEEDED if succeeded else AttackStatus.FAILED
            if trial.queries == self._options.max_queries:
                trial.note = "query limit"

    def _copy(self) -> Any:
        """The attack with a goal function, search state and caches of its own; models and word lists are shared."""
        template = self._attack
        goal = copy.copy(template.goal_function)
        if goal.use_cache:
            import lru

            goal._call_model_cache = lru.LRU(2**20)
        return self._textattack.Attack(
            goal,
            [*template.constraints, *template.pre_transformation_constraints],
            template.transformation,
            copy.copy(template.search_method),
        )


class _Generators:
    """States of the global random generators."""

    def __init__(self, python: Any, numpy: Any, pytorch: torch.Tensor) -> None:
        self._states = python, numpy, pytorch

    @classmethod
    def current(cls) -> _Generators:
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002

    @classmethod
    def seeded(cls, seed: int) -> _Generators:
        pytorch = torch.Generator().manual_seed(seed).get_state()
        return cls(random.Random(seed).getstate(), np.random.RandomState(seed % 2**32).get_state(), pytorch)

    def use(self) -> None:
        random.setstate(self._states[0])
        np.random.set_state(self._states[1])  # noqa: NPY002
        torch.set_rng_state(self._states[2])


@cache
def library() -> Any:
    """The library, imported quietly.

    Raises:
        InputError: It, or what it needs at import, is missing.
    """
    host = _Generators.current()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import textattack
    except Exception as error:
        raise _explain(error, "TextAttack cannot be imported") from error
    finally:
        host.use()
    logging.getLogger(textattack.__name__).setLevel(logging.ERROR)
    return textattack


def _wrap(textattack: Any, victim: Classifier) -> Any:
    """The classifier as TextAttack sees it: a call leaves the greenlet and comes back with the answer."""
    wrappers = textattack.models.wrappers
    model, tokenizer = getattr(victim, "model", None), getattr(victim, "tokenizer", None)
    base: Any = wrappers.ModelWrapper if model is None or tokenizer is None else wrappers.HuggingFaceModelWrapper

    class Wrapper(base):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.model, self.tokenizer, self.max_length = model, tokenizer, None

        def __call__(self, text_input_list: Any, **_: Any) -> torch.Tensor:
            texts = [text if isinstance(text, str) else tuple(text) for text in text_input_list]
            parent = getcurrent().parent
            rows = victim.predict_proba(texts) if parent is None else parent.switch(texts)
            # TextAttack would put a softmax on top of rows that do not sum to 1 within 1e-6.
            total = rows.sum(axis=1, keepdims=True)
            return torch.from_numpy(np.where(np.abs(total - 1) < 5e-7, rows, rows / total))

    return Wrapper()


_DOWNLOADS = {
    "from_pretrained": (
        "pretrained_model_name_or_path",
        "the model {!r} of the Hugging Face hub",
        "hf download {}",
    ),
    "download_from_s3": (
        "folder_name",
        "TextAttack's data {!r}",
        "python -c \"from textattack.shared.utils import download_from_s3; download_from_s3('{}')\"",
    ),
    "flair_tag": (
        "tag_type",
        "flair's tagger {!r}",
        "python -c \"from flair.models import SequenceTagger; SequenceTagger.load('{}')\"",
    ),
}
"""The functions through which recipes download: which of their variables names what, what that is, what fetches it."""

_REPOSITORY = "https://raw.githubusercontent.com/QData/TextAttack/master/textattack"
"""Where the files are that TextAttack 0.3.11 was published without (``TextBuggerLi2018`` needs one of them)."""

_PACKAGES = {"tensorflow_hub": "tensorflow tensorflow-hub"}
"""What to install for a module that is not called like its package."""


def _explain(error: Exception, what: str, texts: Texts = "") -> HarnessError:
    """An error of the library as a message for the user: what failed, on which text."""
    if isinstance(error, HarnessError):
        return error
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    first = next((line.strip(" *") for line in text.splitlines() if line.strip(" *")), "no message")
    if isinstance(error, LookupError) and (match := re.search(r"Resource '?([\w.-]+)'? not found", text)):
        return InputError(
            f"{what}: NLTK's data {match[1]!r} is missing.",
            hint=f"Download it: python -m nltk.downloader {match[1]} (or set NLTK_DATA to a folder that has it).",
        )
    for link in _chain(error):
        if isinstance(link, ImportError) and link.name:
            packages = _PACKAGES.get(link.name, link.name)
            return InputError(f"{what}: the package {link.name!r} is missing.", hint=f"pip install {packages}")
    if isinstance(error, FileNotFoundError) and (file := _own_file(error)):
        return InputError(
            f"{what}: the package of TextAttack lacks its file {file.name!r}.",
            hint=f"Fetch it: curl -fLo {file} {_REPOSITORY}/{file.parent.name}/{file.name}",
        )
    for frame, _ in traceback.walk_tb(error.__traceback__):
        variable, data, command = _DOWNLOADS.get(frame.f_code.co_name, ("", "", ""))
        if isinstance(name := frame.f_locals.get(variable), str):
            return InputError(
                f"{what}: {data.format(name)} is missing, and cannot be downloaded: {type(error).__name__}.",
                hint=f"Fetch it while online: {command.format(name)}",
            )
    if isinstance(error, OSError):
        return InputError(
            f"{what}: {first}",
            hint="The recipe loads a model or data from the network; fetch it once while online (see docs/attacks.md).",
        )
    if isinstance(error, TypeError) and "build()" in text:
        return ComponentError(f"{what}: {first}")
    where = f" on {shorten(str(texts), 60)!r}" if texts else ""
    return HarnessError(f"{what}{where}: {type(error).__name__}: {first}")


def _own_file(error: FileNotFoundError) -> Path | None:
    """The missing file, if it is one that should be in the library's folder."""
    spec = importlib.util.find_spec("textattack")
    if spec is None or spec.origin is None:
        return None
    file = Path(str(error.filename))
    return file if file.is_relative_to(Path(spec.origin).parent) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__
