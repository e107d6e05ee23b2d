"""SQLite: the tables, one connection, one transaction at a time from whichever thread."""

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

Row = dict[str, Any]

MEMORY: Final = ":memory:"

_JSON: Final = frozenset(
    {"payload", "result_payload", "mismatches", "quality_payload", "quality_payloads"}
    | {"definition", "runtime_environment", "answer"}
)

# `seq` is the order of arrival, which is what "oldest first" means.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS account (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    agent_id TEXT NOT NULL, environment_id TEXT NOT NULL, inserted_at TEXT, updated_at TEXT,
    token TEXT);
CREATE TABLE IF NOT EXISTS agent (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT,
    external_identifier TEXT UNIQUE, retired INTEGER NOT NULL DEFAULT 0, owner_person_id TEXT,
    risk_profile_id TEXT, team_id TEXT, inserted_at TEXT, updated_at TEXT);
CREATE TABLE IF NOT EXISTS environment (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agent_deployment (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    environment_id TEXT NOT NULL, current_version_id TEXT, UNIQUE (agent_id, environment_id));
CREATE TABLE IF NOT EXISTS agent_version (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    external_identifier TEXT, name TEXT, description TEXT, runtime_environment TEXT,
    UNIQUE (agent_id, external_identifier));
CREATE TABLE IF NOT EXISTS agent_schema_version (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    external_identifier TEXT, digest TEXT NOT NULL, definition TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS schema_of_agent ON agent_schema_version (agent_id);
CREATE TABLE IF NOT EXISTS agent_instance (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    agent_version_id TEXT NOT NULL, agent_schema_version_id TEXT NOT NULL,
    environment_id TEXT NOT NULL, agent_deployment_id TEXT NOT NULL, status TEXT NOT NULL,
    purpose TEXT NOT NULL, external_identifier TEXT, started_at TEXT, finished_at TEXT,
    termination_reason TEXT, quality_payload TEXT, quality_payloads TEXT NOT NULL,
    inserted_at TEXT, updated_at TEXT, UNIQUE (agent_id, external_identifier));
CREATE TABLE IF NOT EXISTS agent_span (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    agent_instance_id TEXT NOT NULL, parent_span_id TEXT, schema_name TEXT NOT NULL,
    schema_title TEXT, status TEXT NOT NULL, purpose TEXT NOT NULL, payload TEXT NOT NULL,
    payload_bytes INTEGER NOT NULL, result_payload TEXT, mismatches TEXT NOT NULL, summary TEXT,
    sensitive_encoding INTEGER NOT NULL, started_at TEXT, finished_at TEXT,
    inserted_at TEXT, updated_at TEXT);
CREATE INDEX IF NOT EXISTS span_of_instance ON agent_span (agent_instance_id, status);
CREATE INDEX IF NOT EXISTS span_of_agent ON agent_span (agent_id, id);
CREATE TABLE IF NOT EXISTS idempotency (
    operation TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (operation, key)) WITHOUT ROWID;
"""

# Tables that were added since: a file without them is ours all the same, of an earlier version.
_ADDED: Final = """
CREATE TABLE IF NOT EXISTS alert (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    agent_instance_id TEXT NOT NULL, environment_id TEXT NOT NULL, name TEXT NOT NULL,
    severity TEXT NOT NULL, status TEXT NOT NULL, payload TEXT NOT NULL,
    payload_sensitive_encoding INTEGER NOT NULL, raised_at TEXT NOT NULL, cleared_at TEXT,
    version INTEGER NOT NULL, inserted_at TEXT, updated_at TEXT);
CREATE INDEX IF NOT EXISTS alert_of_instance ON alert (agent_instance_id, status, name);
CREATE TABLE IF NOT EXISTS run_total (
    agent_instance_id TEXT PRIMARY KEY, changed INTEGER NOT NULL, spans INTEGER NOT NULL,
    errors INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
    cached INTEGER NOT NULL, reasoning INTEGER NOT NULL, total INTEGER NOT NULL, question TEXT,
    asked_by INTEGER, asked_depth INTEGER NOT NULL, answered_by INTEGER,
    answered_depth INTEGER NOT NULL, models TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS run_changed ON run_total (changed);
CREATE TABLE IF NOT EXISTS span_outline (
    seq INTEGER PRIMARY KEY, agent_instance_id TEXT NOT NULL, changed INTEGER NOT NULL,
    outline TEXT NOT NULL, usage TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS outline_of_instance ON span_outline (agent_instance_id, changed);
"""
_SEARCH: Final = """CREATE VIRTUAL TABLE IF NOT EXISTS span_text
    USING fts5(text, content='', tokenize='unicode61 remove_diacritics 2')"""

_WAIT: Final = 60.0
"""Seconds that one server on a file lets another one write."""

_TABLES: Final = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", _SCHEMA))


def _encoded(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _decoded(row: sqlite3.Row) -> Row:
    return {
        name: orjson.loads(value) if name in _JSON and value is not None else value
        for name, value in zip(row.keys(), row, strict=True)
    }


def _make(path: Path) -> None:
    """An empty file where there is none. Prompts come into it: nobody else's to read, and SQLite
    gives its side files the same mode."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _refuse_foreign(path: Path) -> None:
    """Raise ``ValueError`` for a file that is not ours, without writing to it."""
    has_log = Path(f"{path}-wal").exists()
    way = "mode=ro" if has_log else "immutable=1"  # which leaves no files beside it
    uri = f"{path.absolute().as_uri()}?{way}"
    with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT)) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = {name for (name,) in found}
    if tables and not tables >= _TABLES:
        raise ValueError(f"{path} is a database of another program, and stays as it is")


def _keep_log(connection: sqlite3.Connection) -> None:
    """Let readers and a writer not wait for each other. This is the one statement for which SQLite
    does not wait itself, while another server makes the same file."""
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


class Store:
    """Rows in and out as dicts; objects and lists are JSON in the file. Raises ``ValueError``
    for a file that is no database or another program's, which stays as it is, and ``OSError`` for
    one that cannot be made.

    Table and column names come from this package's code only, never from a request.
    """

    def __init__(self, db: str | Path) -> None:
        self.keep_up: Callable[[Store, list[Row]], None] = lambda store, noted: None
        self._noted: list[Row] = []
        self._lock = threading.RLock()
        self._path = str(db)
        try:
            if self._path != MEMORY:
                _make(Path(self._path))
                _refuse_foreign(Path(self._path))
            self._connection = sqlite3.connect(
                self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except sqlite3.Error:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise ValueError(f"{self._path}: {error}") from None

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        _keep_log(self._connection)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        with self.transaction():
            for statement in f"{_SCHEMA}{_ADDED}".split(";"):
                self._connection.execute(statement)
            self.can_search = self._prepare_search()
            columns = self._connection.execute("PRAGMA table_info(account)")
            if "token" not in {column["name"] for column in columns}:  # a file of long ago
                self._connection.execute("ALTER TABLE account ADD COLUMN token TEXT")

    def _prepare_search(self) -> bool:
        """Whether this SQLite has full text search; what is searched is there then."""
        try:
            self._connection.execute(_SEARCH)
            self._connection.execute(
                "SELECT rowid FROM span_text LIMIT 0"
            )  # made by another SQLite
        except sqlite3.OperationalError:
            return False
        return True

    def close_to_others(self) -> None:
        """Let nobody else read the file. Raises ``ValueError`` where that is not ours to say."""
        if self._path == MEMORY:
            return
        try:
            for side in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(self._path + side).chmod(0o600)
        except PermissionError:
            raise ValueError(
                f"{self._path} is another user's, who could read the token that is made for it: "
                "give one of your own"
            ) from None

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. Every use of the store happens inside one; of those inside of
        another each can fail on its own."""
        with self._lock:
            # At once, lest two servers on one file find out in the middle.
            is_inner = self._connection.in_transaction
            self._connection.execute("SAVEPOINT one" if is_inner else "BEGIN IMMEDIATE")
            noted = len(self._noted)
            try:
                yield
                if self._noted and not is_inner:
                    self.keep_up(self, self._noted)
            except BaseException:
                self._connection.execute("ROLLBACK TO one" if is_inner else "ROLLBACK")
                del self._noted[noted:]
                raise
            finally:
                if is_inner:
                    self._connection.execute("RELEASE one")
            if not is_inner:
                self._connection.execute("COMMIT")
                self._noted.clear()

    def note(self, record: Row) -> None:
        """Have ``keep_up`` follow a record, as the API shows it, before what changed it is
        committed: once for many."""
        self._noted.append(record)

    def execute(self, sql: str, *values: Any) -> None:
        self._connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What a query of this package's own finds, as it is stored."""
        return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", [_encoded(v) for v in row.values()]
        )

    def update(self, table: str, record_id: str, changes: Mapping[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        values = [*(_encoded(value) for value in changes.values()), record_id]
        self._connection.execute(f"UPDATE {table} SET {names} WHERE id = ?", values)

    def delete(self, table: str, record_id: str) -> None:
        self._connection.execute(f"DELETE FROM {table} WHERE id = ?", [record_id])

    def find(self, table: str, **equal: Any) -> Row | None:
        """The newest row with these values; None is a value like any other."""
        where = " AND ".join(f"{name} IS ?" for name in equal) or "TRUE"
        sql = f"SELECT * FROM {table} WHERE {where} ORDER BY rowid DESC LIMIT 1"
        row = self._connection.execute(sql, list(equal.values())).fetchone()
        return None if row is None else _decoded(row)

    def get(self, table: str, record_id: str) -> Row | None:
        row = self._connection.execute(f"SELECT * FROM {table} WHERE id = ?", [record_id])
        found = row.fetchone()
        return None if found is None else _decoded(found)

    def holds(self, table: str, record_id: str) -> bool:
        sql = f"SELECT 1 FROM {table} WHERE id = ?"
        return self._connection.execute(sql, [record_id]).fetchone() is not None

    def value(self, table: str, record_id: str, column: str) -> Any:
        """One column of a row as it is stored, or None; cheaper than the row."""
        sql = f"SELECT {column} FROM {table} WHERE id = ?"
        row = self._connection.execute(sql, [record_id]).fetchone()
        return None if row is None else row[0]

    def answered(self, operation: str, key: str) -> tuple[bytes, Row] | None:
        """The digest of the first body under this idempotency key, and its answer."""
        sql = "SELECT digest, answer FROM idempotency WHERE operation = ? AND key = ?"
        row = self._connection.execute(sql, [operation, key]).fetchone()
        return None if row is None else (row["digest"], orjson.loads(row["answer"]))

    def page(
        self,
        table: str,
        where: Mapping[str, Any],
        order: tuple[str, str] = ("seq", "asc"),
        span: tuple[int, int] = (0, -1),
    ) -> tuple[int, list[Row]]:
        """How many rows match, and those from an offset on, at most so many (-1: all).

        ``where`` maps a comparison, such as ``agent_id =``, to its value.
        """
        condition = " AND ".join(f"{comparison} ?" for comparison in where) or "TRUE"
        values = list(where.values())
        count = self._connection.execute(
            f"SELECT count(*) FROM {table} WHERE {condition}", values
        ).fetchone()[0]
        field, direction = order
        offset, limit = span
        rows = self._connection.execute(
            f"SELECT * FROM {table} WHERE {condition}"
            f" ORDER BY {field} {direction}, seq {direction} LIMIT ? OFFSET ?",
            [*values, limit, offset],
        )
        return count, [_decoded(row) for row in rows]

    def behind(self, after: int, limit: int) -> list[Row]:
        """Spans beyond this one, oldest first, of which no row of the page tells as they are."""
        rows = self._connection.execute(
            "SELECT agent_span.* FROM agent_span LEFT JOIN span_outline AS told USING (seq)"
            " WHERE seq > ? AND told.updated_at IS NOT agent_span.updated_at"
            " ORDER BY seq LIMIT ?",
            [after, limit],
        )
        return [_decoded(row) for row in rows]

    def tally(self, table: str, column: str, **equal: str) -> dict[str, int]:
        """How many rows there are of each value of a column."""
        where = " AND ".join(f"{name} = ?" for name in equal)
        sql = f"SELECT {column}, count(*) FROM {table} WHERE {where} GROUP BY {column}"
        return dict(self._connection.execute(sql, list(equal.values())).fetchall())
