"""The end of the work: until when it lasts, and what becomes of what is left then."""

import threading
import time
from typing import Final

from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.pipeline.inbox import lose
from prefactor_otel.pipeline.parts import Parts
from prefactor_otel.stats.counters import INTENDED, DropReason
from prefactor_otel.stats.log import logger
from prefactor_otel.words import counted

PULSE: Final = 0.1
"""Seconds after which those who wait for the thread make sure that it lives."""


class Closing:
    """One for all threads that do the work, one after another, and for whoever ends it."""

    def __init__(self, parts: Parts) -> None:
        self.deadline: float | None = None
        """Until when what waits is delivered (monotonic seconds); None before the end begins."""
        self.run_status: FinishStatus | None = None
        """How the run of the process is to be finished, if somebody has said so."""
        self.has_begun = threading.Event()
        self.is_over = parts.is_over
        self._parts = parts
        self._missed_before = 0
        self._left_open_before = 0
        self._is_told = False

    @property
    def is_asked_for(self) -> bool:
        """Whether the end has begun; what comes now is too late."""
        return self.deadline is not None

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    @property
    def has_left_nothing(self) -> bool:
        """Whether everything that waited when it began was delivered, and every run is finished."""
        counters = self._parts.counters
        return (
            counters.waiting == 0
            and counters.missed == self._missed_before
            and counters.left_open == self._left_open_before
            and self._parts.sender.unfinished == 0
        )

    def begin(self, deadline: float, run_status: FinishStatus | None) -> None:
        """Take nothing more, and deliver what waits until the deadline."""
        self._missed_before = self._parts.counters.missed
        self._left_open_before = self._parts.counters.left_open
        self.run_status = run_status
        self.deadline = deadline
        self.has_begun.set()
        self._parts.inbox.close()

    def settle(self) -> None:
        """The thread is done: account for what could not be delivered, in one line."""
        parts = self._parts
        for receipt in parts.inbox.shut():
            lose(receipt)
        parts.outbox.commit(at_last=True)
        on_disk = parts.outbox.resolve_all()
        if parts.spool is not None:
            parts.spool.close()
        parts.outbox.drain()
        self._close_accounts(kept=on_disk)
        self._tell_what_is_left()
        self.is_over.set()

    def give_up(self) -> None:
        """The thread has not ended in time, and may never: account for what it has not done."""
        parts = self._parts
        self.is_over.set()
        is_durable = parts.outbox.is_durable
        self._close_accounts(kept=parts.counters.waiting - parts.inbox.spans if is_durable else 0)
        for receipt in parts.inbox.shut():
            lose(receipt)
        self._tell_what_is_left()

    def _close_accounts(self, *, kept: int) -> None:
        is_refused = self._parts.sender.paused
        reason = DropReason.UNAUTHORIZED if is_refused else DropReason.SHUTDOWN_TIMEOUT
        self._parts.counters.close(reason, kept=kept)

    def _tell_what_is_left(self) -> None:
        if self._is_told:
            return
        self._is_told = True
        counters = self._parts.counters
        if counters.waiting:
            logger.warning(
                "%s not delivered yet: kept in %s for the next process that uses it",
                *(counted(counters.waiting, "span"), self._parts.config.spool_dir),
            )
        self._tell_of_runs()
        dropped = self._parts.stats().dropped
        # A duplicate has been delivered once: counted, but nothing that anybody misses.
        lost = {r: n for r, n in dropped.items() if r not in INTENDED}
        if lost:
            reasons = ", ".join(f"{count} as {reason}" for reason, count in sorted(lost.items()))
            logger.warning("%s not delivered: %s", counted(sum(lost.values()), "span"), reasons)

    def _tell_of_runs(self) -> None:
        """Say which runs the platform still has as open."""
        runs = self._parts.sender.unfinished
        if runs and self._parts.outbox.is_durable:
            logger.warning(
                "%s not finished yet: the next process that uses %s does that",
                *(counted(runs, "run"), self._parts.config.spool_dir),
            )
        elif runs:
            self._parts.counters.leave_open(runs)
            logger.warning(
                "%s open on Prefactor: the end was sent, or was to be, and is not acknowledged",
                counted(runs, "run"),
            )
