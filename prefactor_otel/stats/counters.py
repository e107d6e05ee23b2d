"""Every span is accounted for: accepted = acknowledged + waiting + dropped by reason."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

State = Literal["off", "starting", "running", "paused", "failed", "terminated", "closed"]


class DropReason(StrEnum):
    """Why a span was not delivered."""

    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    RUN_REFUSED = "run_refused"
    TOO_LARGE = "too_large"
    SPOOL_FULL = "spool_full"
    SPOOL_FAILED = "spool_failed"
    EXPIRED = "expired"
    GIVEN_UP = "given_up"
    DUPLICATE = "duplicate"
    FILTERED = "filtered"
    NOT_KEPT = "not_kept"
    RUN_TERMINATED = "run_terminated"
    RUN_OVER = "run_over"
    UNREADABLE = "unreadable"
    NOT_CONFIGURED = "not_configured"
    AFTER_SHUTDOWN = "after_shutdown"
    SHUTDOWN_TIMEOUT = "shutdown_timeout"
    UNAUTHORIZED = "unauthorized"


_AFTER_SHUTDOWN: Final = DropReason.AFTER_SHUTDOWN.value

INTENDED: Final = (DropReason.DUPLICATE, DropReason.FILTERED, DropReason.NOT_KEPT)
"""With these, nothing is missing that was to be sent."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A consistent snapshot. Counts are spans, except where the name says otherwise."""

    accepted: int
    """Spans handed over: ended, or still open at shutdown; or adopted."""
    adopted: int
    """Those among them that were taken over from the spool of a process that had died."""
    acknowledged: int
    """Spans that the API has confirmed, each by its own key."""
    waiting: int
    """Spans handed over and neither acknowledged nor dropped."""
    waiting_items: int
    """API operations in the outbox."""
    waiting_bytes: int
    """Their size in bytes."""
    held_bytes: int
    """What open, waiting and remembered spans of all runs take in memory, about; at most
    ``max_queue_bytes``, where that is 8 MiB or more, and no more than one span for each 8 KiB of it
    is open: 1 KiB of each further one comes on top."""
    spooling: bool
    """Whether what waits is on disk, and outlives the process."""
    retried: int
    """API operations that were sent more than once."""
    dropped: dict[str, int]
    """Spans lost, by reason."""
    orphaned: int
    """Spans sent without their parent, because that never came."""
    unmatched_records: int
    """Log records with content of a model's call that went with no span: it had ended, was not sent
    from here, or too many waited for theirs."""
    lost_judgements: int
    """Judgements of runs that were given up, because too much waited, or that the API refused."""
    requests: int
    """HTTP requests answered or failed."""
    worker_restarts: int
    """How often the background thread had to start its work anew."""
    last_error: str | None
    """The last trouble with the API, without content or token."""
    runs: int
    """Runs that are open."""
    idle_runs: int
    """Runs that were closed because nothing came of them any more."""
    unfinished_runs: int
    """Runs that stay open on the platform: their end was refused, or not acknowledged before that
    of this, and no disk keeps it for the next process."""
    run_id: str | None
    """The agent instance's id; None until the API has registered it, and where each trace or
    session is a run of its own."""
    state: State


