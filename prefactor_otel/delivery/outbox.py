"""What waits for the API: a queue bounded in items and bytes, owned by the worker's thread.

With a spool every item is on disk before anybody is told that it is accepted. Memory then holds
the front of the line only, and disk the whole of it. Without one, what comes while the API does not
answer is packed: twice as much and more fits in.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from prefactor_otel import clock
from prefactor_otel.clock import Period
from prefactor_otel.delivery.batch import Batch, Row
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.lanes import CALLS
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.queue import Queue
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.rows import ParkedRow, Stored
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog

if TYPE_CHECKING:
    from pathlib import Path

MAX_ITEMS: Final = 512
MAX_BYTES: Final = 4 * 1024 * 1024
"""Of a batch, where nothing else is said."""
_WHY: Final = {
    DropReason.QUEUE_FULL: (
        "more waits than max_queue_bytes or max_queue_size lets, so the oldest go. Raise that, "
        "or set spool_dir: then what waits is on disk"
    ),
    DropReason.SPOOL_FULL: "more waits on disk than spool_max_bytes lets, so the oldest go",
    DropReason.EXPIRED: "they waited longer than spool_max_age",
}


class Outbox(Queue):
    """First in, first out; past its bounds the first item of the oldest batch of spans is given
    up, but of what finishes a span its end stays. Items join batches of up to ``max_items`` and
    ``max_bytes``."""

    def __init__(
        self,
        budget: Budget,
        counters: Counters,
        log: QuietLog,
        max_items: int = MAX_ITEMS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(budget, counters, log, max_items, max_bytes)
        self.more: Callable[[], None] = lambda: None
        """Called when there is room for what others have left."""
        self.on_creation_dropped: Callable[[str, SpanRef], object] = lambda run, span: None
        """Told of the run and the ref of an open span whose creation was given up before it was
        ever sent. Whoever puts in another creation of it does that later, not while being told."""

    @property
    def path(self) -> "Path | None":
        """Where this process's file is, if it has one."""
        return self.disk.file.path if self.disk.file is not None else None

    @property
    def orphaned(self) -> int:
        """Spans sent without their parent, because that was given up or refused."""
        return self.unrecorded.orphaned

    @property
    def has_room(self) -> bool:
        """Whether less than half of what may wait does, or what waits is on disk."""
        return self.is_durable or self._budget.has_room

    @property
    def next_due(self) -> float:
        """When there is something to be done here (monotonic seconds); ``math.inf`` if never."""
        return self.disk.next_try

    def put(self, items: Sequence[Item], receipt: Receipt | None = None) -> None:
        """Add items at the end, then give up what is past the bounds, but nothing that begins or
        ends a run of which something was sent, or is to be: that is little, and nothing arrives
        without."""
        if not items:
            return
        if receipt is not None:
            self._receipts.add(receipt)
        file, rows = self.disk.file, list[Row]()
        if file is not None:
            now = clock.now()
            rows = [Row(seq, now) for seq in file.write(items, now)]
        if file is not None and (self.disk.items or (self.is_durable and self._budget.is_full)):
            self._leave_on_disk(Batch.of(items, file, rows, receipt))
        else:
            self._enter(items, file, rows, () if receipt is None else (receipt,))
            if rows:
                self.disk.reach(rows[-1].seq)
        self.make_room()

    def judge(self, judgement: Item) -> None:
        """Add a judgement of a run, in place of the one under the same name that still waits: the
        API keeps only the last."""
        if self.judge_anew(judgement):
            self.make_room()
        else:
            self.put([judgement])

    def adopt(self, file: Storage, rows: Iterable[Stored], *, too_old: Period) -> None:
        """Add what a process that has died left in its file, as far as it is not too old; one
        such file at a time."""
        self._adopted = file
        old, young, ends = list[Stored](), list[Stored](), list[Batch]()
        for row in rows:
            is_old = row.at in too_old and row.item.span is not None
            (old if is_old else young).append(row)
        self._counters.adopt(sum(row.item.ends_span for row in (*old, *young)))
        for row in old:
            expired = Batch(file)
            expired.add(row.item, Row(row.seq, row.at))
            self._budget.adopted.add(expired.footprint)
            self._drop(expired, DropReason.EXPIRED, ends.append)
        places = [Row(row.seq, row.at) for row in young]
        self._enter([row.item for row in young], file, places, ())
        for end in ends:
            self.line.insert(end)

    # -- what is sent -----------------------------------------------------------------------------

    def lease(self, max_items: int, max_bytes: int) -> Batch | None:
        """Take the oldest span operations that can be sent now, for one request. They still
        count as waiting. Whatever needs something that is in flight, or that needs such a thing,
        stays in the line."""
        self._read_on(max_items)
        return self.line.lease_spans(max_items, max_bytes, self._budget.queued)

    def calls(self, kind: Operation) -> int:
        """How many operations of runs, of this kind, can be leased, at most."""
        return self.line.lanes.offered(kind)

    def lease_about_runs(self, most: int, kinds: Sequence[Operation] = CALLS) -> list[Batch]:
        """The same for operations of runs, of these kinds, each as a batch of its own."""
        self._read_on(most)
        return self.line.lease_calls(most, kinds)

    def _read_on(self, wanted: int) -> None:
        """Let memory hold what is to be sent next, which is to be on disk before that."""
        if self.disk.file is not None and self.disk.file.is_behind:
            self.commit()
        if self.line.items - self.line.flying < wanted:
            if self.disk.items:
                self._refill()
            else:
                self.more()
        self._expire()

    def release(self, batches: Iterable[Batch]) -> None:
        """Put what is still leased of these back at the front, in its order."""
        for batch in batches:
            self.line.release(batch)

    def hurry(self) -> None:
        """Let nothing be put off any longer."""
        self.line.flights.hurry()

    def holds_only(self, kind: Callable[[Item], bool]) -> bool:
        """Whether everything that waits is known to be of a kind, of operations about runs."""
        if self.disk.items or self.line.holds_spans:
            return False
        return all(kind(batch.item) for batch in self.line.batches())

    def retry(self) -> None:
        """There is room on the disk again: if it had failed, write to it at once."""
        self.disk.retry()

    def park(self, rows: Sequence[ParkedRow]) -> None:
        """Keep on disk what waits in memory for its parents, outside of the line."""
        if rows and self.disk.file is not None:
            self.disk.file.park(rows, clock.now())

    def unpark(self, keys: Sequence[str]) -> None:
        """The items of these keys are not to be sent: forget what the disk has of them."""
        if keys and self.disk.file is not None:
            self.disk.file.unpark(keys)

    def leave_unrecorded(self, batch: Batch) -> None:
        """The spans that a batch would have created get no record."""
        for item in batch.items:
            if item.operation is Operation.CREATE and item.span is not None:
                self.note_unrecorded(batch, item.span, item.parent)

    def note_unrecorded(self, batch: Batch, span: SpanRef, parent: SpanRef | None) -> None:
        """A span has no record; its children hang on ``parent`` from now on."""
        self.unrecorded.add(span, parent)
        self.note(batch, lambda file: file.unrecorded(span, parent))

    def missing(self, items: Sequence[Item]) -> Sequence[Item]:
        """Those of them that are not in memory: whoever was to put them in was struck."""
        held = {item.key for batch in self.line.batches() for item in batch.items} if items else ()
        return [item for item in items if item.key not in held]

    # -- what is too much, or too old -------------------------------------------------------------

    def make_room(self) -> None:
        """Give up the oldest spans and judgements until what is held is within its bounds, and
        before them runs that are over with nothing in them. Those whose spans were given up go in
        any case."""
        # What a dead process left is on disk, and little of it here: it stays.
        spared = None if self.is_durable else self._adopted
        while True:
            is_over = self._is_over
            calls = self.line.lanes.hollow_run(spared, is_full=is_over)
            if calls:
                self._drop_run(calls)
            elif not is_over or not self._drop_oldest(spared):
                return

    @property
    def _is_over(self) -> bool:
        if self.is_durable:
            return self.size > self.disk.max_bytes
        return self._budget.is_over

    def _drop_oldest(self, spared: Storage | None) -> bool:
        """Give up the oldest item of a span, or judgement, that is not in flight. Returns whether
        there was one."""
        if self.disk.items and self.line.first_to_go(None) is None:
            self._refill()
        reason = DropReason.SPOOL_FULL if self.is_durable else DropReason.QUEUE_FULL
        oldest = self.line.first_to_go(spared)
        if oldest is None and (dropped := self.disk.take_first()) is not None:
            self._drop(dropped, reason, self.disk.tail.appendleft)
            return True
        if oldest is None:
            oldest = self.line.oldest_end(spared)
        if oldest is not None:
            self._drop(self.line.take_first(oldest), reason, self.line.insert)
        return oldest is not None

    def _drop_run(self, calls: Sequence[Batch]) -> None:
        """Give up a run of which nothing was sent."""
        run = calls[0].item.run
        for batch in calls:
            self.line.take_out(batch)
            self._let_go(batch)
            self._lose_judgement(batch.item)
            batch.resolve(lost=True)
        self.note(calls[0], lambda file: file.run_over(run))

    def _expire(self) -> None:
        """Give up what has waited for too long on disk."""
        if self.disk.file is None:
            return
        too_old = clock.longer_ago_than(self.disk.max_age)
        while True:
            if self.disk.items and not self.line.items:
                self._refill()
            oldest = self.line.oldest(None)
            if oldest is None or not self._was_written(oldest, too_old):
                return
            self._drop(self.line.take_first(oldest), DropReason.EXPIRED, self.line.insert)

    def _was_written(self, batch: Batch, period: Period) -> bool:
        """Whether the first of it was in a period, as far as it can have been: a clock that is set
        while the process runs does not make its spans older than the process."""
        if not batch.rows or batch.rows[0].at not in period:
            return False
        return self._is_adopted(batch) or not self.disk.is_younger_than_its_limit

    def _drop(self, batch: Batch, reason: DropReason, back: Callable[[Batch], None]) -> None:
        """An item that has left the line is dropped. If it finishes a span that may be on the
        platform its end goes ``back``: else that would stay open, in a run that is over."""
        if batch.spans:
            self._counters.drop(reason, batch.spans)
            self._log.warn(reason.value, f"Spans dropped ({reason.value}): {_WHY[reason]}")
        if self.has_end(batch):
            self.leave_end(batch)
            back(batch)
            return
        item = batch.item
        if self._lose_judgement(item):
            self._log.warn("judgements", f"Judgements dropped ({reason.value}): {_WHY[reason]}")
        self.leave_unrecorded(batch)
        self._let_go(batch)
        batch.resolve(lost=True)
        is_open = item.operation is Operation.CREATE and not item.ends_span
        if is_open and not batch.was_sent and item.span is not None and not self._is_adopted(batch):
            self.on_creation_dropped(item.run, item.span)

    def _lose_judgement(self, item: Item) -> bool:
        """Count it, if what is given up is a judgement. Whether it is."""
        is_one = item.operation is Operation.QUALITY
        self._counters.lose_judgements(is_one)
        return is_one
