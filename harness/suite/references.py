"""Names that a suite's parts use to refer to one another, and combinations that make no sense.

Works on the data as written, whatever else is wrong with it, so that these problems are reported with all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from harness.components.model import Model
from harness.components.trajectory import TracedModel
from harness.errors import did_you_mean, listed
from harness.registry import Registry
from harness.suite.problems import Finding, advice

if TYPE_CHECKING:
    from harness.suite.model import Arm, Suite


def check_references(data: dict[str, Any], registry: Registry, made: Collection[str] = ()) -> Iterator[Finding]:
    """Everything wrong with the references of a suite.

    Args:
        data: The suite as written.
        registry: The installed components.
        made: Names of the arms that its matrix makes.
    """
    models = _section(data, "models")
    for name, dataset in _section(data, "datasets").items():
        model = dataset.get("model") if isinstance(dataset, dict) else None
        if isinstance(model, str):
            yield from known(data, registry, "model", model, ("datasets", name, "model"))
        elif model is None and len(models) > 1:
            message = f"'model' is missing: the suite has {len(models)} models ({listed(list(models), most=10)})."
            yield Finding(("datasets", name), message, key=True)
    for name, selector in _section(data, "selectors").items():
        if isinstance(selector, dict) and isinstance(selector.get("values"), str):
            yield from known(data, registry, "valuator", selector["values"], ("selectors", name, "values"))
    arms = _section(data, "arms")
    for name, arm in arms.items():
        if isinstance(arm, dict):
            for finding in _check_arm(data, registry, arm):
                yield finding.under(("arms", name))
    if isinstance(base := data.get("base"), str):
        yield from known(data, registry, "model", base, ("base",))
    baseline, names = data.get("baseline"), {*arms, *made}
    if isinstance(baseline, str) and baseline not in names:
        yield Finding(("baseline",), f"no arm is called {baseline!r}. {did_you_mean(baseline, names)}")
    valuation = data.get("valuation")
    if isinstance(valuation, dict) and not _section(data, "valuators"):
        yield Finding(("valuation",), "there is nothing to assess: the suite has no valuators.", key=True)
    if not arms and not data.get("arms") and not data.get("matrix") and valuation is None:
        yield Finding((), "a suite needs `arms`, a `matrix` of arms, or a `valuation` section.")


def check_given(suite: Suite) -> Iterator[Finding]:
    """Arms that ask of a model what it cannot do: to be fine-tuned, to be attacked, or to be a classifier already."""
    taken = {("arms", name, "given"): arm.given for name, arm in suite.arms.items()} | {("base",): suite.base}
    for path, name in taken.items():
        if name is not None and type(suite.models[name].component).given is Model.given:
            message = f"the model {name!r} ({suite.models[name].use}) is no classifier before it is fine-tuned."
            yield Finding(path, message)
    for dataset, slot in suite.datasets.items():
        model = suite.models[slot.model]
        base = suite.base_of(dataset)
        if suite.valuation is not None and suite.valuation.judge == "retraining" and not model.component.trainable:
            yield Finding(
                ("valuation", "judge"),
                f"retrains the classifier of {dataset}, whose model {slot.model!r} ({model.use}) cannot be fine-tuned.",
            )
        if suite.valuation is not None and suite.valuation.removal.network and suite.valuation.judge != "retraining":
            message = "the network is trained again only where retraining judges: set `judge: retraining`."
            yield Finding(("valuation", "removal", "network"), message)
        for name, arm in suite.arms.items():
            if arm.generate or arm.weights or arm.order:
                if not model.component.trainable:
                    yield Finding(
                        ("arms", name),
                        f"trains a classifier on {dataset}, whose model {slot.model!r} ({model.use}) cannot be fine-tuned: name"
                        f" one that can as the data set's `model`, and keep this one as `base: {slot.model}`.",
                        key=True,
                    )
                if arm.generate and base is not None and not suite.models[base].component.queryable:
                    yield Finding(
                        ("arms", name, "generate"),
                        f"needs an attack on the base classifier {base!r} ({suite.models[base].use}), of which only predictions"
                        " are known.",
                        key=True,
                    )


def check_needs(suite: Suite) -> Iterator[Finding]:
    """Valuators that need to see a fine-tuning that no model shows, or that does not take place."""
    taken: list[tuple[tuple[str, ...], str]]
    taken = [(("arms", name, key), valuator) for name, arm in suite.arms.items() for key, valuator in _valued_by(arm)]
    if suite.valuation is not None:
        taken += [(("valuators", name), name) for name in suite.valuators]
    for path, name in taken:
        needs = suite.valuators[name].component.needs
        for dataset, slot in suite.datasets.items():
            model, base = suite.models[slot.model], suite.base_of(dataset)
            why = None
            if "trajectory" in needs and path[0] == "arms" and base is not None:
                why = f"trajectory, and the base classifier of {dataset}, {base!r}, is given, not fine-tuned."
            elif "trajectory" in needs and not isinstance(model.component, TracedModel):
                why = f"trajectory, which the model {slot.model!r} ({model.use}) of {dataset} does not tell."
            elif "classifier" in needs and not model.component.trainable and (path[0] == "valuators" or base is None):
                why = f"result, and the model {slot.model!r} ({model.use}) of {dataset} cannot be fine-tuned."
            if why is not None:
                yield Finding(path, f"the valuator {name!r} ({suite.valuators[name].use}) needs fine-tuning's {why}")


def _valued_by(arm: Arm) -> Iterator[tuple[str, str]]:
    """The valuators of an arm, by the key that names each."""
    if arm.weights:
        yield "weights", arm.weights
    if arm.order is not None:
        yield "order", arm.order.values
    if arm.select is not None and arm.select.values:
        yield "select", arm.select.values


def known(
    data: dict[str, Any], registry: Registry, kind: str, name: str, path: tuple[str | int, ...]
) -> Iterator[Finding]:
    """A finding if the suite has configured no ``kind`` under ``name``."""
    section = f"{kind}s"
    configured = _section(data, section)
    if name in configured:
        return
    message = f"no {kind} of this suite is called {name!r}. "
    if not configured and name in registry.names(kind):
        message += f"Configure it: `{section}: {{{name}: {name}}}`."
    elif not configured:
        message += f"It has no `{section}`."
    else:
        message += advice(name, list(configured))
    yield Finding(path, message)


def _check_arm(data: dict[str, Any], registry: Registry, arm: dict[str, Any]) -> Iterator[Finding]:
    if isinstance(given := arm.get("given"), str):
        yield from known(data, registry, "model", given, ("given",))
        for key in ("weights", "order", "generate"):
            if arm.get(key) is not None:
                yield Finding((key,), "an arm with `given` is a classifier as it is: it is not trained.", key=True)
    weights, select, generate = arm.get("weights"), arm.get("select"), arm.get("generate")
    if isinstance(weights, str):
        yield from known(data, registry, "valuator", weights, ("weights",))
    order = arm.get("order")
    if isinstance(order, dict) and isinstance(order.get("values"), str):
        yield from known(data, registry, "valuator", order["values"], ("order", "values"))
    if isinstance(select, dict):
        for key in ("values",) if "use" in select else ("highest", "lowest"):
            if isinstance(select.get(key), str):
                yield from known(data, registry, "valuator", select[key], ("select", key))
    if isinstance(generate, str):
        yield from known(data, registry, "generator", generate, ("generate",))
        if data.get("attack") is None and arm.get("attack") is None:
            yield Finding(
                ("generate",), "an arm that generates needs an attack to find unknown unknowns: add `attack`."
            )
    if generate is None:
        for key in ("select", "attack", "synthesis"):
            if arm.get(key) is not None:
                yield Finding((key,), f"`{key}` has no effect without `generate`.", key=True)
    if weights is None and arm.get("weights_normalisation") is not None:
        yield Finding(("weights_normalisation",), "has no effect without `weights`.", key=True)


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name)
    return section if isinstance(section, dict) else {}
