"""Lists that are flattened into attributes with indices in their names, back as nodes.

Indices may start above 0 and have holes: the SDK keeps 128 attributes a span and gives up the
oldest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from prefactor_otel.mapping.rules import Reading

Node = dict[str, object]
Build = Callable[[Iterator[object]], Node]
"""Makes a node of as many values as it holds."""
Tree = dict[str, "str | Tree"]
"""For each name in a node the attribute that holds its value, or the next node."""


class Row(NamedTuple):
    """Rows that have values at the same paths: which of them, in the order in which ``build``
    takes their values."""

    order: tuple[str, ...]
    build: Build


def key_of(prefix: str) -> str:
    """Under which key the list of nodes stands among the attributes."""
    return f"({prefix})"


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
        rows: dict[int, list[tuple[str, str]]] = {}
        for name, index, path in _paths(names, self.prefix):
            rows.setdefault(index, []).append((name, path))
        if rows:
            used = [name for row in rows.values() for name in self._used(row)]
            yield Reading(tuple(used), itemgetter(key_of(self.prefix)))

    def _used(self, row: Sequence[tuple[str, str]]) -> list[str]:
        """The names that are shown of a row; a role alone is no message."""
        tree: Tree = {}
        placed = [(name, path.split(".")) for name, path in row if _place(tree, name, path)]
        used = [(name, path) for name, path in placed if self.uses(path)]
        is_said = any(path[-1] != "role" for _, path in used)
        return [name for name, _ in used] if is_said else []


def _paths(names: Sequence[str], prefix: str) -> Iterator[tuple[str, int, str]]:
    """The names under a prefix, their index and the path that follows it."""
    for name in names:
        if name.startswith(prefix):
            index, _, path = name[len(prefix) :].partition(".")
            if index.isdecimal() and path and str(int(index)) == index:
                yield name, int(index), path


def _place(tree: Tree, name: str, path: str) -> bool:
    """Put an attribute in its place; False if something stands there, or on the way, already."""
    *above, last = path.split(".")
    for step in above:
        below = tree.setdefault(step, {})
        if isinstance(below, str):
            return False
        tree = below
    return tree.setdefault(last, name) is name


@lru_cache(maxsize=1024)
def row_of(paths: tuple[str, ...]) -> Row:
    """How a row with values at these paths becomes a node."""
    tree: Tree = {}
    for path in paths:
        _place(tree, path, path)
    return Row(tuple(_order(tree)), _build_of(tree))


def _order(tree: Tree) -> Iterator[str]:
    """The values that a node takes: one for each name, where a node below stands for its first one
    until it is made (so the names keep their order), and then those of the nodes below."""
    below = [inner for inner in tree.values() if isinstance(inner, dict)]
    if len(tree) > 1 or not below:
        yield from map(_first_in, tree.values())
    for inner in below:
        yield from _order(inner)


def _first_in(tree: "str | Tree") -> str:
    while isinstance(tree, dict):
        tree = next(iter(tree.values()))
    return tree


def _build_of(tree: Tree) -> Build:
    names = tuple(tree)
    below = [(name, _build_of(inner)) for name, inner in tree.items() if isinstance(inner, dict)]
    if not below:
        return lambda values: dict(zip(names, values))  # noqa: B905 - the values go on
    if len(names) == 1:
        name, build = below[0]
        return lambda values: {name: build(values)}

    def built(values: Iterator[object]) -> Node:
        node = dict(zip(names, values))  # noqa: B905 - the values go on
        for name, build in below:
            node[name] = build(values)
        return node

    return built


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
