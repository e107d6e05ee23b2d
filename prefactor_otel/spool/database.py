"""One SQLite file in WAL mode, locked by who has opened it for as long as that lives.

The lock is SQLite's own exclusive one, so it goes when the owner is gone, however that ended, and
a forked child has no part in it. Writes are safe from the end of the process (the operating system
has them), not from the end of the machine: ``synchronous=NORMAL`` spares a disk flush per batch.
"""

import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from prefactor_otel.errors import SpoolError

VERSION: Final = 3
"""Of the tables below, in SQLite's ``user_version``."""
_READ: Final = (2, VERSION)
"""Versions whose files are read and sent: in those of 2 each item has its own body. Others are left
alone."""

_TABLES: Final = """
CREATE TABLE item (
    seq INTEGER PRIMARY KEY, run TEXT NOT NULL, operation TEXT NOT NULL, key TEXT NOT NULL,
    span BLOB, parent BLOB, ends_span INTEGER NOT NULL, at REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE registration (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
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
_PAGES_UNTIL_CHECKPOINT: Final = 1000
SLACK: Final = 1024
SLACK_AT_REST: Final = 16
"""Pages (of 4 KiB) that a file may hold in vain, while there is work and when there is none."""
_LARGE_LOG: Final = 2**20
"""Bytes of the write-ahead log that are worth the flush it takes to give them back."""
_PAGES_AT_ONCE: Final = 8192


_open_databases: "Final[list[Database]]" = []


def is_safe_here() -> bool:
    """Whether SQLite may be used in this process. A child forked while a thread of its parent was
    inside of SQLite has inherited locks of it that nobody will ever release."""
    return not any(each.busy and each.process != os.getpid() for each in _open_databases)


class Database:
    """The tables of one file, or of none yet: then, and where the disk fails, all of this raises
    ``SpoolError``. One thread uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = os.getpid()
        self.busy = False
        """Whether SQLite is at work."""
        self._connection: sqlite3.Connection | None = None
        self._inodes: dict[Path, int] = {}

    # -- the file -------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a file, wherever it may be."""
        return bool(self._inodes)

    @property
    def is_in_place(self) -> bool:
        """Whether the file is where it was made, and whoever looks for it will find it."""
        return bool(self._inodes) and all(
            _inode(path) == inode for path, inode in self._inodes.items()
        )

    def open(self) -> None:
        """Open and lock the file that is there; ``in_use`` on the error says that another holds
        it."""
        self._use(self.path, self._opened(self.path))

    def move(self, path: Path) -> None:
        """Go on in a new file of the mode 0600, with everything that the one before it has, also
        where somebody has removed that. Where that fails, nothing is left there."""
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror}") from error
        try:
            connection = self._opened(path, copy_of=self._connection)
        except SpoolError:
            remove(path)
            raise
        if self._connection is not None:
            left = self.path
            self.close()
            remove(left)
        self._use(path, connection)

    def leave_disk(self, kept: sqlite3.Connection) -> None:
        """Delete the file, and go on in memory with what is kept, until ``move``."""
        self.close()
        remove(self.path)
        self._use(self.path, kept)

    def close(self) -> None:
        """Let go of the file. Never raises."""
        connection, self._connection, self._inodes = self._connection, None, {}
        if connection is None:
            return
        with suppress(SpoolError), self.at_work():
            connection.close()
        _open_databases.remove(self)
        _forget(connection)

    def _opened(
        self, path: Path, *, copy_of: sqlite3.Connection | None = None
    ) -> sqlite3.Connection:
        with self.at_work(path):
            # No thread check: a revived worker thread goes on with the same connection.
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=rw",  # a file that is gone stays gone
                uri=True,
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                if copy_of is not None:
                    copy_of.backup(connection)
                self._prepare(connection, path)
            except BaseException:
                connection.close()
                raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, path: Path) -> None:
        # Damaged text is a damaged row, not an error of the whole query.
        connection.text_factory = lambda text: text.decode(errors="replace")
        # First of all: with it, SQLite reads the log without a file of shared memory beside it,
        # for which a full disk has no room.
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        if connection.execute("PRAGMA page_count").fetchone()[0] == 0:  # else it would be written
            connection.execute(_SHRINKS)
        connection.execute("PRAGMA synchronous=OFF")  # for an empty file, no flush
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_PAGES_UNTIL_CHECKPOINT}")
        connection.execute("BEGIN EXCLUSIVE")  # takes the lock, and keeps it
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _make_tables(connection)
        elif version not in _READ:
            raise SpoolError(f"{path}: made by another version of prefactor-otel")
        connection.execute("COMMIT")
        connection.execute("PRAGMA synchronous=NORMAL")

    def _use(self, path: Path, connection: sqlite3.Connection) -> None:
        _keep_alive(connection)
        self.path, self._connection = path, connection
        log, _ = companions(path)
        self._inodes = {each: inode for each in (path, log) if (inode := _inode(each))}
        _open_databases.append(self)

    # -- what is in it --------------------------------------------------------------------

    @property
    def connection(self) -> sqlite3.Connection:
        """To be used inside of ``at_work``."""
        if self._connection is None:
            raise SpoolError(f"{self.path}: there is no file")
        return self._connection

    @property
    def is_usable(self) -> bool:
        """Whether it is open, in this process."""
        return self._connection is not None and self.process == os.getpid()

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows that a query finds."""
        with self.at_work():
            return self.connection.execute(query, values).fetchall()

    def value(self, query: str) -> Any:
        """The one value that a query finds."""
        return self.all(query)[0][0]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """While inside, changes are made; all of them are kept at its end, or none."""
        connection = self.connection
        with self.at_work():
            connection.execute("BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:  # else SQLite has done it
                    connection.execute("ROLLBACK")
                if isinstance(error, (OverflowError, ValueError)):  # what no column can hold
                    raise SpoolError(f"{self.path}: {error}") from error
                raise

    @contextmanager
    def at_work(self, path: Path | None = None) -> Iterator[None]:
        """While inside, SQLite is used; what it raises is a ``SpoolError``."""
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

    def shrink(self, slack: int) -> bool:
        """Give pages back to the disk, where more than half of them are empty, and more than so
        many: so each is moved about once. A little at a time. Whether there is more to be done."""
        try:  # a file that stays large is no loss
            free, pages = self.value("PRAGMA freelist_count"), self.value("PRAGMA page_count")
            moves = free > slack and free * 2 > pages
            if moves:
                with self.at_work():  # as a script: executed as a query it moves one page
                    self.connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
            if moves and free > _PAGES_AT_ONCE:
                return True
            if not moves and slack == SLACK:  # rather when there is no work
                return True
            if moves or size_of(companions(self.path)[0]) > _LARGE_LOG:
                self.all("PRAGMA wal_checkpoint(TRUNCATE)")
        except SpoolError:
            return True
        return False


def in_memory() -> sqlite3.Connection:
    """The tables without a file, for what is to be kept until there is one."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    memory.execute(_SHRINKS)
    _make_tables(memory)
    return memory


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


def _is(error: Exception, *kinds: str) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(kinds)


def _keep_alive(connection: sqlite3.Connection) -> None:
    """Only ``close`` may end a connection. Were it collected in a forked child, or while the
    interpreter goes down, SQLite would write to the parent's file, believing that it holds it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _forget(connection: sqlite3.Connection) -> None:
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(connection))
