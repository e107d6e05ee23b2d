"""One process's spool: a SQLite file in WAL mode, locked by its owner for as long as that lives.

The lock is SQLite's own exclusive one, so it goes when the owner is gone, however that ended, and
a forked child has no part in it. Writes are safe from the end of the process (the operating system
has them), not from the end of the machine: ``synchronous=NORMAL`` spares a disk flush per batch.
"""

import ctypes
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

from prefactor_otel import clock
from prefactor_otel.clock import Period
from prefactor_otel.delivery.operation import OVERHEAD, Item, Operation, SpanRef
from prefactor_otel.delivery.rows import (
    Owner,
    ParkedRow,
    Reading,
    RunRow,
    Stored,
    is_body,
    is_name,
    is_ref,
    stored,
)
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool.changes import Changes

VERSION: Final = 2
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
CREATE TABLE owner (address TEXT NOT NULL, salt BLOB NOT NULL);
CREATE TABLE token (hash BLOB PRIMARY KEY);
CREATE TABLE agent (id TEXT PRIMARY KEY);
"""
_SHRINKS: Final = "PRAGMA auto_vacuum=INCREMENTAL"
"""To be said before there is a table."""
_COLUMNS: Final = "seq, run, operation, key, span, parent, ends_span, at, body"
_SPANS: Final = "operation IN ('create', 'finish_span')"
_WAITING: Final = f"length(body)+{OVERHEAD}"
_PAGES_UNTIL_CHECKPOINT: Final = 1000
_SLACK: Final = 1024
_SLACK_AT_REST: Final = 16
"""Pages (of 4 KiB) that a file may hold in vain, while there is work and when there is none."""
_LARGE_LOG: Final = 2**20
"""Bytes of the write-ahead log that are worth the flush it takes to give them back."""
_PAGES_AT_ONCE: Final = 8192
_READ_AT_ONCE: Final = 4 * 2**20


_open_files: "Final[list[SpoolFile]]" = []


def is_safe_here() -> bool:
    """Whether SQLite may be used in this process. A child forked while a thread of its parent was
    inside of SQLite has inherited locks of it that nobody will ever release."""
    return not any(file.busy and file.process != os.getpid() for file in _open_files)


class SpoolFile(Storage):
    """The rows of one file. One thread uses it. Changes are gathered in memory until ``commit``,
    and stay there where that fails; ``commit`` and whatever reads raise ``SpoolError`` when the
    disk fails."""

    def __init__(self, path: Path, *, is_there: bool = True) -> None:
        """Open and lock the file that is there. Raises ``SpoolError``; ``in_use`` on it says that
        another holds it. Where none is there yet, ``move`` makes it."""
        self.path = path
        self.process = os.getpid()
        self.busy = False
        """Whether SQLite is at work."""
        self.last_seq = 0
        self.salt = secrets.token_bytes(16)
        self._changes = Changes()
        self._parked: set[str] = set()
        self._may_shrink = False
        self._database: sqlite3.Connection | None = None
        self._inodes: dict[Path, int] = {}
        if is_there:
            self._use(path, self._opened(path))
            try:
                self.last_seq = self._value("SELECT max(seq) FROM item") or 0
            except SpoolError:
                self.close()
                raise

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file of the mode 0600, which must not exist. Raises ``SpoolError``."""
        file = cls(path, is_there=False)
        file.move(path)
        return file

    def move(self, path: Path) -> None:
        """Go on in a new file of the mode 0600, with everything that the one before it has, also
        where somebody has removed that. Raises ``SpoolError``, and leaves nothing there."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror}") from error
        try:
            database = self._opened(path, copy_of=self._database)
        except SpoolError:
            remove(path)
            raise
        if self._database is not None:
            left = self.path
            self._let_go()
            remove(left)
        self._use(path, database)

    @property
    def is_in_place(self) -> bool:
        """Whether the file is where it was made, and the next process will find it."""
        return bool(self._inodes) and all(
            _inode(path) == inode for path, inode in self._inodes.items()
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a file, wherever it may be."""
        return bool(self._inodes)

    def holds(self, seq: int) -> bool:
        """Whether an item is on disk, or what it was made of."""
        changes = self._changes
        return self.is_open and (seq not in changes.items or changes.takes_parked)

    @property
    def parked_on_disk(self) -> int:
        """Spans that this process has parked and that are on disk."""
        return len(self._parked) - len(self._changes.parked) if self.is_open else 0

    def _opened(
        self, path: Path, *, copy_of: sqlite3.Connection | None = None
    ) -> sqlite3.Connection:
        with self._at_work(path):
            # No thread check: a revived worker thread goes on with the same connection.
            database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",  # a file that is gone stays gone
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                if copy_of is not None:
                    copy_of.backup(database)
                self._prepare(database, path)
            except BaseException:
                database.close()
                raise
        return database

    def _prepare(self, database: sqlite3.Connection, path: Path) -> None:
        # Damaged text is a damaged row, not an error of the whole query.
        database.text_factory = lambda text: text.decode(errors="replace")
        # First of all: with it, SQLite reads the log without a file of shared memory beside it,
        # for which a full disk has no room.
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        if database.execute("PRAGMA page_count").fetchone()[0] == 0:  # else it would be written
            database.execute(_SHRINKS)
        database.execute("PRAGMA synchronous=OFF")  # for an empty file, no flush
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA wal_autocheckpoint={_PAGES_UNTIL_CHECKPOINT}")
        database.execute("BEGIN EXCLUSIVE")  # takes the lock, and keeps it
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _make_tables(database)
        elif version != VERSION:
            raise SpoolError(f"{path}: made by another version of prefactor-otel")
        database.execute("COMMIT")
        database.execute("PRAGMA synchronous=NORMAL")

    def _use(self, path: Path, database: sqlite3.Connection) -> None:
        _keep_alive(database)
        self.path, self._database = path, database
        log, _ = companions(path)
        self._inodes = {each: inode for each in (path, log) if (inode := _inode(each))}
        _open_files.append(self)

    def _let_go(self) -> None:
        database, self._database, self._inodes = self._database, None, {}
        if database is None:
            return
        with suppress(SpoolError), self._at_work():
            database.close()
        _open_files.remove(self)
        _forget(database)

    def _leave_disk(self, most: int) -> bool:
        """Take what is still needed of the file into memory, where that is no more than so many
        bytes, delete the file, and go on in memory until ``move``. Returns whether it was so."""
        with self._at_work():
            needed = self._needed(most)
        if needed is None:
            return False
        self._let_go()
        remove(self.path)
        self._use(self.path, needed)
        return True

    def _needed(self, most: int) -> sqlite3.Connection | None:
        database, forgotten = self._in_use(), self._changes.forgotten
        waiting = f"SELECT seq, {_WAITING} FROM item"
        kept = {seq: size for seq, size in database.execute(waiting) if seq not in forgotten}
        parked = database.execute(f"SELECT total({_WAITING}) FROM parked").fetchone()[0]
        if sum(kept.values()) + parked > most:
            return None
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        memory.execute(_SHRINKS)
        _make_tables(memory)
        for (table,) in memory.execute(
            "SELECT name FROM sqlite_schema WHERE type='table'"
        ).fetchall():
            for row in database.execute(f"SELECT * FROM {table}"):
                if table != "item" or row[0] in kept:
                    memory.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
        return memory

    # -- writing --------------------------------------------------------------------------

    def write(self, items: Sequence[Item], at: float) -> range:
        """Append items; returns their places, which grow."""
        places = range(self.last_seq + 1, self.last_seq + 1 + len(items))
        for seq, item in zip(places, items, strict=True):
            self._changes.items[seq] = _row(seq, item, at)
        self.last_seq += len(items)
        self._note(items)
        return places

    def _note(self, items: Iterable[Item]) -> None:
        """What follows from items: spans no longer parked, spans open, runs begun and closed."""
        changes = self._changes
        now = clock.now_ns()
        for item in items:
            if item.key in self._parked:
                self._parked.discard(item.key)
                changes.unpark(item.key)
            if item.operation is Operation.CREATE and not item.ends_span and item.span is not None:
                span = bytes(item.span)
                changes.opened[span] = (span, item.run, item.key)
            elif item.operation is Operation.FINISH_SPAN and item.span is not None:
                changes.finish(bytes(item.span))
            run = changes.run(item.run)
            run.last_ns = now
            run.opened = run.opened or item.operation is Operation.REGISTER
            run.closed = run.closed or item.operation is Operation.FINISH_RUN

    def park(self, rows: Iterable[ParkedRow], at: float) -> None:
        """Keep finished spans that still wait in memory for their parents."""
        for row in rows:
            item = row.item
            assert item.span is not None
            self._parked.add(item.key)
            # A root stands in the table as its own parent, which no span that waits can be.
            names = (bytes(item.span), row.key, row.parent or row.key)
            self._changes.parked[item.key] = (item.key, item.run, *names, at, item.body)

    def unpark(self, keys: Iterable[str]) -> None:
        """What waited under these keys is not to be sent."""
        for key in self._parked.intersection(keys):
            self._parked.discard(key)
            self._changes.unpark(key)

    def rewrite(self, seq: int, item: Item, at: float) -> None:
        """Keep this item in the place of another, written at the time of that."""
        self._changes.rewrite(seq, _row(seq, item, at))

    def forget(self, seqs: Iterable[int]) -> None:
        """The items of these places are done with."""
        self._changes.forget(seqs)

    def registered(
        self, run: str, instance_id: str, partition: int | None, *, ids_accepted: bool
    ) -> None:
        """The API has told what it calls a run, and who makes the ids of its spans."""
        self._changes.run(run).registered = (instance_id, partition, ids_accepted)

    def learnt(self, run: str, span: SpanRef, server_id: str) -> None:
        """The API has made a span's id."""
        self._changes.server_ids.setdefault(run, {})[bytes(span)] = server_id

    def unrecorded(self, span: SpanRef, parent: SpanRef | None) -> None:
        """A span will have no record; its children hang on ``parent``."""
        self._changes.leave_unrecorded(bytes(span), bytes(parent) if parent is not None else None)

    def run_over(self, run: str) -> None:
        """Everything of a run has arrived, its finish too."""
        self._changes.run_over(run)

    def commit(self) -> None:
        """Everything written so far survives the process from here on."""
        if not self._changes:
            self._shrink(_SLACK_AT_REST)
            return
        with self._transaction() as database:
            self._changes.write(database)
        self._may_shrink = self._may_shrink or self._changes.deletes_items
        self._changes = Changes()
        self._shrink(_SLACK)

    def _shrink(self, slack: int) -> None:
        """Give pages back to the disk, where more than half of them are empty: so each is moved
        about once. A little at a time."""
        if not self._may_shrink:
            return
        with suppress(SpoolError):  # a file that stays large is no loss
            free, pages = self._value("PRAGMA freelist_count"), self._value("PRAGMA page_count")
            moves = free > slack and free * 2 > pages
            if moves:
                with self._at_work():  # as a script: executed as a query it moves one page
                    self._in_use().executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
                if free > _PAGES_AT_ONCE:
                    return
            elif slack == _SLACK:
                return
            self._may_shrink = False
            if moves or size_of(companions(self.path)[0]) > _LARGE_LOG:
                self._all("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- reading --------------------------------------------------------------------------

    def read(self, after: int, limit: int) -> Reading:
        """The items on disk whose places come after this one, in order: at most ``limit``, and no
        more than about four megabytes."""
        query = f"SELECT {_COLUMNS} FROM item WHERE seq>? ORDER BY seq LIMIT ?"
        reading = Reading([], [], after)
        size = 0
        with self._at_work():
            for row in self._in_use().execute(query, (after, limit)):
                found = stored(row)
                if isinstance(found, Stored):
                    reading.rows.append(found)
                    size += len(found.item.body)
                else:
                    reading.damaged.append(found)
                reading = reading._replace(reached=row[0])
                if size > _READ_AT_ONCE:
                    break
        return reading

    def unwritten(self, after: int, limit: int) -> Reading:
        """The same of those that the disk has not taken yet."""
        items = self._changes.items.items()
        rows = list(islice((row for seq, row in items if seq > after), limit))
        found = [each for row in rows if isinstance(each := stored(row), Stored)]
        return Reading(found, [], found[-1].seq if found else after)

    def parked_rows(self) -> Iterator[ParkedRow]:
        """The spans that wait for their parents, as far as they can be read."""
        query = "SELECT key, run, span, otel_key, otel_parent, at, body FROM parked ORDER BY rowid"
        for key, run, span, otel_key, otel_parent, at, body in self._all(query):
            names = all(map(is_name, (key, run, otel_key, otel_parent)))
            if names and is_ref(span) and is_body(body):
                item = Item(run, Operation.CREATE, key, body, span=SpanRef(span), ends_span=True)
                parent = otel_parent if otel_parent != otel_key else None
                yield ParkedRow(otel_key, parent, item, at if isinstance(at, float) else 0.0)

    def take_parked(self) -> list[ParkedRow]:
        """The same, which are no longer kept as such."""
        rows = list(self.parked_rows())
        self._changes.take_parked()
        return rows

    def opened_spans(self) -> list[tuple[str, str, SpanRef]]:
        """Run, key of the creation and ref of every span that was created and not finished."""
        rows = self._all("SELECT run, key, span FROM opened")
        return [
            (run, key, SpanRef(span))
            for run, key, span in rows
            if is_name(run) and is_name(key) and is_ref(span)
        ]

    def runs(self) -> list[RunRow]:
        """Every run that has items here, or had."""
        rows = self._all("SELECT run,instance_id,partition,ids_accepted,closed,last_ns FROM run")
        return [_run_row(row) for row in rows if is_name(row[0])]

    def server_ids(self, run: str) -> dict[SpanRef, str]:
        """The ids that the API made."""
        rows = self._all("SELECT span, id FROM server_id WHERE run=?", run)
        return {SpanRef(span): name for span, name in rows if is_ref(span) and is_name(name)}

    def unrecorded_spans(self) -> list[tuple[SpanRef, SpanRef | None]]:
        """Spans without a record, and what their children hang on."""
        rows = self._all("SELECT span, parent FROM lost")
        return [(SpanRef(s), SpanRef(p) if is_ref(p) else None) for s, p in rows if is_ref(s)]

    def count(self) -> int:
        """Items in the file, counted on the disk."""
        return int(self._value("SELECT count(*) FROM item"))

    def spans(self, written: Period | None = None) -> int:
        """Finished spans in the file (that were written in a period), parked ones included,
        counted on the disk."""
        within = _within(written) if written is not None else "TRUE"
        ready = self._value(f"SELECT count(*) FROM item WHERE ends_span AND {within}")
        return int(ready + self._value(f"SELECT count(*) FROM parked WHERE {within}"))

    def parked(self) -> int:
        """Spans that wait for their parents, counted on the disk."""
        return int(self._value("SELECT count(*) FROM parked"))

    def oldest(self) -> float | None:
        """When the oldest span in here was written."""
        ready = self._all(f"SELECT at FROM item WHERE {_SPANS} ORDER BY seq LIMIT 1")
        parked = self._all("SELECT at FROM parked ORDER BY rowid LIMIT 1")
        return min((at for (at,) in (*ready, *parked) if isinstance(at, float)), default=None)

    def waiting_bytes(self) -> int:
        """Bytes that wait in here, counted as a living process counts its own."""
        ready = self._value(f"SELECT total({_WAITING}) FROM item")
        return int(ready + self._value(f"SELECT total({_WAITING}) FROM parked"))

    # -- what becomes too much, or too old ------------------------------------------------------

    def drop_oldest(self, size: int) -> tuple[int, int]:
        """Delete the oldest spans, of about so many bytes. Returns how many that are, and their
        bytes. Raises ``SpoolError``."""
        items, freed = self._first("seq", f"item WHERE {_SPANS}", size)
        parked, more = self._first("rowid", "parked", size - freed)
        return self._drop(f"seq<={items}", f"rowid<={parked}"), freed + more

    def drop_from(self, period: Period) -> int:
        """Delete the spans that were written in this period. Returns how many that are."""
        within = _within(period)
        return self._drop(within, within)

    def _first(self, place: str, table: str, size: int) -> tuple[int, int]:
        """The place up to which rows take so many bytes, and what they take."""
        reached = taken = 0
        with self._at_work():
            rows = self._in_use().execute(f"SELECT {place}, {_WAITING} FROM {table} ORDER BY 1")
            for found, each in rows:
                if taken >= size:
                    break
                reached, taken = found, taken + each
        return reached, taken

    def _drop(self, items: str, parked: str) -> int:
        gone = f"FROM item WHERE {_SPANS} AND {items}"
        spans = self._value(f"SELECT count(*) {gone} AND ends_span")
        spans += self._value(f"SELECT count(*) FROM parked WHERE {parked}")
        lost = f"SELECT span, parent {gone} AND operation='create'"
        with self._transaction() as database:
            database.execute(f"INSERT OR REPLACE INTO lost {lost}")
            database.execute(f"DELETE FROM opened WHERE span IN (SELECT span {gone})")
            database.execute(f"DELETE {gone}")
            database.execute(f"DELETE FROM parked WHERE {parked}")
        return int(spans)

    # -- whose it is --------------------------------------------------------------------------

    def belongs_to(
        self, address: str, token_hashes: Iterable[bytes], agents: Iterable[str]
    ) -> None:
        """Note whose spans are in here, by hashes that ``salt`` is in."""
        self._changes.address = address, self.salt
        self._changes.tokens.update(token_hashes)
        self._changes.agents.update(agents)

    def serves(self, agent: str) -> None:
        """The API says that the runs in here belong to this agent."""
        self._changes.agents.add(agent)

    def owner(self) -> Owner | None:
        """Whose spans are in here; None where that is not known."""
        found = self._all("SELECT address, salt FROM owner LIMIT 1")
        if not found or not is_name(found[0][0]) or not isinstance(found[0][1], bytes):
            return None
        tokens = frozenset(each for (each,) in self._all("SELECT hash FROM token"))
        agents = frozenset(each for (each,) in self._all("SELECT id FROM agent"))
        return Owner(found[0][0], found[0][1], tokens, agents)

    # -- the end --------------------------------------------------------------------------

    def close(self, *, delete: bool = False) -> None:
        """Let go of the file, and delete it if asked to. Never raises."""
        if self.process != os.getpid() or self._database is None:
            return
        if delete:  # while it is locked, so that nobody takes it in between
            remove(self.path)
        else:
            with suppress(SpoolError):  # a disk that has failed; that has been said
                SpoolFile.commit(self)
        self._let_go()

    def abandon(self) -> None:
        """Let go of the file as it is on disk."""
        self._changes = Changes()
        self.close()

    # -- SQLite ---------------------------------------------------------------------------

    def _in_use(self) -> sqlite3.Connection:
        if self._database is None:
            raise SpoolError(f"{self.path}: there is no file")
        return self._database

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._at_work():
            return self._in_use().execute(query, values).fetchall()

    def _value(self, query: str) -> Any:
        return self._all(query)[0][0]

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._in_use()
        with self._at_work():
            database.execute("BEGIN")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException as error:
                if database.in_transaction:  # else SQLite has done it
                    database.execute("ROLLBACK")
                if isinstance(error, (OverflowError, ValueError)):  # what no column can hold
                    raise SpoolError(f"{self.path}: {error}") from error
                raise

    @contextmanager
    def _at_work(self, path: Path | None = None) -> Iterator[None]:
        self.busy = True
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(
                f"{path or self.path}: {error}",
                in_use=_is(error, "SQLITE_BUSY", "SQLITE_LOCKED"),
                damaged=_is(error, "SQLITE_CORRUPT", "SQLITE_NOTADB"),
                full=_is(error, "SQLITE_FULL"),
            ) from error
        finally:
            self.busy = False


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";"):
        database.execute(statement)
    database.execute(f"PRAGMA user_version={VERSION}")


