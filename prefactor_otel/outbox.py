"""What waits for the API: a queue bounded in items and bytes, owned by the worker's thread."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

from prefactor_otel.items import Item, Operation, SpanRef


class Receipt:
    """A promise to whoever handed something over: settled when all of it is.

    The future's result is True when everything was acknowledged, False when something was
    dropped, None when the waiting was called off and everything stays accepted. A ``patient``
    one is never called off: whoever holds it has a deadline of his own.
    """

    __slots__ = ("_lost", "_outstanding", "_patient", "_sealed", "future")

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient
        self.future: Future[bool | None] = Future()
        self._outstanding = 0
        self._lost = False
        self._sealed = False

    def expect(self, count: int = 1) -> None:
        """So many more entries belong to this receipt."""
        self._outstanding += count

    def seal(self) -> None:
        """Nothing more will be expected."""
        self._sealed = True
        self._settle()

    def resolve(self, *, lost: bool) -> None:
        """One of its entries is acknowledged or lost."""
        self._outstanding -= 1
        self._lost = self._lost or lost
        self._settle()

    def lose(self) -> None:
        """Something that never became an entry is lost."""
        self._lost = True

    def call_off(self) -> None:
        """Stop the waiting; what was accepted stays accepted."""
        if not self._patient and not self.future.done():
            self.future.set_result(None)

    def _settle(self) -> None:
        if self._sealed and self._outstanding <= 0 and not self.future.done():
            self.future.set_result(not self._lost)


@dataclass(slots=True, eq=False)
class Entry:
    """An item in the outbox and who waits for it."""

    item: Item
    receipts: list[Receipt] = field(default_factory=list)
    attempts: int = 0

    def resolve(self, *, lost: bool) -> None:
        """Tell everybody who waits for it."""
        for receipt in self.receipts:
            receipt.resolve(lost=lost)


SPAN_OPERATIONS: Final = (Operation.CREATE, Operation.FINISH_SPAN)


class LostSpans:
    """Spans that will never have a record, and the parents that their children get instead.
    Bounded: the oldest are forgotten first."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._parents: OrderedDict[SpanRef, SpanRef | None] = OrderedDict()

    def __contains__(self, ref: SpanRef | None) -> bool:
        return ref in self._parents

    def note(self, item: Item) -> None:
        """An item is given up; if it would have created its span, that is lost."""
        if item.operation is Operation.CREATE and item.span is not None:
            self.add(item.span, item.parent)

    def add(self, ref: SpanRef, parent: SpanRef | None) -> None:
        """This span is lost; its children hang on ``parent`` from now on."""
        self._parents[ref] = parent
        if len(self._parents) > self._capacity:
            self._parents.popitem(last=False)

    def nearest(self, parent: SpanRef | None) -> SpanRef | None:
        """The nearest of ``parent`` and its ancestors that is not lost."""
        while parent is not None and parent in self._parents:
            parent = self._parents[parent]
        return parent


class Outbox:
    """First in, first out; past its bounds the oldest span item is given up."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.lost = LostSpans()
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._queue: deque[Entry] = deque()
        self._leased: dict[Entry, None] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._queue) + len(self._leased)

    @property
    def size(self) -> int:
        """Bytes that wait, those in flight included."""
        return self._bytes

    @property
    def queued(self) -> int:
        """Items that wait and are not in flight."""
        return len(self._queue)

    def put(self, items: Iterable[Item], receipt: Receipt | None = None) -> list[Entry]:
        """Add items at the end. Returns the entries given up to stay within the bounds. The
        run's own items displace none: they are few, and nothing arrives without them."""
        spans = False
        for item in items:
            spans = spans or item.operation in SPAN_OPERATIONS
            entry = Entry(item)
            if receipt is not None:
                receipt.expect()
                entry.receipts.append(receipt)
            self._queue.append(entry)
            self._bytes += item.size
        return self._overflow() if spans else []

    def _overflow(self) -> list[Entry]:
        given_up: list[Entry] = []
        kept: list[Entry] = []
        while self._queue and (len(self) > self._max_items or self._bytes > self._max_bytes):
            entry = self._queue.popleft()
            if entry.item.operation in SPAN_OPERATIONS:
                self._bytes -= entry.item.size
                self.lost.note(entry.item)
                given_up.append(entry)
            else:
                kept.append(entry)
        self._queue.extendleft(reversed(kept))
        return given_up

    def lease(self, max_items: int, max_bytes: int) -> list[Entry]:
        """Take the oldest entries, at least one if there is any; they still count as waiting."""
        size = 0
        while self._queue and len(self._leased) < max_items:
            size += self._queue[0].item.size
            if self._leased and size > max_bytes:
                break
            self._leased[self._queue.popleft()] = None
        return list(self._leased)

    def settle(self, entry: Entry) -> None:
        """A leased entry is done with, delivered or not."""
        del self._leased[entry]
        self._bytes -= entry.item.size

    def replace(self, entry: Entry, item: Item) -> None:
        """Give a leased entry another item, for instance a smaller one."""
        self._bytes += item.size - entry.item.size
        entry.item = item

    def ahead_of(self, entry: Entry) -> Iterator[Entry]:
        """The leased entries that must be settled before this one."""
        return (other for other in self._leased if other is not entry)

    def release(self) -> None:
        """Put what is still leased back at the front, in its order."""
        self._queue.extendleft(reversed(list(self._leased)))
        self._leased.clear()

    def watch(self, receipt: Receipt) -> None:
        """Let a receipt wait for everything that is in the outbox now."""
        for entry in (*self._leased, *self._queue):
            receipt.expect()
            entry.receipts.append(receipt)

    def call_off(self) -> None:
        """Stop every waiting for a receipt."""
        for entry in (*self._leased, *self._queue):
            for receipt in entry.receipts:
                receipt.call_off()

    def drain(self) -> list[Entry]:
        """Take everything out, for the final account."""
        entries = [*self._leased, *self._queue]
        self._leased.clear()
        self._queue.clear()
        self._bytes = 0
        return entries
