"""Lists that are flattened into attributes with indices in their names, back as nodes.

Indices may start above 0 and have holes: the SDK keeps 128 attributes a span and gives up the
oldest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prefactor_otel.mapping.rules import Reading
from prefactor_otel.spans.view import Attributes

Node = dict[str, object]
Step = tuple[int, str, str | None]
"""In a node (by the number under which it was made) this name holds the value of an attribute, or,
where that is None, the next node."""


def _everything(path: Sequence[str]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Indexed:
    """Attributes under ``prefix.N.``, as a list of nodes in the order of N. ``uses`` says which of
    them, by the path after N, the reader shows; the others stay in the metadata."""

    prefix: str
    uses: Callable[[Sequence[str]], bool] = _everything

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        return next(_paths((name,), self.prefix), None) is not None

    def readings(self, names: Sequence[str]) -> Iterator[Reading]:
        """One of all of them."""
        indices, steps, used = _shape(names, self.prefix, self.uses)
        if steps:
            yield Reading(used, lambda attributes: _nodes(indices, steps, attributes))


def _nodes(indices: int, steps: Sequence[Step], attributes: Attributes) -> list[Node]:
    entries: list[Node] = [{} for _ in range(indices)]
    nodes = entries[:]
    for place, name, key in steps:
        if key is not None:
            nodes[place][name] = attributes[key]
        else:
            below: Node = {}
            nodes[place][name] = below
            nodes.append(below)
    return entries


def _shape(
    names: Sequence[str], prefix: str, uses: Callable[[Sequence[str]], bool]
) -> tuple[int, Sequence[Step], tuple[str, ...]]:
    """How the values of names under ``prefix.N.`` become nodes: the number of entries, the steps,
    and the names that are shown."""
    paths = list(_paths(names, prefix))
    indices = sorted({index for _, index, _ in paths})
    numbers: dict[tuple[object, ...], int] = {(index,): n for n, index in enumerate(indices)}
    filled: set[tuple[object, ...]] = set()
    steps: list[Step] = []
    used: dict[str, int] = {}
    said = set[int]()
    for key, index, path in paths:
        node: tuple[object, ...] = (index,)
        for name in path[:-1]:
            below = (*node, name)
            if below in filled:  # a value stands there already
                break
            if below not in numbers:
                numbers[below] = len(numbers)
                steps.append((numbers[node], name, None))
            node = below
        else:
            place = (*node, path[-1])
            if place not in filled and place not in numbers:
                filled.add(place)
                steps.append((numbers[node], path[-1], key))
                if uses(path):
                    used[key] = index
                    said |= {index} if path[-1] != "role" else set()
    # a role alone is no message
    return len(indices), steps, tuple(key for key, index in used.items() if index in said)


def _paths(names: Sequence[str], prefix: str) -> Iterator[tuple[str, int, list[str]]]:
    """The names under a prefix, their index and the path that follows it."""
    for name in names:
        if name.startswith(prefix):
            index, _, path = name[len(prefix) :].partition(".")
            if index.isdecimal() and path:
                yield name, int(index), path.split(".")


def in_order(node: object) -> list[object]:
    """The entries of a node whose names are indices, in their order."""
    if not isinstance(node, dict):
        return []
    return [node[index] for index in sorted(node, key=lambda name: (len(name), name))]


def inside(node: object, name: str) -> Node:
    """The node of this name in another, empty without one."""
    if isinstance(node, dict):
        inner = node.get(name)
        if isinstance(inner, dict):
            return inner
    return {}
