"""One process's spool: a SQLite file in WAL mode, locked by its owner for as long as that lives.

The lock is SQLite's own exclusive one, so it goes when the owner is gone, however that ended, and
a forked child has no part in it. Writes are safe from the end of the process (the operating system
has them), not from the end of the machine: ``synchronous=NORMAL`` spares a disk flush per batch.
"""

import ctypes
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

from prefactor_otel.errors import SpoolError
from prefactor_otel.items import Item, Operation, SpanRef
from prefactor_otel.spool.rows import ParkedRow, RunRow, Stored

VERSION: Final = 1
"""Of the tables below, in SQLite's ``user_version``; other versions are left alone."""

_TABLES: Final = """
CREATE TABLE item (
    seq INTEGER PRIMARY KEY, run TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    span BLOB, parent BLOB, ends_span INTEGER NOT NULL, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE parked (
    key TEXT PRIMARY KEY, run TEXT NOT NULL, span BLOB NOT NULL, otel_key TEXT NOT NULL,
    otel_parent TEXT NOT NULL, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE opened (span BLOB PRIMARY KEY, run TEXT NOT NULL, key TEXT NOT NULL);
CREATE TABLE run (
    run TEXT PRIMARY KEY, instance_id TEXT, partition INTEGER, ids_accepted INTEGER NOT NULL,
    closed INTEGER NOT NULL, last_ns INTEGER NOT NULL);
CREATE TABLE server_id (span BLOB PRIMARY KEY, run TEXT NOT NULL, id TEXT NOT NULL);
CREATE TABLE lost (span BLOB PRIMARY KEY, parent BLOB);
"""
_COLUMNS: Final = "seq, run, operation, key, span, parent, ends_span, at, body"
_PAGES_UNTIL_CHECKPOINT: Final = 1000
_READ_AT_ONCE: Final = 4 * 2**20


_open_files: "Final[list[SpoolFile]]" = []


def is_safe_here() -> bool:
    """Whether SQLite may be used in this process. A child forked while a thread of its parent was
    inside of SQLite has inherited locks of it that nobody will ever release."""
    return not any(file.busy and file.process != os.getpid() for file in _open_files)


