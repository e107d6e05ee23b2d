"""Lists that are flattened into attributes with indices in their names, back as nodes.

Indices may start above 0 and have holes: the SDK keeps 128 attributes a span and gives up the
oldest.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

from prefactor_otel.mapping.rules import Reading

Node = dict[str, object]
Path = tuple[str, ...]
Build = Callable[[Iterator[object]], object]
"""Makes a node, or a list of nodes, of as many values as it holds."""
Tree = dict[str, "int | Tree"]
"""For each name in a node the place of its value in the row, or the next node."""
Form = int | list["Form"] | dict[str, "Form"]
"""The same, with lists where the names are indices."""


class Row(NamedTuple):
    """Rows that have values at the same paths: the fields of their nodes, and the places of the
    values in the order in which ``build`` takes them."""

    fields: frozenset[str]
    order: tuple[int, ...]
    build: Callable[[Iterator[object]], Node]


Remake = Callable[[frozenset[str]], Callable[[Node], Node] | None]
"""What is still to be done with nodes of these fields, None for nothing."""


def key_of(prefix: str) -> str:
    """Under which key the list of nodes stands among the attributes."""
    return f"({prefix})"


def _everything(path: Path) -> bool:
    return True


def _nothing(fields: frozenset[str]) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Indexed:
    """Attributes under ``prefix.N.``, as a list of nodes in the order of N; inside of these, too,
    indices make lists. A node has these ``fields``, or whichever there are. ``called`` says what
    steps of a path are called in it, nothing for those that only repeat what the list is of.
    ``uses`` says which attributes, by their path, the reader shows as they are. What is no field or
    not shown so stays in the metadata. ``remake`` says what is still to be done with a node."""

    prefix: str
    fields: frozenset[str] | None = None
    uses: Callable[[Path], bool] = _everything
    called: Mapping[str, str] = field(default_factory=dict, hash=False)
    remake: Remake = _nothing

    def build_of(self, row: Row) -> Build:
        """What makes an entry of the list out of such a row."""
        remake, build = self.remake(row.fields), row.build
        return build if remake is None else lambda values: remake(build(values))

    def path_of(self, name: str) -> Path | None:
        """The path to a value in its node, out of what stands behind its index; None where it is in
        none of the fields."""
        path = path_of(name, self.called)
        return path if self.fields is None or path[0] in self.fields else None

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        return next(_paths((name,), self.prefix), None) is not None

    def readings(self, names: Sequence[str]) -> Iterator[Reading]:
        """One of all of them."""
        rows: dict[int, list[tuple[str, Path]]] = {}
        for name, index, inner in _paths(names, self.prefix):
            row = rows.setdefault(index, [])
            path = self.path_of(inner)
            if path is not None:
                row.append((name, path))
        if rows:
            used = [name for row in rows.values() for name in self._used(row)]
            yield Reading(tuple(used), itemgetter(key_of(self.prefix)))

    def _used(self, row: Sequence[tuple[str, Path]]) -> list[str]:
        """The names that are shown of a row."""
        tree: Tree = {}
        placed = [(name, path) for n, (name, path) in enumerate(row) if _place(tree, n, path)]
        used = [(name, path) for name, path in placed if self.uses(path)]
        return [name for name, _ in used] if _says_something(path for _, path in used) else []


def path_of(name: str, called: Mapping[str, str]) -> Path:
    """The steps of a name with dots in it, as they are called."""
    *above, last = name.split(".")
    steps = (called.get(step, step) for step in above)
    return (*filter(None, steps), called.get(last) or last)


def _says_something(paths: Iterable[Path]) -> bool:
    """Whether a row with values at these paths does: a role alone is no message."""
    return any(path[-1] != "role" for path in paths)


def _paths(names: Sequence[str], prefix: str) -> Iterator[tuple[str, int, str]]:
    """The names under a prefix, their index and the path that follows it."""
    for name in names:
        if name.startswith(prefix):
            index, _, path = name[len(prefix) :].partition(".")
            if index.isdecimal() and path and str(int(index)) == index:
                yield name, int(index), path


def _place(tree: Tree, value: int, path: Path) -> bool:
    """Put a value in its place; False if something stands there, or on the way, already."""
    *above, last = path
    for step in above:
        below = tree.setdefault(step, {})
        if isinstance(below, int):
            return False
        tree = below
    is_free = last not in tree
    tree.setdefault(last, value)
    return is_free


@lru_cache(maxsize=1024)
def row_of(paths: tuple[Path | None, ...]) -> Row | None:
    """How a row with values at these paths becomes a node; None if it says nothing."""
    if not _says_something(path for path in paths if path is not None):
        return None
    tree: Tree = {}
    for place, path in enumerate(paths):
        if path is not None:
            _place(tree, place, path)
    row = {name: _form_of(inner) for name, inner in tree.items()}
    return Row(frozenset(row), tuple(_order(row)), _node_of(row))


def _form_of(tree: int | Tree) -> Form:
    if isinstance(tree, int):
        return tree
    if all(map(str.isdecimal, tree)):
        return [_form_of(tree[index]) for index in sorted(tree, key=lambda i: (len(i), i))]
    return {name: _form_of(inner) for name, inner in tree.items()}


def _members(form: Form) -> list[Form]:
    return form if isinstance(form, list) else [*form.values()] if isinstance(form, dict) else []


def _order(form: Form) -> Iterator[int]:
    """The values that a node takes: one for each member, where one below stands for its first one
    until it is made (so the names keep their order), and then those of the nodes below."""
    members = _members(form)
    below = [inner for inner in members if not isinstance(inner, int)]
    if len(members) > 1 or not below:
        yield from map(_first_in, members)
    for inner in below:
        yield from _order(inner)


def _first_in(form: Form) -> int:
    while not isinstance(form, int):
        form = _members(form)[0]
    return form


def _below(form: Form) -> list[tuple[int, Build]]:
    """What makes the members of a node that are no values, and their places."""
    return [
        (place, _node_of(inner) if isinstance(inner, dict) else _list_of(inner))
        for place, inner in enumerate(_members(form))
        if not isinstance(inner, int)
    ]


def _list_of(form: list[Form]) -> Build:
    length, below = len(form), _below(form)
    if length == 1 and below:
        [(_, build)] = below
        return lambda values: [build(values)]

    def built(values: Iterator[object]) -> list[object]:
        made = [*islice(values, length)]
        for place, build in below:
            made[place] = build(values)
        return made

    return built


def _node_of(form: dict[str, Form]) -> Callable[[Iterator[object]], Node]:
    names, below = tuple(form), _below(form)
    if not below:
        return lambda values: dict(zip(names, values))  # noqa: B905 - the values go on
    if len(names) == 1:
        [(_, build)] = below
        return lambda values: {names[0]: build(values)}

    def built(values: Iterator[object]) -> Node:
        node = dict(zip(names, values))  # noqa: B905 - the values go on
        for place, build in below:
            node[names[place]] = build(values)
        return node

    return built
