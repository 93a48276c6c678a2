"""Any recipe of the TextAttack library."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from harness.components import AttackResult, Classifier, Example
from harness.errors import InputError, did_you_mean
from harness_attacks.base import SharedBatches

INSTALL = "pip install 'bliss-harness-attacks[textattack]'"


class TextAttackRecipe(SharedBatches):
    """A recipe of the TextAttack library, with its own results but many examples in flight.

    The library's ``Attack`` objects run unchanged, each example in a coroutine of its own; their queries are merged into
    the batches of our runner. Example ``i`` gives what TextAttack gives for it alone after ``random``, ``numpy.random``
    and ``torch`` were seeded with ``seed + i``. Needs the extra ``textattack``.

    Source: Morris et al. 2020, "TextAttack: A Framework for Adversarial Attacks, Data Augmentation, and Adversarial
    Training in NLP", arXiv:2005.05909.
    """

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = frozenset({"in_flight"})

    recipe: str
    """Class name of the recipe, such as ``PWWSRen2019``, ``TextBuggerLi2018`` or ``BAEGarg2019``."""

    build: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the recipe's ``build`` method."""

    columns: Literal["both", "first", "second"] = "both"
    """Which text of a pair may be modified."""

    column_names: tuple[str, str] = ("sentence1", "sentence2")
    """What TextAttack calls the two texts. Some recipes spare a column called ``premise``."""

    max_queries: int | None = Field(default=None, ge=1)
    """Query budget per example."""

    time_limit: float | None = Field(default=None, gt=0)
    """Seconds per example, after which it counts as failed. Off by default: results depend on the clock."""

    in_flight: int = Field(default=16, ge=1)
    """Most examples under attack at a time. Does not change results."""

    @field_validator("recipe")
    @classmethod
    def _known(cls, recipe: str) -> str:
        known = _recipes()
        if known and recipe not in known:
            raise ValueError(f"TextAttack has no recipe {recipe!r}. {did_you_mean(recipe, known)}")
        return recipe

    def preflight(self) -> None:
        """Check that the library is there, without importing it.

        Raises:
            harness.errors.InputError: The extra ``textattack`` is not installed.
        """
        if not _recipes() or importlib.util.find_spec("greenlet") is None:
            raise InputError("The attack 'textattack' needs the TextAttack library.", hint=f"Install it: {INSTALL}")

    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """See :meth:`harness.components.Attack.attack_each`.

        Raises:
            harness.errors.InputError: The library, or data that the recipe needs, is missing.
            harness.errors.ComponentError: The recipe cannot be built with these options.
        """
        from harness_attacks.recipes import Recipe
        from harness_attacks.runner import run

        self.preflight()
        recipe = Recipe(victim, self)
        return run(victim, examples, recipe.start, seeds=seeds, in_flight=self.in_flight, time_limit=self.time_limit)


def _recipes() -> list[str]:
    """Names of the recipes, read from the library's source; none where it is not installed."""
    spec = importlib.util.find_spec("textattack")
    if spec is None or spec.origin is None:
        return []
    return [
        node.name
        for file in sorted((Path(spec.origin).parent / "attack_recipes").glob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(m, ast.FunctionDef) and m.name == "build" for m in node.body)
        and node.name != "AttackRecipe"
    ]
