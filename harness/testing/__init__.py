"""What plugin authors test with: contracts to inherit, and a small real classifier that needs no download.

A plugin's test is a subclass that names the component::

    from harness.testing import ValuatorContract


    class TestMargin(ValuatorContract):
        name = "margin"
"""

import pytest

pytest.register_assert_rewrite(
    "harness.testing.contracts", "harness.testing.engines"
)  # so that a failed contract shows the values

from harness.testing.classifier import WordClassifier, reviews  # noqa: E402
from harness.testing.contracts import (  # noqa: E402
    AttackContract,
    ComponentContract,
    DatasetContract,
    GeneratorContract,
    MetricContract,
    ModelContract,
    SelectorContract,
    ValuatorContract,
)
from harness.testing.engines import EngineContract  # noqa: E402
from harness.testing.trajectory import last_layer  # noqa: E402

__all__ = [
    "AttackContract",
    "ComponentContract",
    "DatasetContract",
    "EngineContract",
    "GeneratorContract",
    "MetricContract",
    "ModelContract",
    "SelectorContract",
    "ValuatorContract",
    "WordClassifier",
    "last_layer",
    "reviews",
]
