"""What runs in the one background thread: it owns the event loop, the HTTP session, and all that
stands below the inbox. Where something kills the thread, the next goes on with the same."""

import asyncio
import math
import time
from typing import Final

from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.poll import Watched, watch
from prefactor_otel.host import gevent_loop, suppress
from prefactor_otel.pipeline.closing import PULSE, Closing
from prefactor_otel.pipeline.parts import Parts
from prefactor_otel.pipeline.snapshot import STALLED_AFTER
from prefactor_otel.pipeline.wakeup import Wakeup
from prefactor_otel.spool import SCAN_INTERVAL
from prefactor_otel.stats import own_logs
from prefactor_otel.stats.counters import DropReason
from prefactor_otel.stats.log import logger, place_of

HURRIED_WITHIN: Final = 0.02
"""Seconds that a span's end waits for company where it is to be written to the spool, or may belong
to a run of another process, which ends that."""

_STORED_WITHIN: Final = 0.02
"""Seconds in which what changes amid other work is written to the spool: each time costs as much as
dozens of spans."""

TICK: Final = 0.2
"""Seconds between two looks at what time has made due, at least: what is due soon is looked at
together."""

_DRAIN_SLICE: Final = 0.003
"""Seconds of taking events in before the sender gets a turn on the loop."""

_CLOSING_SLICE: Final = 0.05
"""The same at shutdown, when whatever has not been taken in is lost."""

_LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries of work that fails, at most."""


class Loop:
    """The work of one thread at a time, which calls ``run``; other threads call nothing here."""

    def __init__(self, parts: Parts, wakeup: Wakeup, closing: Closing) -> None:
        self.has_left = False
        """Whether the thread does nothing any more, though it may be alive."""
        self._parts = parts
        self._config = parts.config
        self._inbox = parts.inbox
        self._intake = parts.intake
        self._lives = parts.intake.lives
        self._outbox = parts.outbox
        self._sender = parts.sender
        self._spool = parts.spool
        self._wakeup = wakeup
        self._closing = closing
        self._send_at = 0.0
        self._stored_at = 0.0
        self._is_stored = True
        """Whether all that has come of the last turn is in the spool."""
        self._failures = 0
        self._is_run_closed = False

    # -- a thread's life ------------------------------------------------------------------

    def prepare(self) -> None:
        """Before a thread begins: what another was amid is as if it had not been."""
        self._outbox.recover()
        self.has_left = False
        self._wakeup.renew()

    def run(self) -> None:
        """A fault in here is logged, counted, and the work taken up again. What kills the thread
        all the same leaves everything as it is for the next thread."""
        try:
            with own_logs.own_thread():
                while not self._run_once():
                    self._parts.counters.restart()
                self._closing.settle()
        finally:  # whatever has come in between
            self.has_left = True
            self._inbox.rest(0)

    def _run_once(self) -> bool:
        """Work until shutdown is done, or time is up. False when the work must be taken up anew:
        also after ``SystemExit`` and the like, which strike a thread from outside."""
        try:
            # No debugging: -X dev is about the application's loop, not about this one.
            with asyncio.Runner(debug=False, loop_factory=gevent_loop.loop_factory()) as runner:
                runner.run(self._main())
        except BaseException as error:
            logger.debug("The worker failed: %s", place_of(error))
            problem = f"The worker failed ({type(error).__name__}); it goes on"
            self._parts.log.warn("worker", problem)
            self._outbox.recover()
            self._pause_after_failure()
            return self._closing.is_late
        finally:
            self._wakeup.detach()
        return True

    def _pause_after_failure(self) -> None:
        """A fault that repeats at once must not become a busy loop."""
        self._failures += 1
        if self._closing.is_asked_for:
            time.sleep(PULSE)
        else:
            pause = min(_LONGEST_PAUSE, PULSE * 2 ** min(self._failures - 1, 16))
            self._closing.has_begun.wait(pause)

    async def _main(self) -> None:
        with suppress.untraced():  # the tasks made in here inherit it
            self._take_up()
            self._wakeup.attach()
            self._sender.landed = self._wakeup.set
            if self._spool is not None:
                self._spool.open()
            timeout = self._config.request_timeout
            async with ApiClient(self._config.api_url, request_timeout=timeout) as client:
                await self._work_with(client)

    async def _work_with(self, client: ApiClient) -> None:
        sending = asyncio.create_task(self._sender.run(client))
        sending.add_done_callback(lambda _: self._wakeup.set())
        asking = asyncio.create_task(self._ask(client))
        try:
            await self._take_in(sending)
            asking.cancel()
            self._close_runs()
            self._sender.close()
            await self._deliver_rest(sending)
            if sending.done():
                sending.result()  # raises what ended it
        finally:
            sending.cancel()
            asking.cancel()
            await asyncio.gather(sending, asking, return_exceptions=True)

    def _take_up(self) -> None:
        """Begin where a thread that was killed has been amid something."""
        deadly = self._inbox.take_up(self._intake.is_done_with)
        if deadly is None:
            return
        if deadly.is_record:
            self._parts.counters.unmatch(1)
            return
        self._parts.counters.drop(DropReason.UNREADABLE, 1)
        self._parts.warn_of(DropReason.UNREADABLE, 1)
        if deadly.receipt is not None:
            deadly.receipt.lose()

    # -- what it does ---------------------------------------------------------------------

    async def _take_in(self, sending: "asyncio.Task[None]") -> None:
        """Take events from the inbox until shutdown is asked for and the inbox is empty, or the
        time is up."""
        closing = self._closing
        while not (closing.is_asked_for and (not self._inbox or closing.is_late)):
            if sending.done():
                sending.result()  # raises what ended it
                return
            self._take_some()
            has_room = self._has_room()
            self._sender.patient = bool(self._inbox) and has_room and not closing.is_asked_for
            if self._outbox.queued and self._may_send():
                self._sender.wake()
            if not self._inbox:
                await self._rest()
            elif has_room:
                await asyncio.sleep(0)
            else:
                await self._rest_until_sent()

    def _take_some(self) -> None:
        """Take in what there is time and room for, and see to what time has made due."""
        is_closing, had_some = self._closing.is_asked_for, bool(self._inbox)
        # Spans that wait to be taken in are larger than what packing saves.
        self._outbox.packs = self._sender.failing and not self._is_crowded
        self._inbox.take(
            self._intake.take,
            _CLOSING_SLICE if is_closing else _DRAIN_SLICE,
            self._has_room,
            hurries=self._is_crowded or is_closing,
        )
        self._failures = 0
        self._lives.take_due()
        is_at_pause = had_some and not (self._inbox and self._has_room())
        self._store(at_once=is_at_pause or is_closing)
        if not self._parts.snapshot().is_answering:
            self._outbox.call_off()
        elif self._spool is not None and self._lives.is_process_open:
            self._spool.look_around()

    def _store(self, *, at_once: bool) -> None:
        """Let what has come so far outlive the process; amid other work, what comes of some turns
        together."""
        now = time.monotonic()
        self._is_stored = at_once or now >= self._stored_at + _STORED_WITHIN
        if self._is_stored:
            self._intake.store()
            self._stored_at = now

    def _has_room(self) -> bool:
        """Whether more is to be taken in. While the API answers, nothing has to be given up for
        that: what comes waits in the inbox, and who hands it over for the inbox."""
        return self._outbox.has_room or not self._parts.snapshot().is_answering

    @property
    def _is_crowded(self) -> bool:
        """Whether so much waits in the inbox that it has company enough."""
        enough = min(self._config.max_batch_size, self._inbox.capacity / 2)
        return len(self._inbox.entries) >= enough

    def _may_send(self) -> bool:
        """Whether what waits has waited long enough for company. Without a spool it has: then
        events wait for each other in the inbox."""
        hurries = self._wakeup.is_urgent or self._config.run_propagation
        if self._spool is None or hurries or self._closing.is_asked_for:
            self._send_at = 0.0
            return True
        now = time.monotonic()
        if not self._send_at:
            self._send_at = now + self._config.schedule_delay
        if now < self._send_at and self._outbox.queued < self._config.max_batch_size:
            return False
        self._send_at = 0.0
        return True

    async def _ask(self, client: ApiClient) -> None:
        """Ask the platform now and then for the runs that are open."""
        stops, interval = self._parts.stops, self._config.poll_interval
        await watch(client, interval, self._watched, stops.on_terminated, stops.on_over)

    def _watched(self) -> list[Watched]:
        now = self._parts.snapshot()
        if self._closing.is_asked_for or now.paused or not now.is_answering:
            return []
        return self._parts.stops.watched()

    # -- how it rests ---------------------------------------------------------------------

    async def _rest_until_sent(self) -> None:
        """Sleep until a request is over, which may have made room."""
        self._wakeup.clear()
        if not self._has_room():
            await self._wakeup.until_set(TICK)

    async def _rest(self) -> None:
        """Sleep until there is something to do; then, unless it is urgent, wait for company."""
        self._wakeup.is_urgent = False
        if not self._closing.is_asked_for:
            await self._wakeup.until_more_than(0, self._longest_rest())
            await self._wait_for_company()
        self._wakeup.rise()

    async def _wait_for_company(self) -> None:
        """Let what has come wait for more. Each time that twice as much is there it is weighed, for
        it may be large, and what is handed over is bounded by what it is known to weigh."""
        company = self._config.schedule_delay
        if self._spool is not None or self._config.run_propagation:
            company = min(company, HURRIED_WITHIN)
        until = time.monotonic() + company
        while self._inbox and not (self._wakeup.is_urgent or self._closing.is_asked_for):
            self._inbox.weigh()
            left = until - time.monotonic()
            if left <= 0 or self._is_crowded:
                return
            most = min(self._config.max_batch_size - 1, 2 * len(self._inbox.entries))
            await self._wakeup.until_more_than(most, left)

    def _longest_rest(self) -> float | None:
        """Seconds until time will have made something due; None if it never will."""
        now = time.monotonic()
        dues = self._lives.next_due, self._outbox.next_due, self._stalls_at(now)
        by = max(now + TICK, min(dues))
        if self._outbox.queued and self._send_at:
            by = min(by, self._send_at)
        if not self._is_stored:
            by = min(by, self._stored_at + _STORED_WITHIN)
        if self._spool is not None:
            by = min(by, now + SCAN_INTERVAL, max(now + TICK, self._spool.next_look))
        return None if by == math.inf else max(0.0, by - now)

    def _stalls_at(self, now: float) -> float:
        """When whoever waits for the oldest request need not wait for its answer any more. What
        waits may be on its way the moment after, of which nobody tells."""
        since = self._sender.sending_since or (now if len(self._outbox) else -math.inf)
        return since + STALLED_AFTER if since + STALLED_AFTER > now else math.inf

    # -- how it ends ----------------------------------------------------------------------

    def _close_runs(self) -> None:
        if self._spool is not None:
            self._spool.stop_adopting()
        if not self._is_run_closed:
            self._lives.close_all(self._closing.run_status)
            self._is_run_closed = True
            self._intake.give_up_records()
        self._intake.store()

    async def _deliver_rest(self, sending: "asyncio.Task[None]") -> None:
        """Wait for what is left to be sent, until the deadline; for runs that are empty and that
        the API does not know only as long as it answers."""
        deadline = self._closing.deadline or 0.0
        while not sending.done() and (left := deadline - time.monotonic()) > 0:
            if self._parts.snapshot().is_silent and self._sender.has_only_empty_runs:
                self._parts.log.warn(
                    "delivery",
                    "Prefactor cannot be reached (no answer); a run without spans is not sent",
                )
                return
            await asyncio.wait({sending}, timeout=min(left, PULSE))
