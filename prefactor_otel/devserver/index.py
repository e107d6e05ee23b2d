"""What the page reads instead of whole spans, written in the transaction that changes them: a row
a span, totals a run, and the words by which runs are found.

Every change of a run has a number, higher than all before; the run, and the span by which it
changed, carry that of their last one. So whoever follows needs to remember one number, and nothing
is remembered for him.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import orjson

from prefactor_otel.devserver import reading
from prefactor_otel.devserver.form import Json
from prefactor_otel.devserver.search import indexed
from prefactor_otel.devserver.store import Row, Store
from prefactor_otel.devserver.totals import Totals

_TOTALS: Final = tuple(Totals.__dataclass_fields__)
_ROW: Final = ("agent_instance_id", "changed", *_TOTALS)
_AT_ONCE: Final = 500
"""Spans of an old file that are read at a time."""


def keep_up(store: Store, changed: Iterable[Json]) -> None:
    """Follow records that were changed, in this order and as the API shows them."""
    runs: dict[str, tuple[int, Totals]] = {}
    texts: list[tuple[int, str]] = []
    [(last,)] = store.rows("SELECT coalesce(max(changed), 0) FROM run_total")
    for change, record in enumerate(changed, start=last + 1):
        run = _run_of(record)
        if run is None:
            continue
        totals = runs[run][1] if run in runs else _totals(store, run)
        runs[run] = change, totals
        if record["type"] == "agent_span":
            texts.append(_follow(store, record, totals, change))
    marks = ", ".join("?" * len(_ROW))
    sql = f"INSERT OR REPLACE INTO run_total ({', '.join(_ROW)}) VALUES ({marks})"
    for run, (change, totals) in runs.items():
        sums = (getattr(totals, name) for name in _TOTALS[:-1])
        store.execute(sql, run, change, *sums, orjson.dumps(totals.models).decode())
    if store.can_search:  # last: of each write to another table FTS5 makes a segment of its own
        store.execute_many("INSERT INTO span_text (rowid, text) VALUES (?, ?)", texts)


def _run_of(record: Json) -> str | None:
    """The run that has changed with a record; None where none has."""
    kind = record.get("type")
    if kind in ("agent_span", "alert"):
        return str(record["agent_instance_id"])
    return str(record["id"]) if kind == "agent_instance" else None


def _follow(store: Store, span: Json, totals: Totals, change: int) -> tuple[int, str]:
    """Write the row of a span; what it is found by, with a number that no other text has."""
    [(seq, before, counted)] = store.rows(
        "SELECT agent_span.seq, outline, usage FROM agent_span LEFT JOIN span_outline USING (seq)"
        " WHERE id = ?",
        span["id"],
    )
    if before is not None:
        totals.add(orjson.loads(before), orjson.loads(counted), -1)
    usage = reading.usage_of(span)
    outline = reading.outline(span, usage)
    totals.add(outline, usage)
    totals.tell(span, usage, seq)
    store.execute(
        "INSERT OR REPLACE INTO span_outline VALUES (?, ?, ?, ?, ?, ?)",
        *(seq, span["agent_instance_id"], change, orjson.dumps(outline).decode()),
        *(orjson.dumps(usage).decode(), span["updated_at"]),
    )
    # The end of a span has a text of its own: none is ever changed.
    text = reading.searched(span) if before is None else reading.searched_at_end(span)
    return 2 * seq + (before is not None), indexed(text)


def _totals(store: Store, run: str) -> Totals:
    sql = f"SELECT {', '.join(_TOTALS)} FROM run_total WHERE agent_instance_id = ?"
    for row in store.rows(sql, run):
        return Totals(**dict(row) | {"models": orjson.loads(row["models"])})
    return Totals()


def catch_up(store: Store, span_of: Callable[[Row], Json]) -> None:
    """Follow what a version before has stored without: a file of any age can be looked at. Others
    on the file need not wait for all of it."""
    with store.transaction():
        keep_up(store, _unknown_runs(store))
    rows: list[Row] = []
    while True:
        with store.transaction():
            rows = store.behind(rows[-1]["seq"] if rows else 0, _AT_ONCE)
            keep_up(store, map(span_of, rows))
        if not rows:
            return


def _unknown_runs(store: Store) -> Iterator[Json]:
    known = "SELECT agent_instance_id FROM run_total"
    sql = f"SELECT id FROM agent_instance WHERE id NOT IN ({known}) ORDER BY seq"
    return ({"type": "agent_instance", "id": run} for (run,) in store.rows(sql))
