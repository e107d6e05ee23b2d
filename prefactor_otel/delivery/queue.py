"""What waits for the API, in memory and on disk, and how it moves between the two."""

from collections.abc import Callable, Iterable

from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.disk import DiskLine, Pauses
from prefactor_otel.delivery.memory import Memory
from prefactor_otel.delivery.receipt import Receipt, Receipts
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog


class Queue(Memory):
    """First in, first out. Where there is a file, memory holds the front of the line only."""

    def __init__(
        self, budget: Budget, counters: Counters, log: QuietLog, max_items: int, max_bytes: int
    ) -> None:
        super().__init__(budget, max_items, max_bytes)
        self.disk = DiskLine()
        self._counters = counters
        self._log = log
        self._adopted_pauses = Pauses()
        self._receipts = Receipts()
        self.awaited: Callable[[], None] = lambda: None
        """Called when somebody begins to wait for everything in here."""

    def __len__(self) -> int:
        # A copy, which is one step: others ask while the worker adds to it and takes of it.
        return self.line.items + self.disk.items + sum(map(len, list(self.disk.tail)))

    @property
    def size(self) -> int:
        """Bytes that wait, in memory and on disk, those in flight included."""
        return self._budget.queued.bytes + self._budget.adopted.bytes + self.disk.bytes

    @property
    def queued(self) -> int:
        """Items that wait and are not in flight."""
        return len(self) - self.line.flying

    @property
    def is_durable(self) -> bool:
        """Whether what is put in here is on disk once it is committed."""
        return self.disk.is_durable

    def spool_into(self, file: Storage, max_bytes: int, max_age: float) -> None:
        """From now on everything is on disk as well, up to so many bytes and seconds."""
        self.disk = DiskLine(file, max_bytes, max_age)
        self.commit()

    def disown(self) -> None:
        """The adopted file is closed; what memory still holds of it is in memory only."""
        self.commit()
        for batch in self.line.batches():
            if self._is_adopted(batch):
                batch.file, batch.rows = None, []
        self._adopted = None
        self._count_anew()

    # -- what moves -------------------------------------------------------------------------------

    def _leave_on_disk(self, batch: Batch) -> None:
        """What is to stay behind what the disk holds does not come into memory; it does where the
        disk has failed, but behind that."""
        if self.is_durable:
            self.disk.append(batch)
        else:
            self.disk.tail.append(batch)
            self._budget.queued.add(batch.footprint, len(batch))

    def _refill(self) -> None:
        """Read on in the line on disk."""
        if self.disk.is_uncommitted:
            self._commit_own()
        damaged = 0
        try:
            if self.disk.items:
                batch, damaged = self.disk.read_on()
                self._enter_batch(batch)
        except SpoolError as error:
            self._counters.trouble(f"spool: {error}")
            self._log.warn("spool", f"The spool cannot be read: {error}")
            damaged = self.disk.abandon() if error.damaged else 0
        self._counters.drop(DropReason.SPOOL_FAILED, damaged)
        if not self.disk.items:
            while self.disk.tail:
                batch = self.disk.tail.popleft()
                self._budget.queued.remove(batch.footprint, len(batch))
                self._come_back(batch)

    def _take_back(self, missed: Iterable[Batch]) -> None:
        """Memory takes over what had left it and has not arrived on disk."""
        for batch in missed:
            if self.disk.items:
                self._leave_on_disk(batch)
            else:
                self._come_back(batch)

    def _come_back(self, batch: Batch) -> None:
        """What stood behind what the disk holds comes into memory, now that there is nothing."""
        self._enter_batch(batch)
        self.disk.reach(batch.rows[-1].seq)

    def _count_anew(self) -> None:
        super()._count_anew()
        for batch in self.disk.tail:
            self._budget.queued.add(batch.footprint, len(batch))

    def drain(self) -> list[Batch]:
        """Take everything out of memory, for the final account."""
        batches = [*self.line.batches(), *self.disk.tail]
        self.line = self.line.emptied()
        self.disk.tail.clear()
        self._count_anew()
        return batches

    # -- who waits --------------------------------------------------------------------------------

    def watch(self, receipt: Receipt) -> None:
        """Let a receipt wait for everything of this process that is in here now."""
        if receipt.is_over:
            return
        for batch in (*self.line.batches(), *self.disk.tail):
            if not self._is_adopted(batch):
                batch.owe(receipt)
        self.disk.watch(receipt)
        self._receipts.add(receipt)
        self.awaited()

    def call_off(self) -> None:
        """Stop every waiting for a receipt."""
        self._receipts.call_off()
        self.disk.call_off()

    # -- what must outlive the process ------------------------------------------------------------

    def commit(self, *, at_last: bool = False) -> None:
        """Everything put in, settled and noted so far outlives the process. Where the disk has
        failed, all of it is written later; ``at_last``: now or never."""
        if self.disk.file is not None and (at_last or self.disk.is_due):
            self._commit_own()
        if self._adopted is not None and (at_last or self._adopted_pauses.is_over):
            try:
                self._adopted.commit()
            except SpoolError as error:
                self._adopted_pauses.begin()
                self._counters.trouble(f"spool: {error}")
                self._log.warn("adopted", f"What was sent may be sent again: {error}")

    def _commit_own(self) -> None:
        had_failed = self.disk.failed
        try:
            self.disk.commit()
        except SpoolError as error:
            self._take_back(self.disk.fail())
            self._counters.trouble(f"spool: {error}")
            if not had_failed:
                self._log.warn("spool", f"The spool failed, spans wait in memory only: {error}")
            return
        if had_failed and not self.disk.failed:
            for batch in self.disk.leave():
                self._budget.queued.remove(batch.footprint, len(batch))
            self._log.recovered("spool", "The spool works again; what waits is on disk")

    def resolve_all(self) -> int:
        """Tell everybody who waits for what memory holds whether that is on disk. Returns how
        many finished spans are on disk, and so outlive the process."""
        spans = self.disk.spans + self.disk.parked
        for batch in (*self.line.batches(), *self.disk.tail):
            safe = [n for n in range(len(batch)) if self._is_on_disk(batch, n)]
            spans += sum(batch.items[place].ends_span for place in safe)
            batch.resolve(lost=len(safe) < len(batch))
        return spans if self.disk.file is None or self.disk.file.is_in_place else 0

    def _is_on_disk(self, batch: Batch, place: int) -> bool:
        file = batch.file
        given_up = file is self.disk.file and self.disk.given_up
        return file is not None and not given_up and file.holds(batch.rows[place].seq)
