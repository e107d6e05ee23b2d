"""Who may be kept waiting for what was handed over, where, and for how long."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final, NamedTuple

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host import exits, program
from prefactor_otel.pipeline.closing import PULSE
from prefactor_otel.pipeline.worker import Worker
from prefactor_otel.stats.own_logs import is_own_thread

_RECENT: Final = 0.25
"""Seconds within which a wait in ``export`` belongs to the export or shutdown that follows it."""

_PART_IN_ROW: Final = 0.5
"""Of ``shutdown_timeout``: what exports that follow each other wait together. A processor that
drains before its shutdown makes such a row, and does not say so."""

_DISK_WAIT: Final = 1.0
"""Seconds that ``export`` waits for the disk on an event loop, at most."""

HandOver = Callable[[Sequence[object], Receipt | None], bool]
"""Hands ended spans to the worker; False when they are lost already."""


class _Row(NamedTuple):
    """How long a row of exports has waited, until when, and in which process."""

    seconds: float = 0.0
    until: float = 0.0
    generation: int = 0


class Waiting:
    """The waits of one exporter's callers. No lock: a signal handler may come amid any of these,
    and a fork may leave one behind that nobody will ever release."""

    def __init__(self) -> None:
        self._row = _Row()
        self._for_all: dict[int, set[object]] = {}
        """Those who wait for the whole, by the generation of their process."""

    @contextmanager
    def for_all(self) -> Iterator[None]:
        """While inside, ``deliver`` only hands over, and who waits in it soon goes on: somebody
        else waits for the whole."""
        waiting, token = self._for_all.setdefault(program.generation, set()), object()
        waiting.add(token)
        try:
            yield
        finally:
            waiting.discard(token)

    def _is_passed_by(self) -> bool:
        """Whether somebody waits for the whole."""
        return bool(self._for_all.get(program.generation))

    def may_wait(self, worker: Worker) -> bool:
        """Whether this thread may wait for the API now: not on a thread that runs an event loop,
        not while the API fails, not at exit."""
        return (
            not self._is_passed_by()
            and worker.is_answering
            and not exits.is_ending()
            and not _runs_event_loop()
            and not is_own_thread()
        )

    @property
    def lately(self) -> float:
        """Seconds that a row of exports has waited that may go on."""
        row = self._row
        goes_on = time.monotonic() - row.until < _RECENT and row.generation == program.generation
        return row.seconds if goes_on else 0.0

    def deliver(self, worker: Worker, spans: Sequence[object], hand_over: HandOver) -> bool:
        """Hand over ended spans and wait until the API has acknowledged them, as long as one may
        and at most ``export_timeout``. With a spool, wait until they are on disk in any case.
        False when any of them was refused or dropped, or is not known to be on disk."""
        deadline = time.monotonic() + worker.config.export_timeout
        if worker.inbox.is_full and self.may_wait(worker):
            await_room(worker, deadline, self._is_passed_by)
        if worker.config.spool_dir is None and not self.may_wait(worker):
            return hand_over(spans, None)
        receipt = Receipt()
        hand_over(spans, receipt)
        if worker.config.spool_dir is not None:
            if not self._is_stored(worker, receipt, deadline):
                return False
            if not self.may_wait(worker):
                return not receipt.future.done() or receipt.future.result() is not False
        return self._is_acknowledged(worker, receipt, deadline)

    def _is_stored(self, worker: Worker, receipt: Receipt, deadline: float) -> bool:
        """Whether it is known in time what has become of it on disk."""
        # A millisecond, unless the disk hangs; then an event loop must not hang as well.
        most = deadline - time.monotonic()
        most = min(most, _DISK_WAIT) if _runs_event_loop() else most
        most = 0.0 if is_own_thread() else most  # it would wait for itself
        return outcome(worker, receipt.stored, most) is not None

    def _is_acknowledged(self, worker: Worker, receipt: Receipt, deadline: float) -> bool:
        """Whether nothing of it is known to be lost when the waiting ends."""
        before, begun = self.lately, time.monotonic()
        most = deadline - begun
        if before:
            most = min(most, worker.config.shutdown_timeout * _PART_IN_ROW - before)
        found = outcome(worker, receipt.future, most, self._is_passed_by)
        if not self._is_passed_by():  # else who waits for the whole counts it
            now = time.monotonic()
            self._row = _Row(before + now - begun, now, program.generation)
        return found is not False


def await_room(worker: Worker, deadline: float, is_moot: Callable[[], bool]) -> None:
    """While the API answers, let a caller who may be kept waiting do so for room in the inbox,
    until a time of the monotonic clock at most."""
    inbox = worker.inbox
    while inbox.is_full and worker.is_answering and not (worker.is_closing or is_moot()):
        inbox.room.clear()
        left = deadline - time.monotonic()
        if left <= 0 or not worker.revive():
            return
        if inbox.is_full:
            inbox.room.wait(min(left, PULSE))


def outcome(
    worker: Worker,
    future: "Future[bool | None] | Future[bool]",
    timeout: float,
    is_moot: Callable[[], bool] = lambda: False,
) -> bool | None:
    """What became of what a receipt stands for; None when that is open after ``timeout`` seconds,
    or the waiting was called off, or is moot."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0 or future.done():
        try:
            return future.result(min(max(0.0, left), PULSE))
        except TimeoutError:
            if is_moot() or not worker.revive():
                return None
    return None


def flush(worker: Worker, timeout: float) -> bool:
    """True when everything that ended before the call is acknowledged within ``timeout`` seconds,
    or, while the API does not answer, on disk; False at the deadline, or when something was lost
    or waits in memory for its parent."""
    if worker.is_closing:
        return worker.await_close(timeout) and worker.has_left_nothing
    nothing_waits = worker.has_nothing_to_send
    receipt = worker.flush()
    try:
        found = outcome(worker, receipt.future, timeout)
    finally:
        receipt.forgo()
    if found is None:
        return nothing_waits or (receipt.stored.done() and receipt.stored.result())
    return found


def _runs_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
