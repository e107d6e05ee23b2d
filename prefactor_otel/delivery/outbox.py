"""What waits for the API: a queue bounded in items and bytes, owned by the worker's thread.

With a spool every item is on disk before anybody is told that it is accepted. Memory then holds
the front of the line only, and disk the whole of it. Without one, what comes while the API does not
answer is packed: twice as much and more fits in.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from prefactor_otel import clock
from prefactor_otel.clock import Period
from prefactor_otel.delivery.budget import Budget, Share
from prefactor_otel.delivery.line import SPAN_OPERATIONS, Ahead, DiskLine, LostSpans, Pauses
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.receipt import Entry, Receipt
from prefactor_otel.delivery.rows import ParkedRow, Stored
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog

if TYPE_CHECKING:
    from pathlib import Path


MAX_PASSED: Final = 4096
"""Entries that are looked at in vain, at most, to fill one request."""
_WHY: Final = {
    DropReason.QUEUE_FULL: (
        "more waits than max_queue_bytes or max_queue_size lets, so the oldest go. Raise that, "
        "or set spool_dir: then what waits is on disk"
    ),
    DropReason.SPOOL_FULL: "more waits on disk than spool_max_bytes lets, so the oldest go",
    DropReason.EXPIRED: "they waited longer than spool_max_age",
}


class Outbox:
    """First in, first out; past its bounds the oldest span item is given up."""

    def __init__(self, budget: Budget, counters: Counters, log: QuietLog) -> None:
        self.lost = LostSpans()
        self._budget = budget
        self._counters = counters
        self._log = log
        self._queue: deque[Entry] = deque()
        self._leased: dict[Entry, None] = {}
        self._flying = Ahead()
        self.more: Callable[[], None] = lambda: None
        """Called when there is room for what others have left."""
        self._may_hold_run_items = False
        """Whether it makes sense to look for operations of runs in the line."""
        self.packs = False
        """Whether what comes now will wait for long."""
        self._line = DiskLine()
        self._adopted: Storage | None = None
        self._adopted_pauses = Pauses()

    def __len__(self) -> int:
        return len(self._queue) + len(self._leased) + self._line.items

    @property
    def size(self) -> int:
        """Bytes that wait, in memory and on disk, those in flight included."""
        return self._budget.queued.bytes + self._budget.adopted.bytes + self._line.bytes

    @property
    def adopted(self) -> int:
        """Items that memory holds of an adopted file."""
        return self._budget.adopted.items

    @property
    def queued(self) -> int:
        """Items that wait and are not in flight."""
        return len(self._queue) + self._line.items

    @property
    def path(self) -> "Path | None":
        """Where this process's file is, if it has one."""
        return self._line.file.path if self._line.file is not None else None

    @property
    def is_durable(self) -> bool:
        """Whether what is put in here is on disk once it is committed."""
        return self._line.file is not None and not self._line.failed

    @property
    def next_due(self) -> float:
        """When there is something to be done here (monotonic seconds); ``math.inf`` if never."""
        return self._line.next_try

    def spool_into(self, file: Storage, max_bytes: int, max_age: float) -> None:
        """From now on everything is on disk as well, up to so many bytes and seconds."""
        self._line = DiskLine(file, max_bytes, max_age)
        self.commit()

    def put(self, items: Sequence[Item], receipt: Receipt | None = None) -> None:
        """Add items at the end, then give up what is past the bounds, but never the run's own
        items: those are few, and nothing arrives without them."""
        if not items:
            return
        now = clock.now()
        file = self._line.file
        places = file.write(items, now) if file is not None else ()
        for number, item in enumerate(items):
            entry = Entry(item, now)
            if places:
                entry.file, entry.seq = file, places[number]
            if receipt is not None:
                entry.owe(receipt)
            self._append(entry)
        if any(item.operation in SPAN_OPERATIONS for item in items):
            self.make_room()

    def adopt(self, file: Storage, rows: Iterable[Stored], *, too_old: Period) -> None:
        """Add what a process that has died left in its file, as far as it is not too old; one
        such file at a time."""
        self._adopted, self._may_hold_run_items = file, True
        for seq, at, item in rows:
            self._counters.adopt(int(item.ends_span))
            entry = Entry(item, at, file, seq)
            self._budget.adopted.add(item.footprint)
            if at in too_old and item.operation in SPAN_OPERATIONS:
                self._drop(entry, DropReason.EXPIRED)
            else:
                self._queue.append(entry)

    def disown(self) -> None:
        """The adopted file is closed; what memory still holds of it is in memory only."""
        self.commit()
        for entry in (*self._leased, *self._queue):
            if entry.file is self._adopted:
                entry.file = None
        self._adopted = None
        self._count_anew()

    def retry(self) -> None:
        """There is room on the disk again: if it had failed, write to it at once."""
        self._line.retry()

    def lease(self, max_items: int, max_bytes: int) -> list[Entry]:
        """Take the oldest span operations that can be sent now, for one request. They still
        count as waiting. Whatever needs something that is in flight, or that needs such a thing,
        stays in the line."""
        self._read_on(max_items)
        return self._take(max_items, max_bytes, about_runs=False)

    def lease_about_runs(self, most: int) -> list[Entry]:
        """The same for the operations of runs, each of which is a request of its own."""
        self._read_on(most)
        if not self._may_hold_run_items:
            return []
        batch = self._take(most, math.inf, about_runs=True)
        self._may_hold_run_items = bool(batch) or any(
            entry.item.operation not in SPAN_OPERATIONS for entry in self._queue
        )
        return batch

    def _read_on(self, wanted: int) -> None:
        """Let memory hold what is to be sent next."""
        if self._line.items and len(self._queue) < wanted:
            self._refill()
        elif len(self._queue) < wanted:
            self.more()
        self._expire()

    def _take(self, most: int, max_bytes: float, *, about_runs: bool) -> list[Entry]:
        """Lease operations of one of the two kinds, past what has to wait."""
        batch: list[Entry] = []
        places: list[int] = []
        waiting, size, now = Ahead(), 0, time.monotonic()
        for place, entry in enumerate(self._queue):
            if len(batch) == most or place - len(batch) == MAX_PASSED:
                break
            item = entry.item
            is_other = (item.operation in SPAN_OPERATIONS) is about_runs
            is_held_up = self._flying.holds_up(item) or waiting.holds_up(item)
            if is_other or is_held_up or entry.not_before > now:
                waiting.add(item)
                continue
            size += self._unpacked(entry).size
            if batch and size > max_bytes:
                break
            batch.append(entry)
            places.append(place)
            if about_runs:  # one by one
                waiting.add(item)
        # Leased before they leave the line: see ``recover``.
        for entry in batch:
            self._leased[entry] = None
            self._flying.add(entry.item)
        for place in reversed(places):
            del self._queue[place]
        return batch

    def _unpacked(self, entry: Entry) -> Item:
        """The item as it is sent."""
        item = entry.item.unpacked()
        if item is not entry.item:
            self.replace(entry, item)
        return item

    def settle(self, entry: Entry) -> None:
        """A leased entry is done with, delivered or not."""
        del self._leased[entry]
        self._flying.remove(entry.item)
        self._let_go(entry)

    def is_leased(self, entry: Entry) -> bool:
        """Whether an entry is in flight, and not settled yet."""
        return entry in self._leased

    def being_created(self) -> set[SpanRef | None]:
        """The spans whose creations are in flight, and not settled yet."""
        return {e.item.span for e in self._leased if e.item.operation is Operation.CREATE}

    def hurry(self) -> None:
        """Let nothing be put off any longer."""
        for entry in (*self._leased, *self._queue):
            entry.not_before = 0.0

    def replace(self, entry: Entry, item: Item) -> None:
        """Give a leased entry another item, for instance a smaller one."""
        self._share_of(entry).add(item.footprint - entry.item.footprint, 0)
        entry.item = item

    def release(self, batch: Iterable[Entry]) -> None:
        """Put what is still leased of a batch back at the front, in its order."""
        left = [entry for entry in batch if entry in self._leased]
        self._may_hold_run_items = self._may_hold_run_items or bool(left)
        for entry in left:
            del self._leased[entry]
            self._flying.remove(entry.item)
        self._queue.extendleft(reversed(left))

    def recover(self) -> None:
        """Put everything back that is leased, because whoever sent it is gone: wherever that was
        struck, nothing is missing and nothing there twice."""
        queued = set(self._queue)
        self._queue.extendleft(reversed([e for e in self._leased if e not in queued]))
        self._leased.clear()
        self._flying = Ahead()
        self._may_hold_run_items = True
        self._count_anew()

    def watch(self, receipt: Receipt) -> None:
        """Let a receipt wait for everything of this process that is in the outbox now."""
        for entry in (*self._leased, *self._queue):
            if not self._is_adopted(entry):
                entry.owe(receipt)
        self._line.watch(receipt)

    def call_off(self) -> None:
        """Stop every waiting for a receipt."""
        for entry in (*self._leased, *self._queue):
            for receipt in entry.receipts:
                receipt.call_off()
        self._line.call_off()

    def holds_only(self, kind: Callable[[Item], bool]) -> bool:
        """Whether everything that waits is known to be of a kind."""
        entries = (*self._leased, *self._queue)
        return not self._line.items and all(kind(entry.item) for entry in entries)

    def drain(self) -> list[Entry]:
        """Take everything out of memory, for the final account."""
        entries = [*self._leased, *self._queue, *self._line.tail]
        self._leased.clear()
        self._flying = Ahead()
        self._queue.clear()
        self._line.tail.clear()
        self._count_anew()
        return entries

    # -- what must outlive the process --------------------------------------------------------

    def park(self, rows: Sequence[ParkedRow]) -> None:
        """Keep on disk what waits in memory for its parents, outside of the line."""
        if rows and self._line.file is not None:
            self._line.file.park(rows, clock.now())

    def unpark(self, keys: Sequence[str]) -> None:
        """The items of these keys are not to be sent: forget what the disk has of them."""
        if keys and self._line.file is not None:
            self._line.file.unpark(keys)

    def commit(self, *, at_last: bool = False) -> None:
        """Everything put in, settled and noted so far outlives the process. Where the disk has
        failed, all of it is written later; ``at_last``: now or never."""
        if self._line.file is not None and (at_last or self._line.is_due):
            self._commit_line()
        if self._adopted is not None and (at_last or self._adopted_pauses.is_over):
            try:
                self._adopted.commit()
            except SpoolError as error:
                self._adopted_pauses.begin()
                self._counters.trouble(f"spool: {error}")
                self._log.warn("adopted", f"What was sent may be sent again: {error}")

    def _commit_line(self) -> None:
        had_failed = self._line.failed
        try:
            self._line.commit()
        except SpoolError as error:
            self._take_back(self._line.fail())
            self._counters.trouble(f"spool: {error}")
            if not had_failed:
                self._log.warn("spool", f"The spool failed, spans wait in memory only: {error}")
            return
        if had_failed and not self._line.failed:
            for entry in self._line.leave():
                self._budget.queued.remove(entry.item.footprint)
            self._log.recovered("spool", "The spool works again; what waits is on disk")

    def conclude(self) -> int:
        """Tell everybody who waits for what memory holds whether that is on disk. Returns how
        many finished spans are on disk, and so outlive the process."""
        spans = self._line.spans
        if self._line.file is not None and not self._line.given_up:
            spans += self._line.file.parked_on_disk
        for entry in (*self._leased, *self._queue, *self._line.tail):
            is_safe = self._is_on_disk(entry)
            spans += is_safe and entry.item.ends_span
            entry.resolve(lost=not is_safe)
        return spans if self._line.file is None or self._line.file.is_in_place else 0

    def _is_on_disk(self, entry: Entry) -> bool:
        file = entry.file
        given_up = file is self._line.file and self._line.given_up
        return file is not None and not given_up and file.holds(entry.seq)

    def give_up(self, entry: Entry) -> None:
        """The span that an entry would have created gets no record."""
        item = entry.item
        if item.operation is Operation.CREATE and item.span is not None:
            self.lose(entry, item.span, item.parent)

    def lose(self, entry: Entry, span: SpanRef, parent: SpanRef | None) -> None:
        """A span has no record; what hangs on it hangs on ``parent`` from now on."""
        self.lost.add(span, parent)
        self.note(entry, lambda file: file.lost(span, parent))

    def note(self, entry: Entry, write: Callable[[Storage], None]) -> None:
        """Write something about an entry into the file that it is in, if it is in any."""
        if entry.file is not None:
            write(entry.file)

    def _take_back(self, missed: Sequence[Entry]) -> None:
        """Memory takes over what had left it and has not arrived on disk."""
        self._may_hold_run_items = True
        if self._line.items:
            self._line.tail.extend(missed)
        else:
            self._queue.extend(missed)
            self._reach(missed)
        self._count(missed)

    def _reach(self, entries: Sequence[Entry]) -> None:
        """These are in the queue; what is read from disk comes after them."""
        self._line.reached = max([self._line.reached, *(entry.seq for entry in entries)])

    # -- the line ---------------------------------------------------------------------------

    def _append(self, entry: Entry) -> None:
        if entry.item.operation not in SPAN_OPERATIONS:
            self._may_hold_run_items = True
        if self.is_durable and (self._line.items or self._is_full):
            self._line.append(entry)
        elif self._line.items:  # the disk has failed; what is on it goes first
            self._line.tail.append(entry)
            self._budget.queued.add(entry.item.footprint)
        else:
            if self.packs and self._line.file is None:
                entry.item = entry.item.packed()
            self._queue.append(entry)
            self._budget.queued.add(entry.item.footprint)
            self._reach([entry])

    def _count(self, entries: Iterable[Entry]) -> None:
        """These have come into memory."""
        for entry in entries:
            self._share_of(entry).add(entry.item.footprint)

    def _count_anew(self) -> None:
        """As whoever counted may have been struck amid it, or an entry is another's now."""
        for share in (self._budget.queued, self._budget.adopted):
            share.remove(share.bytes, share.items)
        self._count((*self._leased, *self._queue, *self._line.tail))

    def _share_of(self, entry: Entry) -> Share:
        return self._budget.adopted if self._is_adopted(entry) else self._budget.queued

    @property
    def _is_full(self) -> bool:
        return self._budget.is_full

    def _refill(self) -> None:
        """Read on in the line on disk."""
        self._may_hold_run_items = True
        if self._line.is_uncommitted:
            self._commit_line()
        entries: list[Entry] = []
        lost = 0
        try:
            if self._line.items:
                entries, lost = self._line.read_on()
        except SpoolError as error:
            self._counters.trouble(f"spool: {error}")
            self._log.warn("spool", f"The spool cannot be read: {error}")
            lost = self._line.abandon() if error.damaged else 0
        self._counters.drop(DropReason.SPOOL_FAILED, lost)
        self._queue.extend(entries)
        self._count(entries)
        if not self._line.items:
            self._queue.extend(self._line.tail)
            self._reach(self._line.tail)
            self._line.tail.clear()

    def make_room(self) -> None:
        """Give up the oldest spans until what is held is within its bounds."""
        if self.is_durable:
            while self.size > self._line.max_bytes and self._drop_oldest(DropReason.SPOOL_FULL):
                pass
            return
        # What a dead process left is on disk, and little of it here: it stays.
        while self._budget.is_over and self._drop_oldest(
            DropReason.QUEUE_FULL, spares_adopted=True
        ):
            pass

    def _expire(self) -> None:
        if self._line.file is None:
            return
        too_old = clock.longer_ago_than(self._line.max_age)
        while self._drop_oldest(DropReason.EXPIRED, written=too_old):
            if not self._queue and self._line.items:
                self._refill()

    def _drop_oldest(
        self, reason: DropReason, *, written: Period | None = None, spares_adopted: bool = False
    ) -> bool:
        """Give up the oldest span item that is not in flight (if it was written in a period)."""
        if self._line.items and not self._queue:
            self._refill()
        for queue in (self._queue, self._line.tail):
            for index, entry in enumerate(queue):
                if written is not None and not self._was_written(entry, written):
                    return False
                if entry.item.operation not in SPAN_OPERATIONS:
                    continue
                if not (spares_adopted and self._is_adopted(entry)):
                    del queue[index]
                    self._drop(entry, reason)
                    return True
        return False

    def _was_written(self, entry: Entry, period: Period) -> bool:
        """Whether that was in a period, as far as it can have been: a clock that is set while the
        process runs does not make its spans older than the process."""
        if entry.at not in period:
            return False
        return self._is_adopted(entry) or not self._line.is_younger_than_its_limit

    def _is_adopted(self, entry: Entry) -> bool:
        return entry.file is not None and entry.file is self._adopted

    def _drop(self, entry: Entry, reason: DropReason) -> None:
        self.give_up(entry)
        self._let_go(entry)
        if entry.item.ends_span:
            self._counters.drop(reason, 1)
            self._log.warn(reason.value, f"Spans dropped ({reason.value}): {_WHY[reason]}")
        entry.resolve(lost=True)

    def _let_go(self, entry: Entry) -> None:
        self._share_of(entry).remove(entry.item.footprint)
        if entry.file is None:
            return
        seq = entry.seq
        self.note(entry, lambda file: file.forget(seq))
