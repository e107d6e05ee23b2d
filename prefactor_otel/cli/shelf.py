"""Spans and what becomes of them, on disk in place of memory: there may be more than fit in there.

The file is SQLite's own temporary one, which no other user can read and which has no name: it is
gone with the process, whatever ends that.
"""

import pickle
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import orjson

from prefactor_otel.cli.tree import Row
from prefactor_otel.spans.files import Found, Unread
from prefactor_otel.spans.view import SpanView

_LAST: Final = 2**63 - 1
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE spans (
    id INTEGER PRIMARY KEY, document, ended, place, trace_id, span_id, view
);
CREATE INDEX in_order ON spans (ended, document, place);
CREATE INDEX by_key ON spans (trace_id, span_id);
CREATE TABLE unread (id INTEGER PRIMARY KEY, why, document, is_cut);
CREATE TABLE rows (id INTEGER PRIMARY KEY, parent, started, body);
CREATE INDEX by_parent ON rows (parent, started);
BEGIN;
"""


class Shelf:
    """Holds the spans that were read, and the rows that they became. Raises ``OSError`` where the
    disk has no room for them."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("")
        self._file.executescript(_TABLES)

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, found: Found) -> None:
        """Keep a span."""
        view = found.view
        ended = _LAST if view.end_ns is None else max(-_LAST, min(view.end_ns, _LAST))
        place = (found.document, ended, found.order, view.key.trace_hex, view.key.span_hex)
        self._write(
            "INSERT INTO spans (document, ended, place, trace_id, span_id, view)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            *place,
            pickle.dumps(view),
        )

    def leave_out(self, unread: Unread) -> None:
        """Remember a document that cannot be read."""
        self._write("INSERT INTO unread (why, document, is_cut) VALUES (?, ?, ?)", *unread)

    def left_out(self) -> Iterator[str]:
        """Let the spans of these documents go; what is wrong with each. Where no document is whole,
        as of a file that is one, the spans before a cut stay, and nothing is said of the rest."""
        parts = "SELECT document FROM unread"
        if not self._file.execute(
            f"SELECT 1 FROM spans WHERE document NOT IN ({parts})"
        ).fetchone():
            cut = f"{parts} WHERE is_cut INTERSECT SELECT document FROM spans"
            self._write(f"DELETE FROM unread WHERE EXISTS ({cut}) AND document NOT IN ({cut})")
            parts += " WHERE NOT is_cut"
        self._write(f"DELETE FROM spans WHERE document IN ({parts})")
        return (why for (why,) in self._file.execute("SELECT why FROM unread ORDER BY id"))

    @property
    def spans(self) -> int:
        """How many there are."""
        return int(self._file.execute("SELECT count(*) FROM spans").fetchone()[0])

    def in_order(self) -> Iterator[SpanView]:
        """The spans as they ended; last those that have not."""
        for (view,) in self._file.execute(
            "SELECT view FROM spans INDEXED BY in_order ORDER BY ended, document, place, id"
        ):
            yield _unpacked(view)

    def find(self, trace_id: str, span_id: str) -> SpanView:
        """The span with these ids, in hexadecimal."""
        found = self._file.execute(
            "SELECT view FROM spans WHERE trace_id = ? AND span_id = ?", (trace_id, span_id)
        )
        return _unpacked(found.fetchone()[0])

    def put(self, row: Row) -> None:
        """Keep a row, behind those before."""
        self._write(
            "INSERT INTO rows (parent, started, body) VALUES (?, ?, ?)",
            *(row["parent_span_id"], str(row["started_at"]), orjson.dumps(row)),
        )

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self._file.execute("SELECT count(*) FROM rows").fetchone()[0])

    def all_rows(self) -> Iterator[Row]:
        """The rows as they came."""
        return self._rows("ORDER BY id")

    def below(self, parent: str | None) -> Iterator[Row]:
        """The rows under this one, or those under none, as they started."""
        return self._rows("WHERE parent IS ? ORDER BY started, id", parent)

    def _rows(self, which: str, *values: object) -> Iterator[Row]:
        for (body,) in self._file.execute(f"SELECT body FROM rows {which}", values):
            row: Row = orjson.loads(body)
            yield row

    def _write(self, statement: str, *values: Any) -> None:
        try:
            self._file.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise OSError(0, f"the folder for temporary files cannot be used: {error}") from None


def _unpacked(view: bytes) -> SpanView:
    unpacked: SpanView = pickle.loads(view)
    return unpacked
