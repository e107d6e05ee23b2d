"""Sends what dead processes left in the folder, one file after the other, behind the own spans."""

import time
from pathlib import Path

from prefactor_otel.errors import SpoolError
from prefactor_otel.ledger import DropReason, Ledger, QuietLog, logger
from prefactor_otel.line import REFILL
from prefactor_otel.outbox import Outbox
from prefactor_otel.spool import SCAN_INTERVAL, folder
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.recovery import recover
from prefactor_otel.wire import RunRecord


class Adoption:
    """The files of the dead in one folder, as far as this process sends them."""

    def __init__(
        self,
        path: Path,
        outbox: Outbox,
        runs: dict[str, RunRecord | None],
        ledger: Ledger,
        log: QuietLog,
        *,
        max_bytes: int,
        max_age: float,
    ) -> None:
        self._path = path
        self._outbox = outbox
        self._runs = runs
        self._ledger = ledger
        self._log = log
        self._max_bytes = max_bytes
        self._max_age = max_age
        self.closing = False
        self._file: SpoolFile | None = None
        self._taken_over: list[str] = []
        self._reached = 0
        self._read_all = False
        self._next_scan = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether the last look found nothing to adopt."""
        return self._file is None and time.monotonic() < self._next_scan

    @property
    def _is_through(self) -> bool:
        """Whether everything in the adopted file has been read and settled."""
        return self._read_all and not self._outbox.adopted

    def step(self) -> None:
        """Do the next small piece of work, if there is room for it in the outbox."""
        if self.closing:
            return
        if self._file is not None and self._is_through:
            self._finish(self._file)
        if self._file is None and time.monotonic() >= self._next_scan:
            self._look_for_one()
        if self._file is not None and self._outbox.queued < REFILL:
            self._read_on(self._file)

    def close(self) -> None:
        """Let go; what has not been sent stays where it is."""
        self.closing = True
        if self._file is not None:
            self._finish(self._file)

    def _finish(self, file: SpoolFile) -> None:
        through = self._is_through
        self._outbox.disown()
        file.close(delete=through)
        for run in self._taken_over:
            self._runs.pop(run, None)
        self._file = None

    def _look_for_one(self) -> None:
        try:
            self._make_room()
            file = folder.adopt_one(self._path)
            if file is not None:
                self._take_over(file)
            else:
                self._next_scan = time.monotonic() + SCAN_INTERVAL
        except SpoolError as error:
            self._failed(error)

    def _make_room(self) -> None:
        """Delete the oldest files of the dead while all files together take too much."""
        while folder.total_size(self._path) > self._max_bytes:
            file = folder.adopt_one(self._path)
            if file is None:
                return
            spans = file.spans()
            self._ledger.adopt(spans)
            self._ledger.drop(DropReason.SPOOL_FULL, spans)
            self._log.warn("spool_full", f"Spans dropped (spool_full): {spans} of {file.path}")
            file.close(delete=True)

    def _take_over(self, file: SpoolFile) -> None:
        recover(file, time.time())
        self._file, self._reached, self._read_all = file, 0, False
        self._taken_over = [row.run for row in file.runs()]
        for row in file.runs():
            if row.instance_id is not None:
                record = RunRecord(row.instance_id, row.partition, row.ids_accepted)
                record.server_ids.update(file.server_ids(row.run))
                self._runs[row.run] = record
        for span, parent in file.lost_spans():
            self._outbox.lost.add(span, parent)
        logger.info("Sending what a process that has died left in %s", file.path)

    def _read_on(self, file: SpoolFile) -> None:
        try:
            rows = file.read(self._reached, REFILL)
        except SpoolError as error:
            folder.set_aside(file.path)
            self._finish(file)
            self._failed(error)
            return
        self._read_all = not rows
        if rows:
            self._reached = rows[-1].seq
            self._outbox.adopt(file, rows, not_before=time.time() - self._max_age)

    def _failed(self, error: SpoolError) -> None:
        self._next_scan = time.monotonic() + SCAN_INTERVAL
        self._ledger.trouble(f"spool: {error}")
        self._log.warn("spool", f"What a process that has died left cannot be sent: {error}")
