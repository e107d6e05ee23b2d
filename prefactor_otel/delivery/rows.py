"""What a spool keeps, without the database that keeps it: most processes have no spool."""

from typing import Any, Final, NamedTuple, TypeGuard

import orjson

from prefactor_otel.delivery.operation import Item, Operation, SpanRef

_IN_JSON: Final = frozenset('"\\')
_SPAN_OPERATIONS: Final = (Operation.CREATE, Operation.FINISH_SPAN)


class Stored(NamedTuple):
    """An item as the file has it; ``at`` is when it was written (seconds since the epoch)."""

    seq: int
    at: float
    item: Item


class Damaged(NamedTuple):
    """A row that cannot be sent; ``spans`` is 1 where it was the end of a span."""

    seq: int
    size: int
    spans: int


class Reading(NamedTuple):
    """Rows as they were read: what can be sent, what cannot, and the place of the last."""

    rows: list[Stored]
    damaged: list[Damaged]
    reached: int


class ParkedRow(NamedTuple):
    """A finished span that waits for its parent, or, as a root, for its time. Both are named by
    trace id and span id in hexadecimal, with a colon between."""

    key: str
    parent: str | None
    item: Item
    at: float = 0.0


class RunRow(NamedTuple):
    """What the file knows of a run. ``last_ns``: when something of it was last written."""

    run: str
    instance_id: str | None
    partition: int | None
    ids_accepted: bool
    closed: bool
    last_ns: int


class Owner(NamedTuple):
    """Whose spans a file holds: the API's address, salted hashes of the tokens, and the agents
    that the API said they belong to. Never a token."""

    address: str
    salt: bytes
    tokens: frozenset[bytes]
    agents: frozenset[str]


def stored(row: tuple[Any, ...]) -> Stored | Damaged:
    """A row of the table of items, as far as it can be sent: what is not so was changed by a
    fault of the disk, or by a hand."""
    seq, run, operation, key, span, parent, ends_span, at, body = row
    if (
        operation in list(Operation)
        and is_name(run)
        and is_name(key)
        and (is_ref(span) if operation in _SPAN_OPERATIONS else span is None)
        and (parent is None or is_ref(parent))
        and isinstance(at, float)
        and is_body(body)
    ):
        above = SpanRef(parent) if parent is not None else None
        ref = SpanRef(span) if span is not None else None
        item = Item(run, Operation(operation), key, body, ref, above, ends_span=bool(ends_span))
        return Stored(seq, at, item)
    size = len(body) if isinstance(body, (bytes, str)) else 0
    return Damaged(seq, size, int(bool(ends_span)))


def is_name(value: object) -> TypeGuard[str]:
    """Whether this can be the key of an item or of a run, which is JSON as it is."""
    if not isinstance(value, str) or not value.isascii():
        return False
    return value.isprintable() and value != "" and _IN_JSON.isdisjoint(value)


def is_ref(value: object) -> TypeGuard[bytes]:
    """Whether this can be a span's ref."""
    return isinstance(value, bytes) and len(value) == 16


def is_body(value: object) -> TypeGuard[bytes]:
    """Whether this is the inside of a JSON object."""
    if not isinstance(value, bytes):
        return False
    try:
        return isinstance(orjson.loads(b"{" + value + b"}"), dict)
    except ValueError:
        return False