class SpoolFile:
    """The rows of one file. One thread uses it; every method raises ``SpoolError`` when the disk
    fails. Writes are gathered until ``commit``."""

    def __init__(self, path: Path) -> None:
        """Open and lock. Raises ``SpoolError``; ``in_use`` on it says that another holds it."""
        self.path = path
        self.process = os.getpid()
        self.busy = False
        """Whether SQLite is at work."""
        self._parked: set[str] = set()
        self._forgotten: list[tuple[int]] = []
        self._touched: dict[str, int] = {}
        self._in_transaction = False
        self._connection = self._opened()
        _open_files.append(self)
        self.last_seq = self._value("SELECT max(seq) FROM item") or 0

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file of the mode 0600, which must not exist."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror}") from error
        return cls(path)

    def _opened(self) -> sqlite3.Connection:
        with self._at_work():
            # No thread check: a revived worker thread goes on with the same connection.
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw",  # a file that is gone stays gone
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                connection.execute("PRAGMA locking_mode=EXCLUSIVE")
                connection.execute("PRAGMA synchronous=OFF")  # for an empty file, no flush
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_UNTIL_CHECKPOINT}")
                connection.execute("BEGIN EXCLUSIVE")  # takes the lock, and keeps it
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in _TABLES.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version={VERSION}")
                elif version != VERSION:
                    raise SpoolError(f"{self.path}: made by another version of prefactor-otel")
                connection.execute("COMMIT")
                connection.execute("PRAGMA synchronous=NORMAL")
            except BaseException:
                connection.close()
                raise
        _keep_alive(connection)
        return connection

    # -- writing --------------------------------------------------------------------------

    def write(self, items: Sequence[Item], at: float) -> range:
        """Append items; returns their places, which grow."""
        places = range(self.last_seq + 1, self.last_seq + 1 + len(items))
        rows = [_row(seq, item, at) for seq, item in zip(places, items, strict=True)]
        self.last_seq += len(rows)
        self._many("INSERT INTO item VALUES (?,?,?,?,?,?,?,?,?)", rows)
        self._note(items)
        return places

    def _note(self, items: Iterable[Item]) -> None:
        """What follows from items: spans no longer parked, spans open, runs begun and closed."""
        unparked, opened, finished = [], [], []
        for item in items:
            if item.key in self._parked:
                self._parked.discard(item.key)
                unparked.append((item.key,))
            if item.operation is Operation.CREATE and not item.ends_span and item.span is not None:
                opened.append((bytes(item.span), item.run, item.key))
            elif item.operation is Operation.FINISH_SPAN and item.span is not None:
                finished.append((bytes(item.span),))
            elif item.operation is Operation.FINISH_RUN:
                self._write("UPDATE run SET closed=1 WHERE run=?", item.run)
            elif item.operation is Operation.REGISTER:
                self._write("INSERT OR IGNORE INTO run VALUES (?,NULL,NULL,0,0,0)", item.run)
            self._touched[item.run] = time.time_ns()
        self._many("DELETE FROM parked WHERE key=?", unparked)
        self._many("INSERT OR REPLACE INTO opened VALUES (?,?,?)", opened)
        self._many("DELETE FROM opened WHERE span=?", finished)

    def park(self, rows: Iterable[ParkedRow], at: float) -> None:
        """Keep finished spans that still wait in memory for their parents."""
        values = []
        for row in rows:
            item = row.item
            assert item.span is not None
            self._parked.add(item.key)
            names = (bytes(item.span), row.key, row.parent)
            values.append((item.key, item.run, *names, at, item.body))
        self._many("INSERT OR REPLACE INTO parked VALUES (?,?,?,?,?,?,?)", values)

    def unpark(self, keys: Iterable[str]) -> None:
        """What waited under these keys is not to be sent."""
        known = self._parked.intersection(keys)
        self._parked -= known
        self._many("DELETE FROM parked WHERE key=?", [(key,) for key in known])

    def forget(self, seq: int) -> None:
        """An item is done with."""
        self._forgotten.append((seq,))

    def registered(
        self, run: str, instance_id: str, partition: int | None, *, ids_accepted: bool
    ) -> None:
        """The API has told what it calls a run, and who makes the ids of its spans."""
        self._write(
            "UPDATE run SET instance_id=?, partition=?, ids_accepted=? WHERE run=?",
            *(instance_id, partition, ids_accepted, run),
        )

    def learnt(self, run: str, span: SpanRef, server_id: str) -> None:
        """The API has made a span's id."""
        self._write("INSERT OR REPLACE INTO server_id VALUES (?,?,?)", bytes(span), run, server_id)

    def lost(self, span: SpanRef, parent: SpanRef | None) -> None:
        """A span will have no record; its children hang on ``parent``."""
        above = bytes(parent) if parent is not None else None
        self._write("INSERT OR REPLACE INTO lost VALUES (?,?)", bytes(span), above)

    def run_over(self, run: str) -> None:
        """Everything of a run has arrived, its finish too."""
        for table in ("run", "server_id", "opened"):
            self._write(f"DELETE FROM {table} WHERE run=?", run)
        self._touched.pop(run, None)

    def commit(self) -> None:
        """Everything written so far survives the process from here on."""
        if self._forgotten:
            gone, self._forgotten = self._forgotten, []
            self._many("DELETE FROM item WHERE seq=?", gone)
        if not self._in_transaction:
            return
        moments = [(moment, run) for run, moment in self._touched.items()]
        self._touched.clear()
        self._many("UPDATE run SET last_ns=? WHERE run=?", moments)
        self._in_transaction = False  # also where it fails: SQLite has rolled it back
        with self._at_work():
            self._connection.execute("COMMIT")

    # -- reading --------------------------------------------------------------------------

    def read(self, after: int, limit: int) -> list[Stored]:
        """The items whose places come after this one, in order: at most ``limit``, and no more
        than about four megabytes."""
        query = f"SELECT {_COLUMNS} FROM item WHERE seq>? ORDER BY seq LIMIT ?"
        rows: list[Stored] = []
        size = 0
        with self._at_work():
            for row in self._connection.execute(query, (after, limit)):
                rows.append(_stored(row))
                size += len(rows[-1].item.body)
                if size > _READ_AT_ONCE:
                    break
        return rows

    def parked_rows(self) -> Iterator[ParkedRow]:
        """The spans that wait for their parents."""
        query = "SELECT key, run, span, otel_key, otel_parent, at, body FROM parked ORDER BY rowid"
        for key, run, span, otel_key, otel_parent, at, body in self._all(query):
            item = Item(run, Operation.CREATE, key, body, span=SpanRef(span), ends_span=True)
            yield ParkedRow(otel_key, otel_parent, item, at)

    def take_parked(self) -> list[ParkedRow]:
        """The same, which are no longer kept as such."""
        rows = list(self.parked_rows())
        self._write("DELETE FROM parked")
        return rows

    def opened_spans(self) -> list[tuple[str, str, SpanRef]]:
        """Run, key of the creation and ref of every span that was created and not finished."""
        rows = self._all("SELECT run, key, span FROM opened")
        return [(run, key, SpanRef(span)) for run, key, span in rows]

    def runs(self) -> list[RunRow]:
        """Every run that has items here, or had."""
        rows = self._all("SELECT run,instance_id,partition,ids_accepted,closed,last_ns FROM run")
        return [RunRow(r, i, p, bool(accepted), bool(c), at) for r, i, p, accepted, c, at in rows]

    def server_ids(self, run: str) -> dict[SpanRef, str]:
        """The ids that the API made."""
        rows = self._all("SELECT span, id FROM server_id WHERE run=?", run)
        return {SpanRef(span): server_id for span, server_id in rows}

    def lost_spans(self) -> list[tuple[SpanRef, SpanRef | None]]:
        """Spans without a record, and what their children hang on."""
        rows = self._all("SELECT span, parent FROM lost")
        return [(SpanRef(s), SpanRef(p) if p is not None else None) for s, p in rows]

    def count(self) -> int:
        """Items in the file, counted on the disk."""
        return int(self._value("SELECT count(*) FROM item"))

    def spans(self) -> int:
        """Finished spans in the file, parked ones included, counted on the disk."""
        ready = self._value("SELECT count(*) FROM item WHERE ends_span")
        return int(ready + self._value("SELECT count(*) FROM parked"))

    # -- the end --------------------------------------------------------------------------

    def close(self, *, delete: bool = False) -> None:
        """Let go of the file, and delete it if asked to. Never raises."""
        if self.process != os.getpid():
            return
        with suppress(SpoolError):  # a disk that has failed; that has been said
            self.commit()
        if delete:  # while it is locked, so that nobody takes it in between
            for path in (self.path, *companions(self.path)):
                with suppress(OSError):
                    path.unlink()
        with suppress(SpoolError), self._at_work():
            self._connection.close()
        _open_files.remove(self)
        _let_go(self._connection)

    # -- SQLite ---------------------------------------------------------------------------

    def _write(self, statement: str, *values: object) -> None:
        with self._at_work():
            self._begin()
            self._connection.execute(statement, values)

    def _many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            with self._at_work():
                self._begin()
                self._connection.executemany(statement, rows)

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._at_work():
            return self._connection.execute(query, values).fetchall()

    def _value(self, query: str) -> Any:
        return self._all(query)[0][0]

    def _begin(self) -> None:
        if not self._in_transaction:
            self._connection.execute("BEGIN")
            self._in_transaction = True

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self.busy = True
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"{self.path}: {error}", in_use=_is_locked(error)) from error
        finally:
            self.busy = False


def companions(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside this one."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _row(seq: int, item: Item, at: float) -> tuple[object, ...]:
    span = bytes(item.span) if item.span is not None else None
    parent = bytes(item.parent) if item.parent is not None else None
    head = (seq, item.run, item.operation.value, item.key, span, parent)
    return (*head, item.ends_span, at, item.body)


def _stored(row: tuple[Any, ...]) -> Stored:
    seq, run, operation, key, span, parent, ends_span, at, body = row
    item = Item(
        run,
        Operation(operation),
        key,
        body,
        span=SpanRef(span) if span is not None else None,
        parent=SpanRef(parent) if parent is not None else None,
        ends_span=bool(ends_span),
    )
    return Stored(seq, at, item)


def _is_locked(error: Exception) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _keep_alive(connection: sqlite3.Connection) -> None:
    """Only ``close`` may end a connection. Were it collected in a forked child, or while the
    interpreter goes down, SQLite would write to the parent's file, believing that it holds it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _let_go(connection: sqlite3.Connection) -> None:
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(connection))
