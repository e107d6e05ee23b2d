"""A process's spool from its opening to its end: its own file, and those that it adopts."""

import math
import time
from pathlib import Path
from typing import Final

from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.wire import RunRecord
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool import folder
from prefactor_otel.spool.adoption import Adoption
from prefactor_otel.spool.database import is_safe_here
from prefactor_otel.spool.heir import NOBODY, Heir
from prefactor_otel.spool.identity import Identity
from prefactor_otel.spool.own import OwnFile
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog, logger

_OWN_FIRST: Final = 1.0
"""Seconds from the start during which the process's own spans go before those of the dead."""


class Spool:
    """What the worker's thread knows of the disk. Nothing in here raises."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        outbox: Outbox,
        runs: dict[str, RunRecord | None],
        counters: Counters,
        log: QuietLog,
        *,
        max_bytes: int,
        max_age: float,
        heir: Heir = NOBODY,
    ) -> None:
        self.path = path
        self._identity = identity
        self._outbox = outbox
        self._counters = counters
        self._born = time.monotonic()
        self._has_looked = False
        self._file: OwnFile | None = None
        self._adoption: Adoption | None = Adoption(
            *(path, identity, outbox, runs, counters, log),
            max_bytes=max_bytes,
            max_age=max_age,
            heir=heir,
        )
        self._max_bytes = max_bytes
        self._max_age = max_age

    def open(self) -> None:
        """Make this process's file, and let the outbox write to it. As long as that cannot be,
        spans wait in memory as without a spool, which one line says."""
        if self._file is not None or self._adoption is None:
            return
        if not is_safe_here():
            self._adoption = None
            problem = "this process was forked while its parent wrote to the disk"
            self._counters.trouble(f"spool: {problem}")
            logger.warning("The spool stays off, spans wait in memory only: %s", problem)
            return
        self._file = OwnFile(self.path, self._identity)
        self._outbox.spool_into(self._file, self._max_bytes, self._max_age)
        self._outbox.more = self.look_around
        try:
            self._adoption.pass_on()
        except SpoolError as error:  # it is told when they are looked for
            logger.debug("Nothing is inherited: %s", error)

    @property
    def next_look(self) -> float:
        """When there may be more to take up (monotonic seconds), or earlier; ``math.inf`` if there
        never will."""
        return self._adoption.next_look if self._adoption is not None else math.inf

    def look_around(self) -> None:
        """Take up what dead processes have left, a little at a time."""
        own = len(self._outbox) - self._outbox.adopted
        if not own or time.monotonic() - self._born > _OWN_FIRST:
            self._look()

    def _look(self) -> None:
        """On a disk with no room left too: what is sent makes some."""
        if self._adoption is not None and (self._outbox.is_durable or folder.is_fit(self.path)):
            self._has_looked = True
            self._adoption.step()

    def stop_adopting(self) -> None:
        """From now on only what is in the outbox already is sent."""
        if not self._has_looked:  # else processes that end soon would leave all to others
            self._look()
        if self._adoption is not None:
            self._adoption.closing = True

    def close(self) -> None:
        """Let go of the files; a file with nothing left in it is deleted."""
        if self._adoption is not None:
            self._adoption.close()
        if self._file is not None:
            self._file.close(delete=not len(self._outbox))
            self._file = None
