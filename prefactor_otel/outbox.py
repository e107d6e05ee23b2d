"""What waits for the API: a queue bounded in items and bytes, owned by the worker's thread.

With a spool every item is on disk before anybody is told that it is accepted. Memory then holds
the front of the line only, and disk the whole of it.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from prefactor_otel.errors import SpoolError
from prefactor_otel.items import Item, Operation, SpanRef
from prefactor_otel.ledger import DropReason, Ledger, QuietLog
from prefactor_otel.spool.rows import ParkedRow, Stored

if TYPE_CHECKING:  # only a process with a spool loads a database
    from prefactor_otel.spool.file import SpoolFile


class Receipt:
    """A promise to whoever handed something over: settled when all of it is.

    ``future``'s result is True when everything was acknowledged, False when something was
    dropped, None when the waiting was called off and everything stays accepted. A ``patient``
    one is never called off: whoever holds it has a deadline of his own. ``stored``'s result is
    whether everything is on disk, or acknowledged already.
    """

    __slots__ = ("_lost", "_outstanding", "_patient", "_sealed", "future", "stored")

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient
        self.future: Future[bool | None] = Future()
        self.stored: Future[bool] = Future()
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

    def keep(self, *, on_disk: bool) -> None:
        """Everything handed over with it has been written, or cannot be."""
        if not self.stored.done():
            self.stored.set_result(on_disk)

    def _settle(self) -> None:
        if self._sealed and self._outstanding <= 0 and not self.future.done():
            self.future.set_result(not self._lost)


@dataclass(slots=True, eq=False)
class Entry:
    """An item in the outbox, who waits for it, and where it is on disk, if it is."""

    item: Item
    at: float = 0.0
    file: "SpoolFile | None" = None
    seq: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    attempts: int = 0

    def resolve(self, *, lost: bool) -> None:
        """Tell everybody who waits for it."""
        for receipt in self.receipts:
            receipt.resolve(lost=lost)


SPAN_OPERATIONS: Final = (Operation.CREATE, Operation.FINISH_SPAN)
REFILL: Final = 512
"""Items read from disk at a time."""


class LostSpans:
    """Spans that will never have a record, and the parents that their children get instead.
    Bounded: the oldest are forgotten first."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._parents: OrderedDict[SpanRef, SpanRef | None] = OrderedDict()

    def __contains__(self, ref: SpanRef | None) -> bool:
        return ref in self._parents

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

    def __init__(self, max_items: int, max_bytes: int, ledger: Ledger, log: QuietLog) -> None:
        self.lost = LostSpans()
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._ledger = ledger
        self._log = log
        self._queue: deque[Entry] = deque()
        self._leased: dict[Entry, None] = {}
        self._bytes = 0
        self.more: Callable[[], None] = lambda: None
        """Called when there is room for what others have left."""
        self._line = DiskLine()
        self.adopted = 0
        """Items that memory holds of an adopted file."""
        self._adopted: SpoolFile | None = None

    def __len__(self) -> int:
        return len(self._queue) + len(self._leased) + self._line.items

    @property
    def size(self) -> int:
        """Bytes that wait, in memory and on disk, those in flight included."""
        return self._bytes + self._line.bytes

    @property
    def queued(self) -> int:
        """Items that wait and are not in flight."""
        return len(self._queue) + self._line.items

    @property
    def is_durable(self) -> bool:
        """Whether what is put in here is on disk once it is committed."""
        return self._line.file is not None and not self._line.failed

    def spool_into(self, file: "SpoolFile", max_bytes: int, max_age: float) -> None:
        """From now on everything is on disk as well, up to so many bytes and seconds."""
        self._line = DiskLine(file, max_bytes, max_age)

    def put(self, items: Sequence[Item], receipt: Receipt | None = None) -> None:
        """Add items at the end, then give up what is past the bounds, but never the run's own
        items: those are few, and nothing arrives without them."""
        now = time.time()
        places = self._written(items, now)
        for number, item in enumerate(items):
            entry = Entry(item, now)
            if places:
                entry.file, entry.seq = self._line.file, places[number]
            if receipt is not None:
                receipt.expect()
                entry.receipts.append(receipt)
            self._append(entry)
        if any(item.operation in SPAN_OPERATIONS for item in items):
            self._overflow()

    def adopt(self, file: "SpoolFile", rows: Iterable[Stored], *, not_before: float) -> None:
        """Add what a process that has died left in its file, as far as it is not too old; one
        such file at a time."""
        self._adopted = file
        for seq, at, item in rows:
            self._ledger.adopt(int(item.ends_span))
            entry = Entry(item, at, file, seq)
            self._bytes += item.footprint
            self.adopted += 1
            if at < not_before and item.operation in SPAN_OPERATIONS:
                self._drop(entry, DropReason.EXPIRED)
            else:
                self._queue.append(entry)

    def disown(self) -> None:
        """The adopted file is closed; what memory still holds of it is in memory only."""
        self.commit()
        for entry in (*self._leased, *self._queue):
            if entry.file is self._adopted:
                entry.file = None
        self._adopted, self.adopted = None, 0

    def lease(self, max_items: int, max_bytes: int) -> list[Entry]:
        """Take the oldest entries, at least one if there is any; they still count as waiting."""
        if self._line.items and len(self._queue) < max_items:
            self._refill()
        elif len(self._queue) < max_items:
            self.more()
        self._expire()
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
        self._let_go(entry)

    def replace(self, entry: Entry, item: Item) -> None:
        """Give a leased entry another item, for instance a smaller one."""
        self._bytes += item.footprint - entry.item.footprint
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
        self._line.watch(receipt)

    def call_off(self) -> None:
        """Stop every waiting for a receipt."""
        for entry in (*self._leased, *self._queue):
            for receipt in entry.receipts:
                receipt.call_off()
        self._line.call_off()

    def drain(self) -> list[Entry]:
        """Take everything out of memory, for the final account."""
        entries = [*self._leased, *self._queue, *self._line.tail]
        self._leased.clear()
        self._queue.clear()
        self._line.tail.clear()
        self._bytes = 0
        return entries

    # -- what must outlive the process --------------------------------------------------------

    def park(self, rows: Sequence[ParkedRow]) -> None:
        """Keep on disk what waits in memory for its parents, outside of the line."""
        file = self._line.file
        if rows and file is not None and self.is_durable:
            self._on_disk(file, lambda: file.park(rows, time.time()))

    def commit(self) -> None:
        """Everything put in, settled and noted so far outlives the process."""
        if self._line.file is not None:
            self._on_disk(self._line.file, self._line.commit)
        if self._adopted is not None:
            self._on_disk(self._adopted, self._adopted.commit)

    def give_up(self, entry: Entry) -> None:
        """The span that an entry would have created gets no record."""
        item = entry.item
        if item.operation is Operation.CREATE and item.span is not None:
            self.lose(entry, item.span, item.parent)

    def lose(self, entry: Entry, span: SpanRef, parent: SpanRef | None) -> None:
        """A span has no record; what hangs on it hangs on ``parent`` from now on."""
        self.lost.add(span, parent)
        self.note(entry, lambda file: file.lost(span, parent))

    def note(self, entry: Entry, write: "Callable[[SpoolFile], None]") -> None:
        """Write something about an entry into the file that it is in, if it is in any."""
        file = entry.file
        if file is not None:
            self._on_disk(file, lambda: write(file))

    def _on_disk(self, file: "SpoolFile", work: Callable[[], None]) -> bool:
        """Do something with a file; where that fails, this process writes to disk no more."""
        own = file is self._line.file
        if own and self._line.failed:
            return False
        try:
            work()
        except SpoolError as error:
            if own:
                self._fall_back()
            self._ledger.trouble(f"spool: {error}")
            self._log.warn("spool", f"The spool failed, spans wait in memory only: {error}")
            return False
        return True

    def _fall_back(self) -> None:
        """Memory takes over what had left it and has not arrived on disk."""
        missed = self._line.fail()
        (self._line.tail if self._line.items else self._queue).extend(missed)
        self._bytes += sum(entry.item.footprint for entry in missed)

    def _written(self, items: Sequence[Item], now: float) -> list[int]:
        file, places = self._line.file, list[int]()
        if file is not None:
            self._on_disk(file, lambda: places.extend(file.write(items, now)))
        return places

    # -- the line ---------------------------------------------------------------------------

    def _append(self, entry: Entry) -> None:
        full = len(self._queue) >= self._max_items or self._bytes >= self._max_bytes
        if entry.file is not None and (self._line.items or full):
            self._line.append(entry)
        elif self._line.items:  # the disk has failed; what is on it goes first
            self._line.tail.append(entry)
            self._bytes += entry.item.footprint
        else:
            self._queue.append(entry)
            self._bytes += entry.item.footprint
            self._line.reached = max(self._line.reached, entry.seq)

    def _refill(self) -> None:
        """Read on in the line on disk."""
        entries: list[Entry] = []
        try:
            entries = self._line.read_on()
        except SpoolError as error:
            self._ledger.trouble(f"spool: {error}")
            self._log.warn("spool", f"The spool cannot be read: {error}")
            self._ledger.drop(DropReason.SPOOL_FAILED, self._line.abandon())
        self._queue.extend(entries)
        self._bytes += sum(entry.item.footprint for entry in entries)
        if not self._line.items:
            self._queue.extend(self._line.tail)
            self._line.tail.clear()

    def _overflow(self) -> None:
        if self.is_durable:
            while self.size > self._line.max_bytes and self._drop_oldest(DropReason.SPOOL_FULL):
                pass
            return
        in_memory = len(self._queue) + len(self._leased) + len(self._line.tail)
        while (in_memory > self._max_items or self._bytes > self._max_bytes) and in_memory:
            if not self._drop_oldest(DropReason.QUEUE_FULL):
                return
            in_memory -= 1

    def _expire(self) -> None:
        if self._line.file is None:
            return
        oldest = time.time() - self._line.max_age
        while self._drop_oldest(DropReason.EXPIRED, before=oldest):
            if not self._queue and self._line.items:
                self._refill()

    def _drop_oldest(self, reason: DropReason, before: float | None = None) -> bool:
        """Give up the oldest span item that is not in flight (and older than a time)."""
        if self._line.items and not self._queue:
            self._refill()
        queue = self._queue or self._line.tail
        for index, entry in enumerate(queue):
            if before is not None and entry.at >= before:
                return False
            if entry.item.operation in SPAN_OPERATIONS:
                del queue[index]
                self._drop(entry, reason)
                return True
        return False

    def _drop(self, entry: Entry, reason: DropReason) -> None:
        self.give_up(entry)
        self._let_go(entry)
        if entry.item.ends_span:
            self._ledger.drop(reason, 1)
            self._log.warn(reason.value, f"Spans dropped ({reason.value}): {_WHY[reason]}")
        entry.resolve(lost=True)

    def _let_go(self, entry: Entry) -> None:
        seq = entry.seq
        self._bytes -= entry.item.footprint
        self.note(entry, lambda file: file.forget(seq))
        self.adopted -= entry.file is not None and entry.file is self._adopted


