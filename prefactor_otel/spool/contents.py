"""What is in a spool's file: read, and counted on the disk."""

from collections.abc import Collection, Iterator
from typing import Any, Final

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
from prefactor_otel.spool.database import Database
from prefactor_otel.spool.registrations import whole

_COLUMNS: Final = "seq, run, operation, key, span, parent, ends_span, at, body"
SPANS: Final = "operation IN ('create', 'finish_span')"
WAITING: Final = f"length(body)+{OVERHEAD}"
_READ_AT_ONCE: Final = 4 * 2**20


class Contents:
    """The rows of one file. All of this raises ``SpoolError`` when the disk fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, after: int, limit: int) -> Reading:
        """The items on disk whose places come after this one, in order: at most ``limit``, and no
        more than about four megabytes."""
        query = f"SELECT {_COLUMNS} FROM item WHERE seq>? ORDER BY seq LIMIT ?"
        reading = Reading([], [], after)
        size = 0
        with self._database.at_work():
            connection = self._database.connection
            for row in whole(connection, connection.execute(query, (after, limit))):
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

    def parked_rows(self) -> Iterator[ParkedRow]:
        """The spans that wait for their parents, as far as they can be read."""
        query = "SELECT key, run, span, otel_key, otel_parent, at, body FROM parked ORDER BY rowid"
        for key, run, span, otel_key, otel_parent, at, body in self._database.all(query):
            names = all(map(is_name, (key, run, otel_key, otel_parent)))
            if names and is_ref(span) and is_body(body):
                item = Item(run, Operation.CREATE, key, body, span=SpanRef(span), ends_span=True)
                parent = otel_parent if otel_parent != otel_key else None
                yield ParkedRow(otel_key, parent, item, at if isinstance(at, float) else 0.0)

    def holding(self, keys: Collection[str]) -> set[str]:
        """Those of these keys under which something is in here."""
        rows = self._database.all("SELECT key FROM item UNION ALL SELECT key FROM parked")
        return {key for (key,) in rows if key in keys} if keys else set()

    def opened_spans(self) -> list[tuple[str, str, SpanRef]]:
        """Run, key of the creation and ref of every span that was created and not finished."""
        rows = self._database.all("SELECT run, key, span FROM opened")
        return [
            (run, key, SpanRef(span))
            for run, key, span in rows
            if is_name(run) and is_name(key) and is_ref(span)
        ]

    def runs(self) -> list[RunRow]:
        """Every run that has items here, or had."""
        query = "SELECT run, instance_id, partition, ids_accepted, closed, last_ns FROM run"
        rows = self._database.all(query)
        return [_run_row(row) for row in rows if is_name(row[0])]

    def server_ids(self, run: str) -> dict[SpanRef, str]:
        """The ids that the API made."""
        rows = self._database.all("SELECT span, id FROM server_id WHERE run=?", run)
        return {SpanRef(span): name for span, name in rows if is_ref(span) and is_name(name)}

    def unrecorded_spans(self) -> list[tuple[SpanRef, SpanRef | None]]:
        """Spans without a record, and what their children hang on."""
        rows = self._database.all("SELECT span, parent FROM lost")
        return [(SpanRef(s), SpanRef(p) if is_ref(p) else None) for s, p in rows if is_ref(s)]

    def count(self) -> int:
        """Items in the file, counted on the disk."""
        return int(self._database.value("SELECT count(*) FROM item"))

    def spans(self, written: Period | None = None) -> int:
        """Finished spans in the file (that were written in a period), parked ones included,
        counted on the disk."""
        rows = within(written) if written is not None else "TRUE"
        ready = self._database.value(f"SELECT count(*) FROM item WHERE ends_span AND {rows}")
        return int(ready + self._database.value(f"SELECT count(*) FROM parked WHERE {rows}"))

    def parked(self) -> int:
        """Spans that wait for their parents, counted on the disk."""
        return int(self._database.value("SELECT count(*) FROM parked"))

    def oldest(self) -> float | None:
        """When the oldest span in here was written."""
        ready = self._database.all(f"SELECT at FROM item WHERE {SPANS} ORDER BY seq LIMIT 1")
        parked = self._database.all("SELECT at FROM parked ORDER BY rowid LIMIT 1")
        return min((at for (at,) in (*ready, *parked) if isinstance(at, float)), default=None)

    def waiting_bytes(self) -> int:
        """Bytes that wait in here, counted as a living process counts its own."""
        ready = self._database.value(f"SELECT total({WAITING}) FROM item")
        return int(ready + self._database.value(f"SELECT total({WAITING}) FROM parked"))

    def owner(self) -> Owner | None:
        """Whose spans are in here; None where that is not known."""
        found = self._database.all("SELECT address, salt FROM owner LIMIT 1")
        if not found or not is_name(found[0][0]) or not isinstance(found[0][1], bytes):
            return None
        tokens = frozenset(each for (each,) in self._database.all("SELECT hash FROM token"))
        agents = frozenset(each for (each,) in self._database.all("SELECT id FROM agent"))
        return Owner(found[0][0], found[0][1], tokens, agents)


def within(period: Period) -> str:
    """What finds the rows that were written in a period."""
    return f"at>={period.begin!r} AND at<{period.end!r}"


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
