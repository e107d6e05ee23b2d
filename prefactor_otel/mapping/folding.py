"""Folds what a span's names tell of flattened lists: a conversation that grows by a message is the
same shape as before, of which there is one more row."""

import re
from collections.abc import Container, Iterable
from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.rules import EVENTS, Values, values_of
from prefactor_otel.mapping.shapes.flattened import (
    Build,
    Indexed,
    key_of,
    row_of,
)
from prefactor_otel.mapping.vocabulary import RULES_OF
from prefactor_otel.spans.view import Attributes

_LISTS: Final = {
    rule.names.prefix: rule.names
    for rules in RULES_OF.values()
    for _, rule in rules
    if isinstance(rule.names, Indexed)
}
_IN_ROW: Final = re.compile(
    rf"({'|'.join(map(re.escape, sorted(_LISTS)))})(0|[1-9][0-9]*)\.(.+)", re.DOTALL
)
MAX_VARIANTS: Final = 64
"""Of names: those that are left when something else is shown."""


@lru_cache(maxsize=8192)
def _in_row(name: str) -> tuple[str, int, str] | None:
    """The list and the row that an attribute of this name belongs to, and its path there."""
    found = _IN_ROW.fullmatch(name)
    return (found[1], int(found[2]), found[3]) if found is not None else None


def bits_of(names: Iterable[str]) -> dict[str, int]:
    """A bit for each name of a shape."""
    return {name: 1 << number for number, name in enumerate(names)}


class Folded:
    """The names of a span's attributes, and what stands for them in those of its shape, which has
    one row of each kind."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.alone = tuple(name for name in names if _in_row(name) is None)
        """Those that belong to no list."""
        self.shape = self.alone
        self.lists: list[tuple[str, Values, list[Build]]] = []
        """Under which key a list is to be found, and what makes it of which values."""
        stands_for: dict[str, str] = {}
        for prefix, rows in sorted(self._rows().items()):
            kinds = sorted({tuple(row) for row in rows})
            of_kind = {
                kind: tuple(f"{prefix}{n}.{path}" for path in kind) for n, kind in enumerate(kinds)
            }
            self.shape += tuple(name for names in of_kind.values() for name in names)
            order: list[str] = []
            builds = []
            for row in rows:
                stands_for.update(zip(row.values(), of_kind[tuple(row)], strict=True))
                found = row_of(tuple(map(_LISTS[prefix].path_of, row)))
                if found is not None:
                    order += map([*row.values()].__getitem__, found.order)
                    builds.append(_LISTS[prefix].build_of(found))
            self.lists.append((key_of(prefix), values_of(order), builds))
        bits = bits_of(self.shape)
        self._bits = {name: bits[stands_for.get(name, name)] for name in names}
        self._left = lru_cache(MAX_VARIANTS)(self._left_by)

    def _rows(self) -> dict[str, list[dict[str, str]]]:
        """For each list its rows in their order: the names of attributes, by their paths."""
        lists: dict[str, dict[int, dict[str, str]]] = {}
        for name in self.names:
            found = _in_row(name)
            if found is not None:
                prefix, number, path = found
                lists.setdefault(prefix, {}).setdefault(number, {})[path] = name
        return {p: [rows[number] for number in sorted(rows)] for p, rows in lists.items()}

    def unfolded(self, attributes: Attributes, wanted: Container[str]) -> Attributes:
        """The attributes, and beside them those lists in them that are wanted."""
        found = {**attributes}
        for key, values_in, builds in self.lists:
            if key in wanted:
                values = iter(values_in(attributes))
                found[key] = [build(values) for build in builds]
        return found

    def names_of(self, bits: int) -> tuple[str, ...]:
        """The names of attributes for which these bits of the shape stand."""
        return tuple(name for name in self.names if self._bits[name] & bits and name != EVENTS)

    def rest(self, mask: int, attributes: Attributes) -> dict[str, object]:
        """The attributes that are not used up."""
        names, values = self._left(mask)
        return dict(zip(names, values(attributes)))  # noqa: B905 - a lone value stands there twice

    def _left_by(self, mask: int) -> tuple[tuple[str, ...], Values]:
        names = tuple(n for n, bit in self._bits.items() if not bit & mask and n != EVENTS)
        return names, values_of(names)
