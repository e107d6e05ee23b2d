"""What is still to be written to a file. It stays here until it is on disk, so a disk that fails
costs nothing but time: the next try writes all of it."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from prefactor_otel.spool.registrations import Registrations, Row

_MAX_LOST: Final = 20_000
"""Spans without a record that are remembered while nothing can be written."""


@dataclass(slots=True)
class RunChange:
    """What has become of a run."""

    opened: bool = False
    closed: bool = False
    registered: tuple[str, int | None, bool] | None = None
    last_ns: int = 0


@dataclass(slots=True)
class Changes:
    """Rows to be written and deleted, by table and key."""

    items: dict[int, Row] = field(default_factory=dict)
    parked: dict[str, Row] = field(default_factory=dict)
    opened: dict[bytes, Row] = field(default_factory=dict)
    runs: dict[str, RunChange] = field(default_factory=dict)
    server_ids: dict[str, dict[bytes, str]] = field(default_factory=dict)
    unrecorded: dict[bytes, bytes | None] = field(default_factory=dict)
    address: tuple[str, bytes] | None = None
    """Of the API, and the salt of the hashes of tokens."""
    tokens: set[bytes] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    takes_parked: bool = False
    """Whether items take the place of everything that is parked."""
    _forgotten: list[tuple[int]] = field(default_factory=list)
    _unparked: list[tuple[str]] = field(default_factory=list)
    _finished: list[tuple[bytes]] = field(default_factory=list)
    _over: list[tuple[str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        written = (
            self.items,
            self.parked,
            self.opened,
            self.runs,
            self.server_ids,
            self.unrecorded,
        )
        deleted = (self._forgotten, self._unparked, self._finished, self._over, self.takes_parked)
        owner = (self.address, self.tokens, self.agents)
        return any(written) or any(deleted) or any(owner)

    @property
    def deletes_items(self) -> bool:
        """Whether the file will have less to hold."""
        return bool(self._forgotten)

    @property
    def forgotten(self) -> set[int]:
        """The places of the items that are to be deleted."""
        return {seq for (seq,) in self._forgotten}

    def forget(self, seqs: Iterable[int]) -> None:
        """Items are done with."""
        self._forgotten += [(seq,) for seq in seqs if self.items.pop(seq, None) is None]

    def rewrite(self, seq: int, row: Row) -> None:
        """Another item takes the place of one."""
        if seq not in self.items:
            self._forgotten.append((seq,))
        self.items[seq] = row

    def unpark(self, key: str) -> None:
        """What waited for its parent does so no longer."""
        if self.parked.pop(key, None) is None:
            self._unparked.append((key,))

    def take_parked(self) -> None:
        """Nothing waits for its parent any more."""
        self.takes_parked = True

    def finish(self, span: bytes) -> None:
        """A span that was created is finished."""
        if self.opened.pop(span, None) is None:
            self._finished.append((span,))

    def run(self, run: str) -> RunChange:
        """What has become of this run."""
        return self.runs.setdefault(run, RunChange())

    def run_over(self, run: str) -> None:
        """Nothing more is to be known of a run."""
        change = self.runs.pop(run, None)
        self.server_ids.pop(run, None)
        is_in_file = change is None or not change.opened
        if is_in_file or any(each == run for _, each, _ in self.opened.values()):
            self._over.append((run,))

    def leave_unrecorded(self, span: bytes, parent: bytes | None) -> None:
        """A span has no record."""
        self.unrecorded[span] = parent
        if len(self.unrecorded) > _MAX_LOST:
            del self.unrecorded[next(iter(self.unrecorded))]

    def write(self, connection: sqlite3.Connection, registrations: Registrations) -> None:
        """Make all of them, inside of a transaction."""
        many = connection.executemany
        many("DELETE FROM item WHERE seq=?", self._forgotten)
        rows = registrations.by_place(connection, self.items.values())
        many("INSERT INTO item VALUES (?,?,?,?,?,?,?,?,?)", list(rows))
        registrations.tidy(connection)
        if self.takes_parked:
            connection.execute("DELETE FROM parked")
        many("DELETE FROM parked WHERE key=?", self._unparked)
        many("INSERT OR REPLACE INTO parked VALUES (?,?,?,?,?,?,?)", self.parked.values())
        many("DELETE FROM opened WHERE span=?", self._finished)
        many("INSERT OR REPLACE INTO opened VALUES (?,?,?)", self.opened.values())
        many("INSERT OR REPLACE INTO lost VALUES (?,?)", self.unrecorded.items())
        if self.address is not None:
            connection.execute("DELETE FROM owner")
            connection.execute("INSERT INTO owner VALUES (?,?)", self.address)
        many("INSERT OR IGNORE INTO token VALUES (?)", [(each,) for each in self.tokens])
        many("INSERT OR IGNORE INTO agent VALUES (?)", [(each,) for each in self.agents])
        for run, ids in self.server_ids.items():
            named = [(span, run, server_id) for span, server_id in ids.items()]
            many("INSERT OR REPLACE INTO server_id VALUES (?,?,?)", named)
        self._write_runs(connection)
        for table in ("run", "server_id", "opened"):
            many(f"DELETE FROM {table} WHERE run=?", self._over)

    def _write_runs(self, connection: sqlite3.Connection) -> None:
        begun = [(run,) for run, change in self.runs.items() if change.opened]
        told = [(*change.registered, run) for run, change in self.runs.items() if change.registered]
        now = [(change.closed, change.last_ns, run) for run, change in self.runs.items()]
        many = connection.executemany
        many("INSERT OR IGNORE INTO run VALUES (?,NULL,NULL,0,0,0)", begun)
        many("UPDATE run SET instance_id=?, partition=?, ids_accepted=? WHERE run=?", told)
        many(
            "UPDATE run SET closed=max(closed,?), last_ns=max(coalesce(last_ns,0),?) WHERE run=?",
            now,
        )