class Counters:
    """The counters, safe to use from any thread, and from a signal handler amid any of these."""

    def __init__(self, handed_over: Callable[[], int] = lambda: 0) -> None:
        self._handed_over = handed_over
        """How many spans have ever been handed over, which is counted elsewhere."""
        self._lock = threading.RLock()  # a handler runs on the thread that holds it
        self._is_closed = False
        self._accepted = 0
        self._adopted = 0
        self._acknowledged = 0
        self._retried = 0
        self._requests = 0
        self._restarts = 0
        self._left_open = 0
        self._unmatched = 0
        self._lost_judgements = 0
        # All are there from the start: where nothing is called, no handler can come in between.
        self._dropped = dict.fromkeys((reason.value for reason in DropReason), 0)
        self._last_error: str | None = None

    def accept(self, spans: int) -> None:
        """So many spans count as handed over, though nobody did so."""
        with self._lock:
            self._accepted += spans
            if self._is_closed:
                self._dropped[_AFTER_SHUTDOWN] += spans

    def refuse(self, reason: DropReason, spans: int) -> None:
        """So many spans have been handed over, and are lost at once."""
        name = reason.value
        with self._lock:
            self._accepted += spans
            self._dropped[name] += spans

    def close(self, reason: DropReason, *, kept: int = 0) -> None:
        """What waits is lost, but for ``kept`` spans that are on disk; so is what comes later. Of
        whoever closes it, the first is believed."""
        name = reason.value
        with self._lock:
            lost = 0 if self._is_closed else max(0, self._open() - kept)
            self._is_closed = True
            self._dropped[name] += lost

    def adopt(self, spans: int) -> None:
        """So many spans of a process that has died are sent by this one."""
        with self._lock:
            self._accepted += spans
            self._adopted += spans

    def acknowledge(self, spans: int) -> None:
        """The API has confirmed so many spans."""
        with self._lock:
            spans = self._countable(spans)
            self._acknowledged += spans

    def drop(self, reason: DropReason, spans: int) -> None:
        """So many spans are lost, for this reason."""
        name = reason.value
        with self._lock:
            spans = self._countable(spans)
            self._dropped[name] += spans

    def _countable(self, spans: int) -> int:
        # A thread that did not end in time may still settle what was given up with it.
        return min(spans, self._open()) if self._is_closed else spans

    def _open(self) -> int:
        return self._all_accepted() - self._acknowledged - sum(self._dropped.values())

    def _all_accepted(self) -> int:
        return self._accepted + self._handed_over()

    def request(self, retried_items: int = 0) -> None:
        """A request has been made; so many of its items had been sent before."""
        with self._lock:
            self._requests += 1
            self._retried += retried_items

    def restart(self) -> None:
        """The worker has been started anew."""
        with self._lock:
            self._restarts += 1

    def leave_open(self, runs: int) -> None:
        """So many runs are not finished on the platform, and will not be."""
        with self._lock:
            self._left_open += runs

    def lose_judgements(self, judgements: int) -> None:
        """So many judgements of runs never arrive."""
        with self._lock:
            self._lost_judgements += judgements

    def unmatch(self, records: int) -> None:
        """So many log records go with no span."""
        with self._lock:
            self._unmatched += records

    @property
    def left_open(self) -> int:
        """Runs that were left open."""
        return self._left_open

    def trouble(self, error: str) -> None:
        """Remember what went wrong last; never content, never a token."""
        with self._lock:
            self._last_error = error

    @property
    def lost(self) -> int:
        """Spans dropped, for whatever reason."""
        with self._lock:
            return sum(self._dropped.values())

    @property
    def missed(self) -> int:
        """Spans dropped that somebody may miss: not those that were not to be sent."""
        # No lock: at shutdown, a handler that comes amid this waits for a thread that needs it.
        dropped = self._dropped.copy()
        return sum(n for reason, n in dropped.items() if reason not in INTENDED)

    @property
    def settled(self) -> int:
        """Spans acknowledged or dropped."""
        with self._lock:
            return self._acknowledged + sum(self._dropped.values())

    @property
    def waiting(self) -> int:
        """Spans accepted and neither acknowledged nor dropped."""
        with self._lock:
            return self._open()

    def snapshot(
        self,
        *,
        items: int = 0,
        size: int = 0,
        held: int = 0,
        spooling: bool = False,
        orphaned: int = 0,
        runs: int = 0,
        idle_runs: int = 0,
        run_id: str | None = None,
        state: State,
    ) -> Stats:
        """All counters at one instant."""
        with self._lock:
            accepted = self._all_accepted()
            return Stats(
                accepted=accepted,
                adopted=self._adopted,
                acknowledged=self._acknowledged,
                waiting=accepted - self._acknowledged - sum(self._dropped.values()),
                waiting_items=items,
                waiting_bytes=size,
                held_bytes=held,
                spooling=spooling,
                retried=self._retried,
                dropped={name: spans for name, spans in self._dropped.items() if spans},
                orphaned=orphaned,
                runs=runs,
                idle_runs=idle_runs,
                unfinished_runs=self._left_open,
                unmatched_records=self._unmatched,
                lost_judgements=self._lost_judgements,
                requests=self._requests,
                worker_restarts=self._restarts,
                last_error=self._last_error,
                run_id=run_id,
                state=state,
            )
