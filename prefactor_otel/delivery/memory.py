"""What waits in memory, with the account of it: who waits for it, and in which file it is."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from prefactor_otel.delivery.batch import Batch, Row
from prefactor_otel.delivery.budget import Budget, Share
from prefactor_otel.delivery.line import Line
from prefactor_otel.delivery.operation import Item, Operation, footprint_of
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.delivery.unrecorded import Unrecorded
from prefactor_otel.delivery.wire import Kept, end_alone


class Memory:
    """A line whose batches count in a budget: those of an adopted file in a share of their own."""

    def __init__(self, budget: Budget, max_items: int, max_bytes: int) -> None:
        self.unrecorded = Unrecorded()
        self.line = Line(self.unrecorded, max_items, max_bytes)
        self.packs = False
        """Whether what comes now will wait for long."""
        self._budget = budget
        self._adopted: Storage | None = None

    @property
    def adopted(self) -> int:
        """Items that memory holds of an adopted file."""
        return self._budget.adopted.items

    def _enter(
        self,
        items: Sequence[Item],
        file: Storage | None,
        rows: Sequence[Row],
        receipts: Sequence[Receipt],
    ) -> None:
        """Items come into memory, in the last places, and these receipts wait for each."""
        if self.packs and file is None:
            items = [item.packed() for item in items]
        for place, item in enumerate(items):
            batch = self.line.add(item, file, rows[place] if rows else None)
            for receipt in receipts:
                batch.owe_last(receipt)
        self._share_of(file).add(footprint_of(items), len(items))

    def _enter_batch(self, batch: Batch) -> None:
        """What has been held elsewhere comes into memory."""
        edges = {0, len(batch)}.union(*((each.begin, each.end) for each in batch.owed))
        for begin, end in pairwise(sorted(edges)):
            receipts = [each.receipt for each in batch.owed if each.begin <= begin < each.end]
            self._enter(batch.items[begin:end], batch.file, batch.rows[begin:end], receipts)
        batch.resolve(lost=False)  # others count in its place

    def note(self, batch: Batch, write: Callable[[Storage], None]) -> None:
        """Write something about a batch into the file that it is in, if it is in any."""
        if batch.file is not None:
            write(batch.file)

    def _let_go(self, batch: Batch) -> None:
        """A batch is neither to be sent nor held any more."""
        self._share_of(batch.file).remove(batch.footprint, len(batch))
        if batch.file is not None:
            batch.file.forget([row.seq for row in batch.rows])

    def settle(self, batch: Batch) -> None:
        """A leased batch is done with, delivered or not."""
        self.line.settle(batch)
        self._let_go(batch)

    def keep(self, batch: Batch) -> Kept:
        """A leased call is done with, and stays in its file until it is forgotten."""
        self.line.settle(batch)
        self._share_of(batch.file).remove(batch.footprint, len(batch))
        return Kept(batch.item, batch.file, tuple(row.seq for row in batch.rows))

    def forget(self, kept: Kept) -> None:
        """What was kept is of no use any more."""
        if kept.file is not None:
            kept.file.forget(kept.seqs)

    def is_leased(self, batch: Batch) -> bool:
        """Whether a batch is in flight, and not settled yet."""
        return batch in self.line.flights

    def replace(self, batch: Batch, *items: Item) -> None:
        """Give a leased batch other items, one for one; for instance smaller ones."""
        before = batch.footprint
        batch.put(list(items))
        self._share_of(batch.file).add(batch.footprint - before, 0)

    def has_end(self, batch: Batch) -> bool:
        """Whether a batch is of one operation that finishes a span which may be on the platform,
        and says more of it than that it ended."""
        item = batch.item
        is_end = item.operation is Operation.FINISH_SPAN and not batch.is_end_alone
        return is_end and not self.unrecorded.holds(item.span, batch.arrival)

    def leave_end(self, batch: Batch) -> None:
        """Of such a batch, which has left the line, only that is left: it is to be put in again."""
        before = batch.footprint
        end = end_alone(batch.item)
        batch.leave_end(end)
        self._share_of(batch.file).add(batch.footprint - before, 0)
        self._rewrite(batch)

    def judge_anew(self, judgement: Item) -> bool:
        """Let a judgement take the place of the one of the same run and name that waits and is not
        on its way: whoever waits for that waits for this. Whether there is one."""
        batch = self.line.lanes.judgement(judgement)
        if batch is None or batch in self.line.flights:
            return False
        self.replace(batch, judgement)
        self._rewrite(batch)
        return True

    def _rewrite(self, batch: Batch) -> None:
        """A batch of one has another item, which is in the place of the first on disk as well."""
        if batch.rows:
            [(seq, at)] = batch.rows
            self.note(batch, lambda file: file.rewrite(seq, batch.item, at))

    def settle_but_end(self, batch: Batch) -> None:
        """A leased batch is dropped, and the end of its span waits in its place."""
        self.line.settle(batch)
        self.leave_end(batch)
        self.line.insert(batch)

    def recover(self) -> None:
        """Put everything back that is leased, because whoever sent it is gone: wherever that was
        struck, nothing is missing and nothing there twice."""
        self.line = self.line.rebuilt()
        self._count_anew()

    # -- the account ------------------------------------------------------------------------------

    def _count_anew(self) -> None:
        """As whoever counted may have been struck amid it, or a batch is another's now."""
        for share in (self._budget.queued, self._budget.adopted):
            share.remove(share.bytes, share.items)
        for batch in self.line.batches():
            self._share_of(batch.file).add(batch.footprint, len(batch))

    def _share_of(self, file: Storage | None) -> Share:
        is_adopted = file is not None and file is self._adopted
        return self._budget.adopted if is_adopted else self._budget.queued

    def _is_adopted(self, batch: Batch) -> bool:
        return batch.file is not None and batch.file is self._adopted
