"""The part of the line that is on disk only, behind what is in memory."""

import math
import time
from collections import deque
from collections.abc import Collection
from typing import Final

from prefactor_otel.delivery.batch import Batch, Row
from prefactor_otel.delivery.operation import OVERHEAD
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.rows import Damaged
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.errors import SpoolError

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries to write to a disk that has failed."""
CALM: Final = 600.0
"""Seconds without a failure after which the next pause is the first again."""
REFILL: Final = 512
"""Items read from disk at a time."""


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
        self.tail: deque[Batch] = deque()
        """What came after the disk had failed, while there was still something on it."""
        self.spans = 0
        """Finished spans among the items."""
        self._begun = time.monotonic()
        self._pauses = Pauses()
        self._uncommitted: list[Batch] = []
        self._watched: list[tuple[int, Receipt]] = []

    def append(self, batch: Batch) -> None:
        """What is on disk leaves memory."""
        self._change(batch, +1)
        self._uncommitted.append(batch)
        for owed in batch.owed:
            self.watch(owed.receipt)
        batch.resolve(lost=False)  # the watching counts in its place

    def _change(self, batch: Batch, by: int) -> None:
        self.items += by * len(batch)
        self.bytes += by * batch.size
        self.spans += by * batch.spans

    @property
    def is_durable(self) -> bool:
        """Whether what is written is on disk once it is committed."""
        return self.file is not None and not self.failed

    @property
    def parked(self) -> int:
        """Finished spans on disk that wait for their parents."""
        return self.file.parked_on_disk if self.file is not None and not self.given_up else 0

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

    def fail(self) -> list[Batch]:
        """The disk takes nothing now. Returns what had left memory and never got there."""
        self.failed = True
        self._pauses.begin()
        missed = [batch for batch in self._uncommitted if batch.rows[-1].seq > self.reached]
        for batch in missed:
            batch.keep([n for n, row in enumerate(batch.rows) if row.seq > self.reached])
            self._change(batch, -1)
            for owed in batch.owed:
                owed.receipt.expect()
        self._uncommitted.clear()
        return missed

    def leave(self) -> list[Batch]:
        """The disk works again, and has what came meanwhile: that leaves memory. Returns it."""
        left = list(self.tail)
        self.tail.clear()
        for batch in left:
            self.append(batch)
        self._uncommitted.clear()
        return left

    def take_first(self) -> Batch | None:
        """The first item of a span, or judgement, that came after the disk had failed leaves
        memory; one that is only the end of a span if there is no other."""
        found = [batch for batch in self.tail if not batch.is_about_run or batch.is_judgement]
        if not found:
            return None
        batch = next((each for each in found if not each.is_end_alone), found[0])
        taken = batch.first()
        if not batch:
            self.tail.remove(batch)
        return taken

    def read_on(self) -> tuple[Batch, int]:
        """The next operations, and how many spans there are whose rows are damaged. Raises
        ``SpoolError``."""
        assert self.file is not None
        reading = self.file.read(self.reached, min(REFILL, self.items))
        if reading.reached == self.reached:
            raise SpoolError(f"{self.file.path}: rows are missing", damaged=True)
        self._forget(self.file, reading.damaged)
        batch = Batch(self.file)
        for seq, at, item in reading.rows:
            batch.add(item, Row(seq, at))
        self._change(batch, -1)
        for place, receipt in self._watched:
            batch.owe_up_to(place, receipt)
        self.reach(reading.reached)
        return batch, sum(row.spans for row in reading.damaged)

    def _forget(self, file: Storage, damaged: Collection[Damaged]) -> None:
        for row in damaged:
            self.items -= 1
            self.bytes -= row.size + OVERHEAD
            self.spans -= row.spans
        file.forget([row.seq for row in damaged])

    def abandon(self) -> int:
        """What is on disk cannot be read. Returns how many spans that is."""
        spans, self.items, self.bytes, self.spans = self.spans, 0, 0, 0
        self.failed = self.given_up = True
        self._release(lost=True)
        return spans

    def reach(self, seq: int) -> None:
        """Memory holds, or has held, what is in the file up to this place."""
        if seq > self.reached:
            self.reached = seq
            if self._watched:
                self._release(lost=False)

    def watch(self, receipt: Receipt) -> None:
        """Let a receipt wait for everything that is on disk only."""
        if not self.items:
            return
        self.call_off()
        assert self.file is not None
        if not self._watched or self._watched[-1][1] is not receipt:
            receipt.expect()
        else:
            self._watched.pop()
        self._watched.append((self.file.last_seq, receipt))

    def call_off(self) -> None:
        """Those whose waiting was stopped wait for nothing any more."""
        self._watched = [(p, receipt) for p, receipt in self._watched if not receipt.is_over]

    def _release(self, *, lost: bool) -> None:
        """Whatever is read is waited for entry by entry."""
        waiting = []
        for place, receipt in self._watched:
            if lost or place <= self.reached:
                receipt.resolve(lost=lost)
            else:
                waiting.append((place, receipt))
        self._watched = waiting
