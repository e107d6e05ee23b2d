"""The one background thread: it owns the event loop, the HTTP session, the tree and the outbox.

Other threads only append to its inbox and wake it. It is started at construction, because newer
Pythons refuse new threads at interpreter shutdown, and it is a daemon, because the atexit hooks
that drain it run after non-daemon threads have been waited for.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.poll import Watched, watch
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.sender import Sender
from prefactor_otel.host import gevent_loop, suppress
from prefactor_otel.host.exits import is_ending
from prefactor_otel.host.termination import TerminatedRun, announce, event_of
from prefactor_otel.pipeline.inbox import NEVER, Inbox
from prefactor_otel.runs.events import (
    Dropped,
    Flush,
    Judged,
    RunClosed,
    RunOpened,
    SessionEnded,
)
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.spans.sdk import key_of
from prefactor_otel.spans.view import Attributes, SpanKey
from prefactor_otel.spool import SCAN_INTERVAL
from prefactor_otel.spool.identity import Identity
from prefactor_otel.stats import own_logs
from prefactor_otel.stats.counters import INTENDED, Counters, DropReason, State, Stats
from prefactor_otel.stats.log import QuietLog, logger, place_of
from prefactor_otel.words import counted

if TYPE_CHECKING:
    from prefactor_otel.spool.spool import Spool

MAX_SPANS: Final = 16_384
"""Ended spans that wait to be taken in, at most, however small they are."""

STORED_WITHIN: Final = 0.02
"""Seconds that a span's end waits for company before it is written to the spool."""

TICK: Final = 0.2
"""Seconds between two looks at what time has made due, at least: what is due soon is looked at
together."""

STALLED_AFTER: Final = 2.0
"""Seconds without an answer after which nobody is kept waiting for the API."""

_PULSE: Final = 0.1
"""Seconds after which those who wait for the thread make sure that it lives."""

_DRAIN_SLICE: Final = 0.003
"""Seconds of taking events in before the sender gets a turn on the loop."""

_CLOSING_SLICE: Final = 0.05
"""The same at shutdown, when whatever has not been taken in is lost."""

_GRACE: Final = 0.3
"""Seconds after the deadline in which the thread ends."""

_NO_THREAD_FOR: Final = 1.0
"""Seconds between two tries to start a thread."""

_LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries of a worker that fails, at most."""


class Worker:
    """One run's worth of background work. Public methods may be called from any thread."""

    def __init__(self, config: Config) -> None:
        assert config.api_token is not None
        self.run_status: FinishStatus | None = None
        self.terminated = threading.Event()
        """Set when the run of the process was terminated."""
        self._config = config
        self.inbox = Inbox(min(MAX_SPANS, config.max_queue_size))
        self._counters = Counters(lambda: self.inbox.handed_over)
        self._log = QuietLog()
        self._reviving = threading.Lock()
        self._works_here = False
        self._identity = Identity(config.api_url, config.api_token, config.agent_id)
        self._budget = Budget(config.max_queue_size, config.max_queue_bytes)
        self._outbox = Outbox(
            self._budget,
            self._counters,
            self._log,
            config.max_batch_size,
            config.max_request_bytes,
        )
        self._sender = Sender(
            self._outbox,
            self._counters,
            self._log,
            max_batch_size=config.max_batch_size,
            max_request_bytes=config.max_request_bytes,
            token=self._identity.token,
            probe_interval=config.probe_interval,
            terminated=self._on_terminated,
            over=self._on_over,
        )
        self._spool = self._new_spool()
        self._intake = Intake(config, Run(), self._outbox, self._budget, self._counters, self._log)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awake = True
        self._urgent = False
        self._wakeup = asyncio.Event()
        self._send_at = 0.0
        self._deadline: float | None = None
        self._missed_before_end = 0
        self._ending = threading.Event()
        self._closed = threading.Event()
        self._failures = 0
        self._is_run_closed = False
        self._is_told = False
        self._has_left = False
        self._crowd = config.max_batch_size
        self._no_thread_before = 0.0
        self._thread: threading.Thread | None = None
        self._revive()

    # -- any thread -----------------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether shutdown has begun; what comes now is too late."""
        return self._deadline is not None

    @property
    def has_terminated(self) -> bool:
        """Whether any run was ever terminated."""
        return self._intake.lives.has_terminated

    @property
    def is_answering(self) -> bool:
        """Whether waiting for an acknowledgement makes sense now."""
        helpless = self._no_thread_before > 0.0
        return not (self._is_silent or self._is_refused or helpless)

    @property
    def _is_silent(self) -> bool:
        """Whether the API fails, or has not answered for long."""
        since = self._sender.sending_since
        stalled = since is not None and time.monotonic() - since > STALLED_AFTER
        return self._sender.failing or stalled

    @property
    def _is_refused(self) -> bool:
        return self._sender.has_refused(self._intake.lives.process_key)

    @property
    def run_id(self) -> str | None:
        """The agent instance's id, None until registered."""
        record = self._sender.runs.get(self._intake.lives.process_key)
        return record.instance_id if record is not None else None

    def bind(self, resource: Attributes) -> None:
        """Tell the worker the provider's resource, as soon as it is known."""
        if self._intake.resource is None:
            self._intake.resource = resource
            self.wake(urgent=True)

    def refuse(self, spans: Sequence[ReadableSpan], receipt: Receipt | None = None) -> bool:
        """Account for spans that the inbox does not take. True when none of them is lost."""
        if self.is_closing:
            # What shutdown has closed as cancelled is on the platform; its late end loses nothing.
            spans = [span for span in spans if not self._is_known_ended(span)]
            return self._lose(spans, receipt, DropReason.AFTER_SHUTDOWN)
        contexts = [context for span in spans if (context := span.get_span_context())]
        self.inbox.note_dropped(Dropped([key_of(context) for context in contexts]))
        return self._lose(spans, receipt, DropReason.QUEUE_FULL)

    def await_room(self, deadline: float, is_moot: Callable[[], object]) -> None:
        """While the API answers, let a caller who may be kept waiting do so for room in the inbox,
        until a time of the monotonic clock at most."""
        while self.inbox.is_full and self.is_answering and not (self.is_closing or is_moot()):
            self.inbox.room.clear()
            left = deadline - time.monotonic()
            if left <= 0 or not self._revive():
                return
            if self.inbox.is_full:
                self.inbox.room.wait(min(left, _PULSE))

    def terminated_at(
        self, parent: SpanKey | None, session: str | None, handle: str | None
    ) -> TerminatedRun | None:
        """The run that a span would start in here, if that was terminated."""
        return self._intake.lives.terminated_at(parent, session, handle)

    def tell(self, event: RunOpened | RunClosed | SessionEnded | Judged) -> None:
        """Something has become of a run."""
        if not self.is_closing:
            self.inbox.tell(event)
            self.wake(urgent=True)

    def id_of(self, handle: str) -> str | None:
        """The agent instance's id of an explicit run, None until registered."""
        key = self._intake.lives.key_of_handle(handle)
        record = self._sender.runs.get(key) if key is not None else None
        return record.instance_id if record is not None else None

    def flush(self, timeout: float) -> bool:
        """True when everything that ended before the call is acknowledged within ``timeout``
        seconds, or, while the API does not answer, on disk; False at the deadline, or when
        something was lost or waits in memory for its parent."""
        if self.is_closing:
            return self._await_close(timeout) and self._has_left_nothing
        nothing_waits = self._has_nothing_to_send
        receipt = Receipt(patient=not self._outbox.is_durable)
        self.inbox.tell(Flush(receipt))
        self.wake(urgent=True)
        outcome = self.outcome(receipt.future, timeout)
        if outcome is None:
            return nothing_waits or (receipt.stored.done() and receipt.stored.result())
        return outcome

    @property
    def _has_nothing_to_send(self) -> bool:
        """Whether all that has ended is settled, runs included."""
        settled = self._counters.waiting == 0 and not len(self._outbox)
        return settled and not self._intake.lives.has_any_to_close

    def outcome(
        self,
        future: "Future[bool | None] | Future[bool]",
        timeout: float,
        is_moot: Callable[[], object] = lambda: False,
    ) -> bool | None:
        """What became of what a receipt stands for; None when that is open after ``timeout``
        seconds, or the waiting was called off, or is moot."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0 or future.done():
            try:
                return future.result(min(max(0.0, left), _PULSE))
            except TimeoutError:
                if is_moot() or not self._revive():
                    return None
        return None

    def close(self, deadline: float) -> bool:
        """End the run and deliver what waits until ``deadline`` (monotonic seconds). Returns
        whether everything was delivered."""
        if self._deadline is None:
            self._missed_before_end = self._counters.missed
            self._deadline = deadline
            self._ending.set()
            self.inbox.close()
            self.wake(urgent=True)
        closed = self._await_close(max(0.0, deadline - time.monotonic()) + _GRACE)
        if not closed:
            self._give_up()
        return closed and self._has_left_nothing

    @property
    def _has_left_nothing(self) -> bool:
        """Whether everything that waited when shutdown began was delivered."""
        return self._counters.waiting == 0 and self._counters.missed == self._missed_before_end

    def stats(self) -> Stats:
        """A snapshot of all counters."""
        return self._counters.snapshot(
            items=len(self._outbox) + self._budget.parked.items,
            size=self._outbox.size + self._budget.parked.bytes,
            held=self._budget.bytes,
            spooling=self._outbox.is_durable,
            orphaned=self._intake.lives.orphaned,
            runs=self._intake.lives.open,
            idle_runs=self._intake.lives.idle_runs,
            run_id=self.run_id,
            state=self._state(),
        )

    def _state(self) -> State:
        if self._closed.is_set():
            return "closed"
        if self._is_refused:
            return "failed"
        if self._sender.paused:
            return "paused"
        if self.terminated.is_set():
            return "terminated"
        waits_for_spans = self._config.run_scope != "provider" or self._intake.lives.has_left
        return "running" if waits_for_spans or self.run_id is not None else "starting"

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._work, name="prefactor-otel", daemon=True)

    def _is_alive(self) -> bool:
        """Whether somebody does the work: the thread or, at the end, who could not have one."""
        if self._works_here:
            return True
        return self._thread is not None and self._thread.is_alive() and not self._has_left

    def _revive(self) -> bool:
        """Start the thread, also again if something has killed it; what waits is still there.
        False where no thread can be had."""
        if self._is_alive():
            return True
        # Whoever finds it taken need not wait: a signal handler would, for the thread it is on.
        if not self._reviving.acquire(blocking=False):
            return True
        try:
            if self._is_alive() or self._closed.is_set():
                return True
            has_begun = self._begin()
            # Others who find no thread must not do the same work beside this one.
            works_here = self._works_here = not has_begun and self.is_closing
        finally:
            self._reviving.release()
        if works_here:
            try:
                self._work()
            finally:
                self._works_here = False
        return has_begun

    def _begin(self) -> bool:
        """Start a thread. That is refused when the interpreter ends, to a subinterpreter, and
        where the machine has none left; the last may change."""
        if time.monotonic() < self._no_thread_before and not self.is_closing:
            return False
        if is_ending():
            return False
        self._outbox.recover()
        self._loop, self._awake, self._has_left = None, True, False
        self.inbox.rest(0)
        thread = self._new_thread()
        try:
            thread.start()
        except RuntimeError as error:
            self._no_thread_before = time.monotonic() + _NO_THREAD_FOR
            if not self.is_closing:
                self._log.warn("thread", f"No thread can be had ({error}); spans wait in memory")
            return False
        if self._thread is not None:
            self._counters.restart()
        self._thread, self._no_thread_before = thread, 0.0
        return True

    def _await_close(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not self._closed.wait(max(0.0, min(deadline - time.monotonic(), _PULSE))):
            if time.monotonic() >= deadline:
                return False
            self._revive()
        return True

    def wake(self, *, urgent: bool = False) -> None:
        """See to it that somebody looks at the inbox: whoever hands something over calls this when
        the inbox has asked for it, and at once where it is urgent."""
        if self.inbox.is_shut:
            self._account_for_late()
            return
        self._revive()
        if self._awake and (self._urgent or not urgent):
            return
        self._awake = True
        self._urgent = self._urgent or urgent
        loop = self._loop
        if loop is None or loop.is_closed():  # its first look is at the inbox
            return
        self.inbox.rest(NEVER)
        _call(loop, self._wakeup.set)

    @property
    def _is_crowded(self) -> bool:
        """Whether so much waits in the inbox that it has company enough."""
        return len(self.inbox.entries) >= min(self._crowd, self.inbox.capacity / 2)

    def _account_for_late(self) -> None:
        """Account for spans whose end has met that of everything here."""
        self._counters.drop(DropReason.AFTER_SHUTDOWN, self.inbox.forget_late())

    def _is_known_ended(self, span: ReadableSpan) -> bool:
        context = span.get_span_context()
        return context is not None and self._intake.has_ended(key_of(context))

    def _is_done_with(self, span: ReadableSpan) -> bool:
        context = span.get_span_context()
        return context is not None and self._intake.is_done_with(key_of(context))

    def _lose(
        self, spans: Sequence[ReadableSpan], receipt: Receipt | None, reason: DropReason
    ) -> bool:
        """Account for spans that are lost as they come. True when there are none."""
        self._counters.refuse(reason, len(spans))
        self._tell_lost(spans, receipt, reason)
        return not spans

    def _tell_lost(
        self, spans: Sequence[ReadableSpan], receipt: Receipt | None, reason: DropReason
    ) -> None:
        if spans:
            self._log.warn(reason.value, f"Spans dropped ({reason.value}): {len(spans)}")
        if receipt is not None:
            _lose(receipt)

    # -- the thread -----------------------------------------------------------------------

    def _work(self) -> None:
        """The thread's life. A fault in here is logged, counted, and the work taken up again. What
        kills the thread all the same leaves everything as it is for the next thread."""
        try:
            with own_logs.own_thread():
                while not self._run_loop():
                    self._counters.restart()
                self._settle_rest()
                self._closed.set()
        finally:  # whatever has come in between
            self._has_left = True
            self.inbox.rest(0)

    def _run_loop(self) -> bool:
        """Work until shutdown is done, or time is up. False when the work must be taken up anew:
        also after ``SystemExit`` and the like, which strike a thread from outside."""
        try:
            # No debugging: -X dev is about the application's loop, not about this one.
            with asyncio.Runner(debug=False, loop_factory=gevent_loop.loop_factory()) as runner:
                runner.run(self._main())
        except BaseException as error:
            logger.debug("The worker failed: %s", place_of(error))
            self._log.warn("worker", f"The worker failed ({type(error).__name__}); it goes on")
            self._outbox.recover()
            self._pause_after_failure()
            return self._deadline is not None and time.monotonic() >= self._deadline
        finally:
            self._loop = None
        return True

    def _pause_after_failure(self) -> None:
        """A fault that repeats at once must not become a busy loop."""
        self._failures += 1
        if self.is_closing:
            time.sleep(_PULSE)
        else:
            self._ending.wait(min(_LONGEST_PAUSE, _PULSE * 2 ** min(self._failures - 1, 16)))

    async def _main(self) -> None:
        with suppress.untraced():  # the tasks made in here inherit it
            deadly = self.inbox.take_up(self._is_done_with)
            if deadly is not None:
                self._counters.drop(DropReason.UNREADABLE, 1)
                self._tell_lost([deadly.span], None, DropReason.UNREADABLE)
                if deadly.receipt is not None:
                    deadly.receipt.lose()
            self._wakeup = asyncio.Event()
            self._loop = asyncio.get_running_loop()
            self._sender.landed = self._wakeup.set
            if self._spool is not None:
                self._spool.open()
            async with ApiClient(
                self._config.api_url, request_timeout=self._config.request_timeout
            ) as client:
                sending = asyncio.create_task(self._sender.run(client))
                sending.add_done_callback(lambda _: self._wakeup.set())
                interval = self._config.poll_interval
                asking = watch(client, interval, self._watched, self._on_terminated, self._on_over)
                polling = asyncio.create_task(asking)
                try:
                    await self._take_in(sending)
                    polling.cancel()
                    self._close_run()
                    self._sender.close()
                    await self._deliver_rest(sending)
                    if sending.done():
                        sending.result()  # raises what ended it
                finally:
                    sending.cancel()
                    polling.cancel()
                    await asyncio.gather(sending, polling, return_exceptions=True)

    async def _deliver_rest(self, sending: "asyncio.Task[None]") -> None:
        """Wait for what is left to be sent, until the deadline; for runs that are empty and that
        the API does not know only as long as it answers."""
        deadline = self._deadline or 0.0
        while not sending.done() and (left := deadline - time.monotonic()) > 0:
            if self._is_silent and self._sender.has_only_empty_runs:
                self._log.warn(
                    "delivery",
                    "Prefactor cannot be reached (no answer); a run without spans is not sent",
                )
                return
            await asyncio.wait({sending}, timeout=min(left, _PULSE))

    def _watched(self) -> list[Watched]:
        """The runs that the platform can be asked for now."""
        if self.is_closing or self._sender.paused or not self.is_answering:
            return []
        records = self._sender.runs
        return [
            Watched(run.run.key, record.instance_id, run.opened)
            for run in self._intake.lives.going_on()
            if (record := records.get(run.run.key)) is not None
        ]

    def _on_terminated(self, key: str, reason: str | None) -> None:
        """The platform says that a run is to stop."""
        record = self._sender.runs.get(key)
        run = self._intake.lives.terminate(key, record.instance_id, reason) if record else None
        if run is None or run.terminated is None:
            return
        logger.warning(
            "Run %s was terminated on the platform; its later spans are not sent", run.terminated.id
        )
        reaction = self._config.on_terminate
        if isinstance(reaction, str) and not self.inbox.sees_starts:
            self._log.warn(
                "on_terminate",
                f"on_terminate={reaction!r} needs span starts, which this provider hides: use "
                "PrefactorSpanProcessor or prefactor_otel.TracerProvider",
            )
        if run.handle is not None:
            event_of(run.handle).set()
        if key == self._intake.lives.process_key:
            self.terminated.set()
        tasks = list((run.tasks or {}).values())
        announce(run.terminated, reaction, tasks, lambda text: self._log.warn("reaction", text))

    def _on_over(self, key: str) -> None:
        """The platform has ended a run by itself."""
        record = self._sender.runs.get(key)
        if record is not None and self._intake.lives.leave(key):
            logger.warning(
                "Run %s was ended on the platform before its agent did; what comes begins another",
                record.instance_id,
            )

    def _new_spool(self) -> "Spool | None":
        config = self._config
        if config.spool_dir is None:
            return None
        from prefactor_otel.spool.spool import Spool  # with its database, which few need

        return Spool(
            config.spool_dir,
            self._identity,
            self._outbox,
            self._sender.runs,
            self._counters,
            self._log,
            max_bytes=config.spool_max_bytes,
            max_age=config.spool_max_age,
        )

    async def _take_in(self, sending: "asyncio.Task[None]") -> None:
        """Take events from the inbox until shutdown is asked for and the inbox is empty, or the
        time is up."""
        while not (self.is_closing and (not self.inbox or self._is_late)):
            if sending.done():
                sending.result()  # raises what ended it
                return
            seconds = _CLOSING_SLICE if self.is_closing else _DRAIN_SLICE
            hurries = self._is_crowded or self.is_closing
            # Spans that wait to be taken in are larger than what packing saves.
            self._outbox.packs = self._sender.failing and not self._is_crowded
            self.inbox.take(self._intake.take, seconds, self._has_room, hurries=hurries)
            self._failures = 0
            self._intake.lives.take_due()
            self._intake.store()
            if not self.is_answering:
                self._outbox.call_off()
            elif self._spool is not None and self._intake.lives.is_process_open:
                self._spool.look_around()
            has_room = self._has_room()
            self._sender.patient = bool(self.inbox) and has_room and not self.is_closing
            if self._outbox.queued and self._may_send():
                self._sender.wake()
            if not self.inbox:
                await self._rest()
            elif has_room:
                await asyncio.sleep(0)
            else:
                await self._rest_until_sent()

    def _has_room(self) -> bool:
        """Whether more is to be taken in. While the API answers, nothing has to be given up for
        that: what comes waits in the inbox, and who hands it over for the inbox."""
        return self._outbox.has_room or not self.is_answering

    async def _rest_until_sent(self) -> None:
        """Sleep until a request is over, which may have made room."""
        self._wakeup.clear()
        if not self._has_room():
            await _wait(self._wakeup, TICK)

    async def _rest(self) -> None:
        """Sleep until there is something to do; then, unless it is urgent, wait for company."""
        self._urgent = False
        if not self.is_closing:
            await self._rest_until_more_than(0, self._longest_rest())
            await self._wait_for_company()
        self._awake = True
        self.inbox.rest(NEVER)

    async def _wait_for_company(self) -> None:
        """Let what has come wait for more. Each time that twice as much is there it is weighed, for
        it may be large, and what is handed over is bounded by what it is known to weigh."""
        company = self._config.schedule_delay
        if self._spool is not None:  # a span is to be on disk soon after its end
            company = min(company, STORED_WITHIN)
        until = time.monotonic() + company
        while self.inbox and not (self._urgent or self.is_closing):
            self.inbox.weigh()
            left = until - time.monotonic()
            if left <= 0 or self._is_crowded:
                return
            most = min(self._crowd - 1, 2 * len(self.inbox.entries))
            await self._rest_until_more_than(most, left)

    async def _rest_until_more_than(self, entries: int, seconds: float | None) -> None:
        """Sleep until more is in the inbox, or somebody wakes this, but not for longer."""
        self._awake = False
        self._wakeup.clear()
        self.inbox.rest(entries)
        # What has come meanwhile has told nobody.
        if len(self.inbox.entries) <= entries and not (self._urgent or self.is_closing):
            await _wait(self._wakeup, seconds)
        self._awake = True

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _longest_rest(self) -> float | None:
        """Seconds until time will have made something due; None if it never will."""
        now = time.monotonic()
        dues = self._intake.lives.next_due, self._outbox.next_due, self._stalls_at(now)
        by = max(now + TICK, min(dues))
        if self._outbox.queued and self._send_at:
            by = min(by, self._send_at)
        if self._spool is not None:
            by = min(by, now + (TICK if self._spool.is_busy else SCAN_INTERVAL))
        return None if by == math.inf else max(0.0, by - now)

    def _stalls_at(self, now: float) -> float:
        """When whoever waits for the oldest request need not wait for its answer any more. What is
        waits may be on its way the moment after, of which nobody tells."""
        since = self._sender.sending_since or (now if len(self._outbox) else -math.inf)
        return since + STALLED_AFTER if since + STALLED_AFTER > now else math.inf

    def _may_send(self) -> bool:
        """Whether what waits has waited long enough for company. Without a spool it has: then
        events wait for each other in the inbox."""
        if self._spool is None or self._urgent or self.is_closing:
            self._send_at = 0.0
            return True
        now = time.monotonic()
        if not self._send_at:
            self._send_at = now + self._config.schedule_delay
        if now < self._send_at and self._outbox.queued < self._config.max_batch_size:
            return False
        self._send_at = 0.0
        return True

    def _close_run(self) -> None:
        if self._spool is not None:
            self._spool.stop_adopting()
        if not self._is_run_closed:
            self._intake.lives.close_all(self.run_status)
            self._is_run_closed = True
        self._intake.store()

    def _settle_rest(self) -> None:
        """Account for what could not be delivered, in one line."""
        for receipt in self.inbox.shut():
            _lose(receipt)
        self._outbox.commit(at_last=True)
        on_disk = self._outbox.conclude()
        if self._spool is not None:
            self._spool.close()
        self._outbox.drain()
        self._close_ledger(kept=on_disk)
        self._tell_what_is_left()

    def _give_up(self) -> None:
        """The thread has not ended in time, and may never: account for what it has not done."""
        self._closed.set()
        is_durable = self._outbox.is_durable
        self._close_ledger(kept=self._counters.waiting - self.inbox.spans if is_durable else 0)
        for receipt in self.inbox.shut():
            _lose(receipt)
        self._tell_what_is_left()

    def _close_ledger(self, *, kept: int) -> None:
        reason = DropReason.UNAUTHORIZED if self._sender.paused else DropReason.SHUTDOWN_TIMEOUT
        self._counters.close(reason, kept=kept)

    def _tell_what_is_left(self) -> None:
        if self._is_told:
            return
        self._is_told = True
        if self._counters.waiting:
            logger.warning(
                "%s not delivered yet: kept in %s for the next process that uses it",
                *(counted(self._counters.waiting, "span"), self._config.spool_dir),
            )
        dropped = self.stats().dropped
        # A duplicate has been delivered once: counted, but nothing that anybody misses.
        lost = {r: n for r, n in dropped.items() if r not in INTENDED}
        if lost:
            reasons = ", ".join(f"{count} as {reason}" for reason, count in sorted(lost.items()))
            logger.warning("%s not delivered: %s", counted(sum(lost.values()), "span"), reasons)


def _lose(receipt: Receipt) -> None:
    """What was handed over with it never became an entry."""
    receipt.lose()
    receipt.keep(on_disk=False)
    receipt.seal()


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:  # the loop has closed between the check and the call
        return


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
