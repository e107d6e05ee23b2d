"""One process's spool: a file that holds what is to outlive it."""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Self

from prefactor_otel import clock
from prefactor_otel.clock import Period
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.rows import ParkedRow, Reading, Stored, stored
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool.changes import Changes
from prefactor_otel.spool.contents import SPANS, WAITING, Contents, within
from prefactor_otel.spool.database import SLACK, SLACK_AT_REST, Database, in_memory, remove
from prefactor_otel.spool.registrations import Registrations


class SpoolFile(Contents, Storage):
    """The rows of one file. One thread uses it. Changes are gathered in memory until ``commit``,
    and stay there where that fails; ``commit`` and whatever reads raise ``SpoolError`` when the
    disk fails."""

    def __init__(self, path: Path, *, is_there: bool = True) -> None:
        """Open and lock the file that is there. Raises ``SpoolError``; ``in_use`` on it says that
        another holds it. Where none is there yet, ``move`` makes it."""
        super().__init__(Database(path))
        self.last_seq = 0
        self.salt = secrets.token_bytes(16)
        self._changes = Changes()
        self._registrations = Registrations()
        self._parked: set[str] = set()
        self._may_shrink = False
        if is_there:
            self._database.open()
            try:
                self.last_seq = self._database.value("SELECT max(seq) FROM item") or 0
            except SpoolError:
                self.close()
                raise

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new file of the mode 0600, which must not exist. Raises ``SpoolError``."""
        file = cls(path, is_there=False)
        file.move(path)
        return file

    # -- where it is ----------------------------------------------------------------------

    @property
    def path(self) -> Path:
        """Where it is, or is to be."""
        return self._database.path

    def move(self, path: Path) -> None:
        """Go on in a new file of the mode 0600, with everything that the one before it has, also
        where somebody has removed that. Raises ``SpoolError``, and leaves nothing there."""
        self._database.move(path)

    @property
    def is_in_place(self) -> bool:
        """Whether the file is where it was made, and the next process will find it."""
        return self._database.is_in_place

    @property
    def is_open(self) -> bool:
        """Whether there is a file, wherever it may be."""
        return self._database.is_open

    @property
    def is_behind(self) -> bool:
        """Whether items were written that are not on disk yet."""
        return bool(self._changes.items)

    def holds(self, seq: int) -> bool:
        """Whether an item is on disk, or what it was made of."""
        changes = self._changes
        return self.is_open and (seq not in changes.items or changes.takes_parked)

    @property
    def parked_on_disk(self) -> int:
        """Spans that this process has parked and that are on disk."""
        return len(self._parked) - len(self._changes.parked) if self.is_open else 0

    def _leave_disk(self, most: int) -> bool:
        """Take what is still needed of the file into memory, where that is no more than so many
        bytes, delete the file, and go on in memory until ``move``. Returns whether it was so."""
        with self._database.at_work():
            needed = self._needed(most)
        if needed is None:
            return False
        self._database.leave_disk(needed)
        return True

    def _needed(self, most: int) -> sqlite3.Connection | None:
        database, forgotten = self._database.connection, self._changes.forgotten
        waiting = f"SELECT seq, {WAITING} FROM item"
        kept = {seq: size for seq, size in database.execute(waiting) if seq not in forgotten}
        rest = [
            database.execute(f"SELECT total({WAITING}) FROM {table}").fetchone()[0]
            for table in ("parked", "registration")
        ]
        if sum(kept.values()) + sum(rest) > most:
            return None
        memory = in_memory()
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
            self._shrink(SLACK_AT_REST)
            return
        try:
            with self._database.transaction() as database:
                self._changes.write(database, self._registrations)
        except SpoolError:
            self._registrations.forget()
            raise
        self._may_shrink = self._may_shrink or self._changes.deletes_items
        self._changes = Changes()
        self._shrink(SLACK)

    def _shrink(self, slack: int) -> None:
        if self._may_shrink:
            self._may_shrink = self._database.shrink(slack)

    # -- what is in here only -------------------------------------------------------------

    def unwritten(self, after: int, limit: int) -> Reading:
        """The items behind this place that the disk has not taken yet, in order: at most
        ``limit``."""
        items = self._changes.items.items()
        rows = list(islice((row for seq, row in items if seq > after), limit))
        found = [each for row in rows if isinstance(each := stored(row), Stored)]
        return Reading(found, [], found[-1].seq if found else after)

    def take_parked(self) -> list[ParkedRow]:
        """The spans that wait for their parents, which are no longer kept as such."""
        rows = list(self.parked_rows())
        self._changes.take_parked()
        return rows

    # -- what becomes too much, or too old ------------------------------------------------------

    def drop_oldest(self, size: int) -> tuple[int, int]:
        """Delete the oldest spans, of about so many bytes. Returns how many that are, and their
        bytes. Raises ``SpoolError``."""
        items, freed = self._first("seq", f"item WHERE {SPANS}", size)
        parked, more = self._first("rowid", "parked", size - freed)
        return self._drop(f"seq<={items}", f"rowid<={parked}"), freed + more

    def drop_from(self, period: Period) -> int:
        """Delete the spans that were written in this period. Returns how many that are."""
        rows = within(period)
        return self._drop(rows, rows)

    def _first(self, place: str, table: str, size: int) -> tuple[int, int]:
        """The place up to which rows take so many bytes, and what they take."""
        reached = taken = 0
        with self._database.at_work():
            query = f"SELECT {place}, {WAITING} FROM {table} ORDER BY 1"
            for found, each in self._database.connection.execute(query):
                if taken >= size:
                    break
                reached, taken = found, taken + each
        return reached, taken

    def _drop(self, items: str, parked: str) -> int:
        gone = f"FROM item WHERE {SPANS} AND {items}"
        spans = self._database.value(f"SELECT count(*) {gone} AND ends_span")
        spans += self._database.value(f"SELECT count(*) FROM parked WHERE {parked}")
        lost = f"SELECT span, parent {gone} AND operation='create'"
        with self._database.transaction() as database:
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

    # -- the end --------------------------------------------------------------------------

    def close(self, *, delete: bool = False) -> None:
        """Let go of the file, and delete it if asked to. Never raises."""
        if not self._database.is_usable:
            return
        if delete:  # while it is locked, so that nobody takes it in between
            remove(self.path)
        else:
            with suppress(SpoolError):  # a disk that has failed; that has been said
                SpoolFile.commit(self)
        self._database.close()

    def abandon(self) -> None:
        """Let go of the file as it is on disk."""
        self._changes = Changes()
        self.close()


def _row(seq: int, item: Item, at: float) -> tuple[object, ...]:
    span = bytes(item.span) if item.span is not None else None
    parent = bytes(item.parent) if item.parent is not None else None
    head = (seq, item.run, item.operation.value, item.key, span, parent)
    return (*head, item.ends_span, at, item.body)
