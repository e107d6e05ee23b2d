"""Makes a run whole whose process has died, so that its file is a queue to be sent and no more.

What was parked goes after its parent, or without one; spans left open and the run itself are
finished at the time of the last sign of life, unless the heir goes on with it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import orjson

from prefactor_otel.delivery.operation import Item, Operation, SpanRef, name_of
from prefactor_otel.delivery.rows import ParkedRow, RunRow
from prefactor_otel.mapping import timestamp
from prefactor_otel.runs.encoding import finish_key_of, with_otel_parent
from prefactor_otel.runs.run import closing_item
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.heir import NOBODY, Heir

_ERROR: Final = {
    "error_type": "ProcessDied",
    "message": "The process ended before the span did; this is its last sign of life.",
    "stacktrace": None,
}


class Elsewhere(NamedTuple):
    """What other files of the dead hold as well, each of which is to be sent yet: whoever of these
    is the last sends it, or ends it."""

    runs: Collection[str] = ()
    """The names of runs."""
    parked: Collection[str] = ()
    """The keys of items that are parked in this file."""


_NOTHING: Final = Elsewhere()


def recover(
    file: SpoolFile, now: float, heir: Heir = NOBODY, elsewhere: Elsewhere = _NOTHING
) -> int:
    """Append to the file what its process would have sent last; the next ``commit`` writes it. What
    others hold is for these.
    Does nothing the second time. Returns how many spans cannot be sent, for their rows are
    damaged. Raises ``SpoolError``."""
    waited = file.parked()
    parked = file.take_parked()
    items = freed([row for row in parked if _is_to_be_sent(row, heir, elsewhere)], heir)
    runs = {row.run: row for row in file.runs()}
    for run, key, span in file.opened_spans():
        if run in runs:
            items.append(_cut_off(runs[run], key, span))
    over = [r for r in runs.values() if not r.closed and name_of(r.run) not in elsewhere.runs]
    alive = heir.goes_on_with(row.run for row in over)
    items += [
        closing_item(row.run, heir.closes_as, row.last_ns) for row in over if row.run not in alive
    ]
    file.write(items, now)
    return waited - len(parked)


def _is_to_be_sent(row: ParkedRow, heir: Heir, elsewhere: Elsewhere) -> bool:
    if row.item.key in elsewhere.parked or heir.inheritance.has_taken(row):
        return False
    heir.inheritance.give_back(row)
    return True


def freed(parked: Iterable[ParkedRow], heir: Heir = NOBODY) -> list[Item]:
    """Items of spans that waited for their parents, parents first; a span whose parent is not
    among them, nor has come to the heir, goes without, with the parent's OTel id, if it has one,
    in its payload."""
    rows = {row.key: row for row in parked}
    children: defaultdict[str, list[ParkedRow]] = defaultdict(list)
    tops: list[ParkedRow] = []
    for row in rows.values():
        (tops if row.parent is None or row.parent not in rows else children[row.parent]).append(row)
    items: list[Item] = []
    seen: set[str] = set()
    for top in [*tops, *rows.values()]:  # the rest: spans that are each other's parents
        if top.key not in seen:
            above = heir.ref_of(top.item.run, top.parent) if top.parent is not None else None
            _add(top, above, children, seen, items)
    return items


def _add(
    top: ParkedRow,
    above: SpanRef | None,
    children: dict[str, list[ParkedRow]],
    seen: set[str],
    items: list[Item],
) -> None:
    ready: list[tuple[ParkedRow, SpanRef | None]] = [(top, above)]
    while ready:
        row, parent = ready.pop()
        if row.key in seen:
            continue
        seen.add(row.key)
        orphan = parent is None
        items.append(_orphaned(row) if orphan else row.item.under(parent))
        ready.extend((child, row.item.span) for child in reversed(children.get(row.key, ())))


def _orphaned(row: ParkedRow) -> Item:
    if row.parent is None:
        return row.item
    try:
        return with_otel_parent(row.item, row.parent.partition(":")[2])
    except (KeyError, TypeError):  # no payload to name it in: a damaged row
        return row.item


def _cut_off(row: RunRow, create_key: str, span: SpanRef) -> Item:
    content = {
        "status": "cancelled",
        "timestamp": timestamp(row.last_ns),
        "result_payload": _ERROR,
    }
    body = orjson.dumps(content)[1:-1]
    key = finish_key_of(create_key)
    return Item(row.run, Operation.FINISH_SPAN, key, body, span=span, ends_span=True)