def companions(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside this one."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def remove(path: Path) -> None:
    """Delete a file with what SQLite keeps beside it, as far as that can be done."""
    for each in (path, *companions(path), path.with_name(path.name + "-journal")):
        with suppress(OSError):
            each.unlink()


def _within(period: Period) -> str:
    return f"at>={period.begin!r} AND at<{period.end!r}"


def _inode(path: Path) -> int | None:
    """The inode of a file; None where there is no such file (any more)."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _row(seq: int, item: Item, at: float) -> tuple[object, ...]:
    span = bytes(item.span) if item.span is not None else None
    parent = bytes(item.parent) if item.parent is not None else None
    head = (seq, item.run, item.operation.value, item.key, span, parent)
    return (*head, item.ends_span, at, item.body)


def _run_row(row: tuple[Any, ...]) -> RunRow:
    run, instance_id, partition, ids_accepted, closed, last_ns = row
    return RunRow(
        run,
        instance_id if is_name(instance_id) else None,
        partition if isinstance(partition, int) and 0 <= partition < 2**30 else None,
        bool(ids_accepted),
        bool(closed),
        last_ns if isinstance(last_ns, int) and last_ns >= 0 else clock.now_ns(),
    )


def _is(error: Exception, *kinds: str) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(kinds)


def _keep_alive(connection: sqlite3.Connection) -> None:
    """Only ``close`` may end a connection. Were it collected in a forked child, or while the
    interpreter goes down, SQLite would write to the parent's file, believing that it holds it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _forget(connection: sqlite3.Connection) -> None:
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(connection))
