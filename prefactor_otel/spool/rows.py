"""What a spool keeps, without the database that keeps it: most processes have no spool."""

from typing import NamedTuple

from prefactor_otel.items import Item


class Stored(NamedTuple):
    """An item as the file has it; ``at`` is when it was written (seconds since the epoch)."""

    seq: int
    at: float
    item: Item


class ParkedRow(NamedTuple):
    """A finished span that waits for its parent. Both are named by trace id and span id in
    hexadecimal, with a colon between."""

    key: str
    parent: str
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
