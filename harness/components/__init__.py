"""The contracts that plugins implement, and what passes between them."""

from harness.components.attack import Attack, AttackResult, AttackStatus
from harness.components.base import API_VERSION, KINDS, Component, group
from harness.components.dataset import DatasetSource
from harness.components.example import Dataset, Example, Task
from harness.components.generator import (
    GenerationTask,
    Generator,
    Rejected,
    SyntheticExample,
    UnknownUnknown,
)
from harness.components.metric import AttackedTest, Metric, Outcome, Score, Scores
from harness.components.model import Classifier, Encoding, Model
from harness.components.selector import AdaptiveSelector, Search, SelectionProblem, Selector
from harness.components.trajectory import Looks, TracedModel, Trajectory
from harness.components.usage import Usage
from harness.components.valuator import Sources, ValuationProblem, Valuator

__all__ = [
    "API_VERSION",
    "KINDS",
    "AdaptiveSelector",
    "Attack",
    "AttackResult",
    "AttackStatus",
    "AttackedTest",
    "Classifier",
    "Component",
    "Dataset",
    "DatasetSource",
    "Encoding",
    "Example",
    "GenerationTask",
    "Generator",
    "Looks",
    "Metric",
    "Model",
    "Outcome",
    "Rejected",
    "Score",
    "Scores",
    "Search",
    "SelectionProblem",
    "Selector",
    "Sources",
    "SyntheticExample",
    "Task",
    "TracedModel",
    "Trajectory",
    "UnknownUnknown",
    "Usage",
    "ValuationProblem",
    "Valuator",
    "group",
]
