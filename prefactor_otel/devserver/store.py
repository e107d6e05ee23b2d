"""The database: SQLite in WAL mode, one writer, documents in columns that queries need."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from prefactor_http import pfid
from prefactor_otel.devserver.rules import Json

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agent (id TEXT PRIMARY KEY, external_identifier TEXT UNIQUE,
  deleted INTEGER NOT NULL DEFAULT 0, document BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS agent_instance (id TEXT PRIMARY KEY, agent_id TEXT NOT NULL,
  agent_version_id TEXT NOT NULL, external_identifier TEXT, document BLOB NOT NULL,
  types BLOB NOT NULL, UNIQUE (agent_id, external_identifier));
CREATE INDEX IF NOT EXISTS instance_by_agent ON agent_instance (agent_id, id);
CREATE TABLE IF NOT EXISTS agent_span (id TEXT PRIMARY KEY, agent_instance_id TEXT NOT NULL,
  agent_id TEXT NOT NULL, status TEXT NOT NULL, schema_name TEXT NOT NULL, document BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS span_by_instance ON agent_span (agent_instance_id, id);
CREATE INDEX IF NOT EXISTS span_by_agent ON agent_span (agent_id, id);
CREATE TABLE IF NOT EXISTS version (kind TEXT, agent_id TEXT, external_identifier TEXT,
  id TEXT NOT NULL, PRIMARY KEY (kind, agent_id, external_identifier));
CREATE TABLE IF NOT EXISTS replay (operation TEXT, key TEXT, digest BLOB NOT NULL,
  answer BLOB NOT NULL, PRIMARY KEY (operation, key));
"""

TABLES: Final = ("agent", "agent_instance", "agent_span")
SORTABLE: Final = ("id", "inserted_at", "started_at", "finished_at", "status", "name", "updated_at")


