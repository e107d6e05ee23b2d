"""What registers a run is tens of kilobytes, and the same for all runs of an agent that declare the
same: a file holds each such body once, and the rows of items name it by its place."""

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from prefactor_otel.delivery.operation import Operation, as_sent

Row = tuple[Any, ...]
"""Of the table of items: the third column is the operation, the last the body."""

_FEW: Final = 256
"""Bodies that are not worth looking whether items still name them: it reads all items."""


class Registrations:
    """The bodies that one file is known to hold."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        """By digest: of runs that all have something of their own there are as many as wait."""
        self._look_at = _FEW

    def by_place(self, connection: sqlite3.Connection, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows as the file has them. What is new is put in."""
        for row in rows:
            if row[2] == Operation.REGISTER:
                yield (*row[:-1], self._place_of(connection, row[-1]))
            else:
                yield row

    def _place_of(self, connection: sqlite3.Connection, body: bytes) -> int:
        whole = as_sent(body)
        digest = blake2b(whole, digest_size=16, usedforsecurity=False).digest()
        if digest not in self._places:
            added = connection.execute("INSERT INTO registration (body) VALUES (?)", (whole,))
            self._places[digest] = added.lastrowid or 0
        return self._places[digest]

    def tidy(self, connection: sqlite3.Connection) -> None:
        """Delete those that no item names any more, where they have become many."""
        if len(self._places) < self._look_at:
            return
        named = "SELECT body FROM item WHERE operation='register'"
        connection.execute(f"DELETE FROM registration WHERE id NOT IN ({named})")
        left = {place for (place,) in connection.execute("SELECT id FROM registration")}
        self._places = {known: place for known, place in self._places.items() if place in left}
        self._look_at = 2 * len(left) + _FEW

    def forget(self) -> None:
        """What was put in last may not be in the file."""
        self._places.clear()


def whole(connection: sqlite3.Connection, rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of the file with their bodies, of which those that are the same take memory once; None
    in the place of one that is gone."""
    known: dict[int, bytes | None] = {}
    for row in rows:
        place = row[-1]
        if not isinstance(place, int):
            yield row
            continue
        if place not in known:
            found = connection.execute("SELECT body FROM registration WHERE id=?", (place,))
            known[place] = next(iter(found.fetchall()), (None,))[0]
        yield (*row[:-1], known[place])
