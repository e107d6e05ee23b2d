"""The line for the API: what has to wait for what, which spans are lost, what is on disk only."""

from collections import Counter, OrderedDict, deque
from typing import TYPE_CHECKING, Final

from prefactor_otel.errors import SpoolError
from prefactor_otel.items import Item, Operation, SpanRef
from prefactor_otel.receipt import Entry, Receipt

if TYPE_CHECKING:
    from prefactor_otel.spool.file import SpoolFile

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


class Ahead:
    """Items that are in flight or in the line, as far as others have to wait for them: spans for
    their parent and their creation, everything for the opening of its run, and the end of a run
    for everything in it."""

    def __init__(self) -> None:
        self._spans: set[SpanRef] = set()
        self._runs: Counter[str] = Counter()
        self._opening: set[str] = set()

    def add(self, item: Item) -> None:
        self._runs[item.run] += 1
        if item.span is not None:
            self._spans.add(item.span)
        elif item.operation is not Operation.FINISH_RUN:
            self._opening.add(item.run)

    def remove(self, item: Item) -> None:
        """The item, which has been added, is through or back in the line."""
        self._runs[item.run] -= 1
        if not self._runs[item.run]:
            del self._runs[item.run]
        if item.span is not None:
            self._spans.discard(item.span)
        else:
            self._opening.discard(item.run)

    def holds_up(self, item: Item) -> bool:
        """Whether the item has to wait for one of these."""
        if item.operation not in SPAN_OPERATIONS:
            return item.run in self._runs
        return item.run in self._opening or item.span in self._spans or item.parent in self._spans


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
                    entry.owe(receipt)
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