def now() -> str:
    """The current time as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Store:
    """One account's data. Not thread-safe: the server's loop owns it."""

    def __init__(self, path: str) -> None:
        if path != ":memory:":
            Path(path).touch(mode=0o600)
            Path(path).chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._last = (0, 0)
        self.partition = int(self._meta("partition", lambda: str(secrets.randbits(30))))
        self.account_id = self._meta("account_id", self.new_id)
        self.environment_id = self._meta("environment_id", self.new_id)
        self.agent_id = self._meta("agent_id", self.new_id)
        self.deployment_id = self._meta("deployment_id", self.new_id)

    def close(self) -> None:
        """Close the database; what was written stays."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def new_id(self) -> str:
        """A PFID that sorts after every one made before, also within one millisecond."""
        fresh = pfid.decode(pfid.generate(self.partition))
        milliseconds, random80 = fresh[0], fresh[2] >> 1  # room to count up
        if milliseconds <= self._last[0]:
            milliseconds, random80 = self._last[0], self._last[1] + 1
        self._last = (milliseconds, random80)
        return pfid.encode(milliseconds, self.partition, random80)

    def get(self, table: str, id: str) -> Json | None:
        """One document."""
        return self._one(f"SELECT document FROM {_table(table)} WHERE id = ?", id)

    def types_of(self, instance_id: str) -> dict[str, Json]:
        """The span types that an instance has declared."""
        return self._one("SELECT types FROM agent_instance WHERE id = ?", instance_id) or {}

    def put_agent(self, document: Json, *, deleted: bool = False) -> None:
        """Insert or replace an agent."""
        identifier = document.get("external_identifier")
        self._db.execute(
            "INSERT OR REPLACE INTO agent VALUES (?, ?, ?, ?)",
            (document["id"], identifier, int(deleted), orjson.dumps(document)),
        )

    def agent_by_identifier(self, identifier: str) -> Json | None:
        """An agent by its external identifier."""
        return self._one(
            "SELECT document FROM agent WHERE external_identifier = ? AND deleted = 0", identifier
        )

    def put_instance(self, document: Json, types: dict[str, Json]) -> None:
        """Insert an instance. Raises ``sqlite3.IntegrityError`` when it is there already."""
        self._db.execute(
            "INSERT INTO agent_instance VALUES (?, ?, ?, ?, ?, ?)",
            (
                document["id"],
                document["agent_id"],
                document["agent_version_id"],
                document.get("external_identifier"),
                orjson.dumps(document),
                orjson.dumps(types),
            ),
        )

    def update_instance(self, document: Json) -> None:
        """Write an instance's new state."""
        self._db.execute(
            "UPDATE agent_instance SET document = ? WHERE id = ?",
            (orjson.dumps(document), document["id"]),
        )

    def put_span(self, document: Json) -> None:
        """Insert a span. Raises ``sqlite3.IntegrityError`` when its id is taken."""
        columns = ("id", "agent_instance_id", "agent_id", "status", "schema_name")
        self._db.execute(
            "INSERT INTO agent_span VALUES (?, ?, ?, ?, ?, ?)",
            (*(document[column] for column in columns), orjson.dumps(document)),
        )

    def update_span(self, document: Json) -> None:
        """Write a span's new state."""
        self._db.execute(
            "UPDATE agent_span SET document = ?, status = ? WHERE id = ?",
            (orjson.dumps(document), document["status"], document["id"]),
        )

    def span_counts(self, instance_id: str, column: str) -> dict[str, int]:
        """How many spans an instance has, by ``status`` or ``schema_name``."""
        assert column in ("status", "schema_name")
        rows = self._db.execute(
            f"SELECT {column}, count(*) FROM agent_span WHERE agent_instance_id = ? "
            f"GROUP BY {column}",
            (instance_id,),
        )
        return dict(rows.fetchall())

    def page(
        self,
        table: str,
        filters: dict[str, str],
        *,
        offset: int = 0,
        size: int = -1,
        sort: str = "id",
        descending: bool = False,
    ) -> tuple[list[Json], int]:
        """Documents that match, and how many there are in all."""
        conditions = [f"{name} = ?" for name in filters]
        if table == "agent":
            conditions.append("deleted = 0")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        key = sort if sort == "id" else f"json_extract(document, '$.{sort}')"
        direction = "DESC" if descending else "ASC"
        values = tuple(filters.values())
        rows = self._db.execute(
            f"SELECT document FROM {_table(table)} {where} "
            f"ORDER BY {key} {direction}, id {direction} LIMIT ? OFFSET ?",
            (*values, size, offset),
        )
        total = self._db.execute(f"SELECT count(*) FROM {_table(table)} {where}", values)
        return [orjson.loads(row[0]) for row in rows], int(total.fetchone()[0])

    def version_id(self, kind: str, agent_id: str, identifier: str) -> str:
        """The id of an agent's version or schema version, made when it is first reported."""
        found = self._db.execute(
            "SELECT id FROM version WHERE kind = ? AND agent_id = ? AND external_identifier = ?",
            (kind, agent_id, identifier),
        ).fetchone()
        if found is not None:
            return str(found[0])
        made = self.new_id()
        self._db.execute(
            "INSERT INTO version VALUES (?, ?, ?, ?)", (kind, agent_id, identifier, made)
        )
        return made

    def replay(self, operation: str, key: str) -> tuple[bytes, Json] | None:
        """The digest of the first body under a key, and its answer."""
        row = self._db.execute(
            "SELECT digest, answer FROM replay WHERE operation = ? AND key = ?", (operation, key)
        ).fetchone()
        return (row[0], orjson.loads(row[1])) if row is not None else None

    def remember(self, operation: str, key: str, digest: bytes, answer: Json) -> None:
        """Keep an answer for replays."""
        self._db.execute(
            "INSERT INTO replay VALUES (?, ?, ?, ?)", (operation, key, digest, orjson.dumps(answer))
        )

    def _one(self, query: str, value: str) -> Json | None:
        row = self._db.execute(query, (value,)).fetchone()
        if row is None:
            return None
        document: Json = orjson.loads(row[0])
        return document

    def _meta(self, name: str, make: Callable[[], str]) -> str:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is not None:
            return str(row[0])
        value = make()
        self._db.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
        return value


def _table(name: str) -> str:
    assert name in TABLES
    return name
