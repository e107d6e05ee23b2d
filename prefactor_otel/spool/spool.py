"""A process's spool from its opening to its end: its own file, and those that it adopts."""

from pathlib import Path

from prefactor_otel.errors import SpoolError
from prefactor_otel.ledger import Ledger, QuietLog, logger
from prefactor_otel.outbox import Outbox
from prefactor_otel.spool import folder
from prefactor_otel.spool.adoption import Adoption
from prefactor_otel.spool.file import SpoolFile, is_safe_here
from prefactor_otel.wire import RunRecord


class Spool:
    """What the worker's thread knows of the disk. Nothing in here raises."""

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
        self.path = path
        self._outbox = outbox
        self._ledger = ledger
        self._file: SpoolFile | None = None
        self._adoption: Adoption | None = Adoption(
            path, outbox, runs, ledger, log, max_bytes=max_bytes, max_age=max_age
        )
        self._max_bytes = max_bytes
        self._max_age = max_age

    def open(self) -> None:
        """Make this process's file, and let the outbox write to it. Where that cannot be, one
        line says so, and spans wait in memory as without a spool."""
        if self._file is not None or self._adoption is None:
            return
        try:
            if not is_safe_here():
                raise SpoolError("this process was forked while its parent wrote to the disk")
            self._file = folder.create(self.path)
        except SpoolError as error:
            self._adoption = None
            self._ledger.trouble(f"spool: {error}")
            logger.warning("The spool stays off, spans wait in memory only: %s", error)
            return
        self._outbox.spool_into(self._file, self._max_bytes, self._max_age)
        self._outbox.more = self.look_around

    @property
    def is_busy(self) -> bool:
        """Whether there is more to take up than the last look has."""
        return self._adoption is not None and not self._adoption.is_idle

    def look_around(self) -> None:
        """Take up what dead processes have left, a little at a time."""
        if self._adoption is not None:
            self._adoption.step()

    def stop_adopting(self) -> None:
        """From now on only what is in the outbox already is sent."""
        if self._adoption is not None:
            self._adoption.closing = True

    def close(self) -> None:
        """Let go of the files; a file with nothing left in it is deleted."""
        if self._adoption is not None:
            self._adoption.close()
        if self._file is not None:
            self._file.close(delete=not len(self._outbox))
            self._file = None
