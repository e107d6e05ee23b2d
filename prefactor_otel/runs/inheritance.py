"""Finished spans that waited for their parents in processes that have died: each goes on waiting
here, once its run is."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from prefactor_otel.delivery.operation import name_of
from prefactor_otel.delivery.rows import ParkedRow

MOST: Final = 10_000
MOST_BYTES: Final = 16 * 2**20
"""Spans that are inherited, and what they may take, at most: the others go without a parent that
comes only now."""


class Inheritance:
    """What the dead have left, by the names of runs. ``adopt`` is told how many spans of it are
    this process's from then on. One thread owns it."""

    def __init__(self, adopt: Callable[[int], None]) -> None:
        self._adopt = adopt
        self._left: defaultdict[str, dict[str, ParkedRow]] = defaultdict(dict)
        self._known: dict[str, bool] = {}
        """Whether each, by its item's key, has been taken."""
        self._bytes = 0

    def leave(self, rows: Iterable[ParkedRow]) -> None:
        """These waited. What two of the dead have had is one."""
        for row in rows:
            if len(self._known) == MOST or self._bytes > MOST_BYTES:
                return
            if row.item.key not in self._known:
                self._bytes += len(row.item.body)
                self._known[row.item.key] = False
                self._left[name_of(row.item.run)][row.item.key] = row

    def take(self, run: str) -> list[ParkedRow]:
        """What waited in the run of this key, which goes on here."""
        rows = list(self._left.pop(name_of(run), {}).values()) if self._left else []
        self._known.update((row.item.key, True) for row in rows)
        if rows:
            self._adopt(len(rows))
        return rows

    def has_taken(self, row: ParkedRow) -> bool:
        """Whether it waits, or has waited, here."""
        return self._known.get(row.item.key, False)

    def give_back(self, row: ParkedRow) -> None:
        """It is sent by whoever has its file."""
        self._left.get(name_of(row.item.run), {}).pop(row.item.key, None)
