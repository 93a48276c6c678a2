"""What has to be computed: exactly what is wanted and not there, and what that rests on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.demand import missing


class Shelf:
    """A store as far as :func:`missing` looks at it."""

    def __init__(self, there: set[str]) -> None:
        self.there = there

    def has(self, kind: str, identifier: str) -> bool:
        return identifier in self.there


class Node:
    """A stage as far as :func:`missing` looks at it."""

    kind = "node"

    def __init__(self, number: int, of: list[Node]) -> None:
        self.id, self.of = str(number), of

    def inputs(self) -> dict[str, Node]:
        return {node.id: node for node in self.of}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Node], set[str]]:
    """Stages in some order in which inputs come first, targets among them, and what is there."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 12))):
        nodes.append(Node(number, draw(st.lists(st.sampled_from(nodes), max_size=3, unique=True)) if nodes else []))
    targets = draw(st.lists(st.sampled_from(nodes), max_size=6))
    return nodes, targets, draw(st.sets(st.sampled_from([node.id for node in nodes])))


@given(graphs())
def test_the_smallest_set_that_gives_the_targets(graph: tuple[list[Node], list[Node], set[str]]) -> None:
    nodes, targets, there = graph
    store: Any = Shelf(set(there))
    found: list[Any] = missing(targets, store)  # type: ignore[arg-type]
    # From the end of the graph to its beginning: needed is what is absent and a target, or an input of what is needed.
    needed: set[str] = set()
    for node in reversed(nodes):
        readers = [other for other in nodes if node in other.of]
        if node.id not in there and (node in targets or any(reader.id in needed for reader in readers)):
            needed.add(node.id)
    assert len(found) == len(needed)
    assert {node.id for node in found} == needed
    # Computed in this order, every stage finds its inputs.
    for node in found:
        assert all(source.id in store.there for source in node.of)
        store.there.add(node.id)
    assert missing(targets, store) == []  # type: ignore[arg-type]
