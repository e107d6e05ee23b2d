"""Operations that share a fate: what waits, is sent and is answered together.

A batch is filled while it waits, and sealed when it is full or on its way. Most are acknowledged
whole. Where the fates of its operations differ, it comes apart into smaller ones, of which the
smallest is of one operation; an operation about a run always is one by itself.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple

from prefactor_otel.delivery.operation import (
    OVERHEAD,
    Item,
    Operation,
    Packed,
    SpanRef,
    footprint_of,
)
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.storage import Storage

_run_of: Final = itemgetter(0)
_body_of: Final = itemgetter(3)
_span_of: Final = itemgetter(4)
SEALED: Final = -1
"""The limit of a batch that nothing may join any more."""


class Row(NamedTuple):
    """Where an operation is on disk, and when it was written (seconds since the epoch)."""

    seq: int
    at: float


@dataclass(slots=True)
class Owed:
    """A receipt that waits for the operations from one place up to another."""

    receipt: Receipt
    begin: int
    end: int


@dataclass(slots=True, eq=False)
class Batch:
    """Operations in order. Those on disk are all in one ``file``, each in its row."""

    file: Storage | None = None
    arrival: int = 0
    """When it came into memory: what came later has a higher number. That tells which spans are
    unrecorded for it, and where it stands in a line that is made anew."""
    is_anew: bool = False
    """Whether it creates a span that is unrecorded for what came before it."""
    is_end_alone: bool = False
    """Whether it finishes spans and says no more of them: it goes after all that says more."""
    items: list[Item] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)
    size: int = 0
    """Bytes that it takes in a request, at most."""
    spans: int = 0
    """Finished spans among the operations."""
    place: int = 0
    """Where it begins in what it was part of."""
    limit: int = SEALED
    """Bytes that it may take in a request if more is to join it."""
    attempts: int = 0
    """Requests that may have arrived with it."""
    faults: int = 0
    """How often the server failed over a request with it."""
    blamed: int = 0
    """How often it did so over this alone, while others got through."""
    failed_at: float = 0.0
    was_cancelled: bool = False
    """Whether it has been refused as cancelled, and is tried as failed."""
    named: frozenset[str] = frozenset()
    """The runs whose spans have gone with ids that we had made, the last time that it was sent."""
    sent_in: int = 0
    """How many runs had been followed when it was sent for the last time."""
    came_late: bool = False
    """Whether it has been refused because its run was over, and goes on in another."""
    not_before: float = 0.0
    """When it may be sent again (monotonic seconds)."""

    @classmethod
    def of(
        cls, items: Sequence[Item], file: Storage, rows: Sequence[Row], receipt: Receipt | None
    ) -> "Batch":
        """A batch of these in their whole, for which a receipt waits."""
        batch = cls(file)
        for item, row in zip(items, rows, strict=True):
            batch.add(item.unpacked(), row)
        if receipt is not None:
            batch.owe(receipt)
        return batch

    @classmethod
    def of_one(cls, item: Item, file: Storage | None = None) -> "Batch":
        """A batch of one that is on its way and stands in no line; of this file is what is told of
        its run."""
        batch = cls(file)
        batch.add(item)
        return batch

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    @property
    def item(self) -> Item:
        """The operation of a batch of one."""
        return self.items[0]

    @property
    def is_about_run(self) -> bool:
        """Whether it is one operation of a run, and not some of spans."""
        return self.items[0].span is None

    @property
    def is_judgement(self) -> bool:
        """Whether it is a judgement of a run."""
        return self.items[0].operation is Operation.QUALITY

    @property
    def was_sent(self) -> bool:
        """Whether a request with it may have arrived."""
        return self.attempts > 0

    @property
    def footprint(self) -> int:
        """Bytes of memory that it takes while it waits, with what is kept beside it."""
        return footprint_of(self.items) if self.items else 0

    @property
    def runs(self) -> Counter[str]:
        """Its runs, and how many of the operations are in each."""
        return Counter(map(_run_of, self.items))

    @property
    def touched(self) -> frozenset[SpanRef | None]:
        """The spans that it creates or finishes."""
        return frozenset(map(_span_of, self.items))

    @property
    def created(self) -> frozenset[SpanRef | None]:
        """The spans that it creates."""
        return frozenset(item.span for item in self.items if item.operation is Operation.CREATE)

    @property
    def needed(self) -> set[SpanRef | None]:
        """The spans that have to be there before these are of use."""
        named = {
            item.parent if item.operation is Operation.CREATE else item.span for item in self.items
        }
        return named - self.created

    def add(self, item: Item, row: Row | None = None) -> None:
        """An operation joins it, at the end."""
        if row is not None:
            self.rows.append(row)
        self.items.append(item)
        self.size += len(item.body) + OVERHEAD
        self.spans += item.ends_span

    def owe_last(self, receipt: Receipt) -> None:
        """Let a receipt wait for the operation that has joined last."""
        end = len(self.items)
        if self.owed:
            last = self.owed[-1]
            if last.receipt is receipt and last.end == end - 1:
                last.end = end
                return
        self._owe(receipt, end - 1, end)

    def owe(self, receipt: Receipt) -> None:
        """Let a receipt wait for all of it as well, and those no longer that nobody waits for."""
        self.owed = [each for each in self.owed if not each.receipt.is_over]
        self._owe(receipt, 0, len(self.items))

    def owe_up_to(self, seq: int, receipt: Receipt) -> None:
        """Let a receipt wait for what is on disk up to this place."""
        end = bisect_left(self.rows, seq + 1, key=lambda row: row.seq)
        if end:
            self._owe(receipt, 0, end)

    def _owe(self, receipt: Receipt, begin: int, end: int) -> None:
        receipt.expect()
        self.owed.append(Owed(receipt, begin, end))

    def resolve(self, *, lost: bool) -> None:
        """Tell everybody who waits for it whether it was acknowledged or dropped."""
        for owed in self.owed:
            owed.receipt.resolve(lost=lost)

    def put(self, items: list[Item]) -> None:
        """Others take the place of the operations, one for one."""
        self.size = sum(len(item.body) for item in items) + OVERHEAD * len(items)
        self.items = items

    def leave_end(self, end: Item) -> None:
        """Of a batch of one that finishes a span only the end is left. What it ended with is lost,
        and whoever waits for that is told."""
        self.resolve(lost=True)
        self.put([end])
        self.spans, self.owed, self.is_end_alone = 0, [], True
        self.faults = self.blamed = 0

    def unpack(self) -> int:
        """Bring it into the form in which it is sent. Returns how many bytes of memory it takes
        more now."""
        if Packed not in map(type, map(_body_of, self.items)):
            return 0
        before = self.footprint
        self.put([item.unpacked() for item in self.items])
        return self.footprint - before

    def absorb(self, other: "Batch") -> None:
        """Another, of the same file, follows in here; whoever waits for that waits for this."""
        begin = len(self.items)
        self.owed += [Owed(o.receipt, begin + o.begin, begin + o.end) for o in other.owed]
        self.rows += other.rows
        self.size += other.size
        self.spans += other.spans
        self.items += other.items

    def part(self, places: Sequence[int]) -> "Batch":
        """A copy of what stands at these places, which grow: another batch with the same past."""
        made = Batch(self.file, self.arrival, self.is_anew, self.is_end_alone)
        made.place = self.place + places[0] if places else 0
        made.items = [self.items[place] for place in places]
        made.rows = [self.rows[place] for place in places] if self.rows else []
        made.size = sum(len(item.body) for item in made.items) + OVERHEAD * len(places)
        made.spans = sum(item.ends_span for item in made.items)
        for each in self.owed:
            first, last = bisect_left(places, each.begin), bisect_left(places, each.end)
            if first < last:
                made._owe(each.receipt, first, last)
        made.attempts, made.faults, made.blamed = self.attempts, self.faults, self.blamed
        made.failed_at, made.not_before = self.failed_at, self.not_before
        made.was_cancelled, made.named = self.was_cancelled, self.named
        made.sent_in, made.came_late = self.sent_in, self.came_late
        return made

    def first(self) -> "Batch":
        """The first operation leaves, as a batch of its own."""
        made = self.part([0])
        left = [Owed(each.receipt, max(0, each.begin - 1), each.end - 1) for each in self.owed]
        for each in left:
            if not each.end:
                each.receipt.resolve(lost=False)  # the other counts in its place
        self.items, self.rows, self.owed, self.size, self.spans = (
            *(self.items[1:], self.rows[1:], [each for each in left if each.end]),
            *(self.size - made.size, self.spans - made.spans),
        )
        return made

    def keep(self, places: Sequence[int]) -> None:
        """Only what stands at these places, which grow, stays in here: the rest is in others."""
        kept = self.part(places)
        self.resolve(lost=False)  # the parts count in its place
        # In one step: whoever does this may be struck before any line.
        self.items, self.rows, self.owed, self.size, self.spans, self.place = (
            *(kept.items, kept.rows, kept.owed, kept.size, kept.spans, kept.place),
        )

    def mend(self, places: Sequence[int]) -> None:
        """The same, where whoever changed it last may have been struck amid that."""
        self.rows = self.rows[: len(self.items)]
        self.keep(places)