_WHY: Final = {
    DropReason.QUEUE_FULL: "the outbox is full, the oldest go",
    DropReason.SPOOL_FULL: "the spool is full, the oldest go",
    DropReason.EXPIRED: "they waited longer than the spool keeps them",
}


class DiskLine:
    """The part of the line that is on disk only, behind what is in memory: how long it is, how
    far memory has read, and who waits for something in it."""

    def __init__(
        self, file: "SpoolFile | None" = None, max_bytes: int = 0, max_age: float = 0.0
    ) -> None:
        self.file = file
        self.max_bytes = max_bytes
        self.max_age = max_age
        self.failed = False
        self.items = 0
        self.bytes = 0
        self.reached = 0
        """The last place in the file that memory holds or has held."""
        self.tail: deque[Entry] = deque()
        """What came after the disk had failed, while there was still something on it."""
        self._spans = 0
        self._uncommitted: list[Entry] = []
        self._watched: list[tuple[int, Receipt]] = []

    def append(self, entry: Entry) -> None:
        """An entry that is on disk leaves memory."""
        self._change(entry, +1)
        self._uncommitted.append(entry)
        for receipt in entry.receipts:
            self.watch(receipt)
            receipt.resolve(lost=False)  # the watching counts in its place

    def _change(self, entry: Entry, by: int) -> None:
        self.items += by
        self.bytes += by * entry.item.size
        self._spans += by * entry.item.ends_span

    def commit(self) -> None:
        """What was appended is safe. Raises ``SpoolError``."""
        assert self.file is not None
        self.file.commit()
        self._uncommitted.clear()

    def fail(self) -> list[Entry]:
        """The disk takes nothing more. Returns what had left memory and never got there."""
        self.failed = True
        missed = [entry for entry in self._uncommitted if entry.seq > self.reached]
        self._uncommitted.clear()
        for entry in missed:
            self._change(entry, -1)
            entry.file = None
        return missed

    def read_on(self) -> list[Entry]:
        """The next entries. Raises ``SpoolError``."""
        assert self.file is not None
        entries = [
            Entry(item, at, self.file, seq)
            for seq, at, item in self.file.read(self.reached, min(REFILL, self.items))
        ]
        if not entries:
            raise SpoolError(f"{self.file.path}: rows are missing")
        for entry in entries:
            self._change(entry, -1)
            for place, receipt in self._watched:
                if entry.seq <= place:
                    receipt.expect()
                    entry.receipts.append(receipt)
        self.reached = entries[-1].seq
        self._release(lost=False)
        return entries

    def abandon(self) -> int:
        """What is on disk cannot be read. Returns how many spans that is."""
        spans, self.items, self.bytes, self._spans = self._spans, 0, 0, 0
        self.failed = True
        self._release(lost=True)
        return spans

    def watch(self, receipt: Receipt) -> None:
        """Let a receipt wait for everything that is on disk only."""
        if not self.items:
            return
        assert self.file is not None
        if not self._watched or self._watched[-1][1] is not receipt:
            receipt.expect()
        else:
            self._watched.pop()
        self._watched.append((self.file.last_seq, receipt))

    def call_off(self) -> None:
        """Stop every waiting for a receipt."""
        for _, receipt in self._watched:
            receipt.call_off()
        self._watched = [(p, receipt) for p, receipt in self._watched if not receipt.future.done()]

    def _release(self, *, lost: bool) -> None:
        """Whatever is read is waited for entry by entry."""
        waiting = []
        for place, receipt in self._watched:
            if lost or place <= self.reached:
                receipt.resolve(lost=lost)
            else:
                waiting.append((place, receipt))
        self._watched = waiting
