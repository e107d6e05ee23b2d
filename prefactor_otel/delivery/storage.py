"""What the outbox needs of a file that outlives the process. Most processes have none."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from prefactor_otel.delivery.operation import Item, SpanRef
from prefactor_otel.delivery.rows import ParkedRow, Reading


class Storage(Protocol):
    """Items in the order of their places, and what is known of them. One thread uses it. What is
    told to it is kept when ``commit`` returns; ``commit`` and ``read`` raise ``SpoolError`` when
    the disk fails, and then the next ``commit`` keeps all of it."""

    last_seq: int
    """The last place that was given to an item."""

    @property
    def path(self) -> Path:
        """Where it is, or is to be."""

    @property
    def is_in_place(self) -> bool:
        """Whether the next process will find what is kept."""

    @property
    def parked_on_disk(self) -> int:
        """Spans that were parked and are kept."""

    def write(self, items: Sequence[Item], at: float) -> range:
        """Append items, written at this time (seconds since the epoch). Returns their places,
        which grow."""

    def read(self, after: int, limit: int) -> Reading:
        """The items that are kept behind this place, in order: at most ``limit``, and no more
        than about four megabytes."""

    @property
    def is_behind(self) -> bool:
        """Whether items were written that are not kept yet."""

    def holds(self, seq: int) -> bool:
        """Whether the item of this place is kept, or what it was made of."""

    def rewrite(self, seq: int, item: Item, at: float) -> None:
        """Keep this item in the place of another, written at the time of that."""

    def forget(self, seqs: Iterable[int]) -> None:
        """The items of these places are done with."""

    def park(self, rows: Iterable[ParkedRow], at: float) -> None:
        """Keep finished spans that still wait in memory for their parents."""

    def unpark(self, keys: Iterable[str]) -> None:
        """What waited under these keys is not to be sent."""

    def registered(
        self, run: str, instance_id: str, partition: int | None, *, ids_accepted: bool
    ) -> None:
        """The API has told what it calls a run, and who makes the ids of its spans."""

    def learnt(self, run: str, span: SpanRef, server_id: str) -> None:
        """The API has made a span's id."""

    def unrecorded(self, span: SpanRef, parent: SpanRef | None) -> None:
        """A span will have no record; its children hang on ``parent``."""

    def run_over(self, run: str) -> None:
        """Nothing more is to be known of a run."""

    def serves(self, agent: str) -> None:
        """The API says that the runs in here belong to this agent."""

    def commit(self) -> None:
        """Everything told so far outlives the process from here on."""
