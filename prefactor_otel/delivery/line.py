"""The line for the API: what has to wait for what, which spans are lost, what is on disk only."""

import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from prefactor_otel.delivery.operation import OVERHEAD, Item, Operation, SpanRef
from prefactor_otel.delivery.receipt import Entry, Receipt
from prefactor_otel.delivery.rows import Damaged
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries to write to a disk that has failed."""
CALM: Final = 600.0
"""Seconds without a failure after which the next pause is the first again."""
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


class Pauses:
    """Between two tries to write to a disk that has failed: short at first, then longer."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._failed_at = -math.inf

    @property
    def end(self) -> float:
        """When it makes sense to write again (monotonic seconds)."""
        return self._failed_at + self._pause

    @property
    def is_over(self) -> bool:
        """Whether it makes sense to write."""
        return time.monotonic() >= self.end

    def begin(self) -> None:
        """The disk has failed."""
        now = time.monotonic()
        calm = now - self._failed_at > CALM
        self._pause = FIRST_PAUSE if calm else min(LONGEST_PAUSE, self._pause * 2)
        self._failed_at = now


class DiskLine:
    """The part of the line that is on disk only, behind what is in memory: how long it is, how
    far memory has read, and who waits for something in it."""

    def __init__(
        self, file: Storage | None = None, max_bytes: int = 0, max_age: float = 0.0
    ) -> None:
        self.file = file
        self.max_bytes = max_bytes
        self.max_age = max_age
        self.failed = False
        self.given_up = False
        """Whether what was on disk cannot be read any more."""
        self.items = 0
        self.bytes = 0
        self.reached = 0
        """The last place in the file that memory holds or has held."""
        self.tail: deque[Entry] = deque()
        """What came after the disk had failed, while there was still something on it."""
        self.spans = 0
        """Finished spans among the items."""
        self._begun = time.monotonic()
        self._pauses = Pauses()
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
        self.spans += by * entry.item.ends_span

    @property
    def is_younger_than_its_limit(self) -> bool:
        """Whether nothing of this process can be too old yet, whatever the wall clock says."""
        return time.monotonic() - self._begun <= self.max_age

    @property
    def is_due(self) -> bool:
        """Whether the disk is to be written to: where that has failed, not at once again."""
        return not self.failed or self._pauses.is_over

    @property
    def next_try(self) -> float:
        """When a disk that has failed is to be written to again; ``math.inf`` without one."""
        return self._pauses.end if self.failed and not self.given_up else math.inf

    @property
    def is_uncommitted(self) -> bool:
        """Whether something has left memory and is not safe yet."""
        return bool(self._uncommitted)

    def retry(self) -> None:
        """Where the disk has failed, do not wait any longer."""
        self._pauses = Pauses()

    def commit(self) -> None:
        """What was appended is safe. Raises ``SpoolError``."""
        assert self.file is not None
        self.file.commit()
        self._uncommitted.clear()
        self.failed = self.given_up

    def fail(self) -> list[Entry]:
        """The disk takes nothing now. Returns what had left memory and never got there."""
        self.failed = True
        self._pauses.begin()
        missed = [entry for entry in self._uncommitted if entry.seq > self.reached]
        self._uncommitted.clear()
        for entry in missed:
            self._change(entry, -1)
        return missed

    def leave(self) -> list[Entry]:
        """The disk works again, and has what came meanwhile: that leaves memory. Returns it."""
        left = list(self.tail)
        self.tail.clear()
        for entry in left:
            self.append(entry)
        self._uncommitted.clear()
        return left

    def read_on(self) -> tuple[list[Entry], int]:
        """The next entries, and how many spans there are whose rows are damaged. Raises
        ``SpoolError``."""
        assert self.file is not None
        reading = self.file.read(self.reached, min(REFILL, self.items))
        entries = [Entry(item, at, self.file, seq) for seq, at, item in reading.rows]
        if reading.reached == self.reached:
            raise SpoolError(f"{self.file.path}: rows are missing", damaged=True)
        self._forget(self.file, reading.damaged)
        for entry in entries:
            self._change(entry, -1)
            for place, receipt in self._watched:
                if entry.seq <= place:
                    entry.owe(receipt)
        self.reached = reading.reached
        self._release(lost=False)
        return entries, sum(row.spans for row in reading.damaged)

    def _forget(self, file: Storage, damaged: Iterable[Damaged]) -> None:
        for row in damaged:
            self.items -= 1
            self.bytes -= row.size + OVERHEAD
            self.spans -= row.spans
            file.forget(row.seq)

    def abandon(self) -> int:
        """What is on disk cannot be read. Returns how many spans that is."""
        spans, self.items, self.bytes, self.spans = self.spans, 0, 0, 0
        self.failed = self.given_up = True
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
