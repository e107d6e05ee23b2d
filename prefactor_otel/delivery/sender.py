"""Delivers what is in the outbox, on the worker's event loop. Knows items, never spans.

One retry layer: the client retries nothing, every wait is here, and shutdown ends it.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from prefactor_otel.config.token import UNREAD, TokenReader, TokenSource
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.bulk import BulkRequests
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.lanes import CALLS, FIRST
from prefactor_otel.delivery.operation import Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.results import HURRIED_BACKOFF, Settlement, backoff
from prefactor_otel.delivery.run_calls import RunCalls
from prefactor_otel.delivery.verdicts import Answer, Verdict
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from prefactor_otel_transport.waits import jittered

MAX_FLIGHTS: Final = 4
"""Requests with spans at a time, or with calls of one kind about several runs: at a round trip of
200 ms, one alone carries 2,500 spans a second, or registers 80 runs."""
MAX_CALLS: Final = 16
"""Requests about one run each at a time, of one kind: at a round trip of 50 ms so many carry 300
runs a second."""
FREE_FLIGHTS: Final = 2
"""Of those about several runs so many are made as soon as there is a call, others only when they
are full."""
SLOW: Final = 0.5
"""Seconds after which a request does not count in these two: one that hangs holds up no run."""
_BOUNDS: Final = (*FIRST, Operation.START, Operation.FINISH_RUN)
"""All that there is of a run in which nothing has happened."""
_LOOK_AGAIN: Final = 0.5
"""Seconds after which items that were put off are looked at."""


class Sender:
    """Sends the outbox of one worker. All methods run on the worker's loop."""

    def __init__(
        self,
        outbox: Outbox,
        counters: Counters,
        log: QuietLog,
        *,
        max_batch_size: int,
        max_request_bytes: int,
        token: str | TokenSource,
        probe_interval: float,
        terminated: Callable[[str, str | None], None],
        ended: Callable[[str], None] = lambda run: None,
        names_runs: bool = False,
        token_from: str = "PREFACTOR_API_TOKEN",
    ) -> None:
        self.paused = False
        self.failing = False
        self.patient = False
        """Whether more spans are on their way, so that only full requests are worth making."""
        self.landed: Callable[[], None] = lambda: None
        """Called when a request is over."""
        self._settlement = Settlement(
            *(outbox, counters, log, terminated, ended), names_runs=names_runs
        )
        self.runs = self._settlement.runs
        self._run_calls = RunCalls(self._settlement, outbox, counters, log)
        self._bulk = BulkRequests(self._settlement, outbox, max_request_bytes)
        self._outbox = outbox
        self._counters = counters
        self._log = log
        self._max_items = max_batch_size
        self._token = TokenReader(token)
        self._token_from = token_from
        self._probe_interval = probe_interval
        self._failures = 0
        self._resume_at = 0.0
        self._may_resume_at = 0.0
        """When, if somebody waits, trouble is long enough ago."""
        self._with_spans = 0
        """Requests in flight with spans."""
        self._calling: dict[Operation, dict[int, float]] = {}
        """When those about runs were made (monotonic seconds), by operation and identity."""
        self._company_until = math.inf
        """When calls that wait for company will have waited long enough."""
        self._wakeup = asyncio.Event()
        outbox.awaited = self.hurry

    def has_refused(self, run: str) -> bool:
        """Whether the API has refused to register a run."""
        return self._settlement.has_refused(run)

    def id_of(self, run: str) -> str | None:
        """The id of a run's instance, also if it is only going to be registered under it; None
        where that is not known. From any thread."""
        return self._settlement.id_of(run)

    @property
    def refused_agents(self) -> dict[str, str]:
        """Ids of agents of which the API has refused to register a run within a minute, and why.
        From any thread."""
        return self._settlement.refused_agents.lately

    @property
    def sending_since(self) -> float | None:
        """When the oldest request that is not answered yet was made (monotonic seconds)."""
        return self._settlement.sending_since

    @property
    def unfinished(self) -> int:
        """How many runs are open on the platform. From any thread."""
        known = list(self.runs.values())
        return sum(not (run is None or run.is_finished or run.is_terminated) for run in known)

    @property
    def has_only_empty_runs(self) -> bool:
        """Whether what waits is no more than runs that the API has not answered for."""
        return self._outbox.holds_only(
            lambda item: item.operation in _BOUNDS and item.run not in self.runs
        )

    def wake(self) -> None:
        """There is something to send, or a reason not to wait any longer."""
        self._wakeup.set()

    def hurry(self) -> None:
        """Somebody waits for what is there: after trouble it is tried without the rest of the
        pause, but not at once, nor before the API has asked for it."""
        self._resume_at = min(self._resume_at, self._may_resume_at)
        self.wake()

    def close(self) -> None:
        """Stop when the outbox is empty; end the wait of a backoff now."""
        self._settlement.closing = True
        self._resume_at = 0.0
        self._outbox.hurry()
        self.wake()

    async def run(self, client: ApiClient) -> None:
        """Deliver until closed and empty."""
        self._wakeup = asyncio.Event()  # an event belongs to the loop that first waits for it
        client.token = UNREAD
        self._with_spans, self._calling = 0, {kind: {} for kind in CALLS}
        flights: set[asyncio.Task[Answer]] = set()
        try:
            while not (self._settlement.closing and not len(self._outbox)):
                self._wakeup.clear()
                self._land(flights)
                if self._settlement.closing and self.paused:
                    return  # a refused token will not be accepted within the shutdown's seconds
                await self._launch(client, flights)
                await self._rest(is_idle=not flights)
        finally:
            for flight in flights:
                flight.cancel()
            await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, flights: "set[asyncio.Task[Answer]]") -> None:
        """See what has become of the requests that are over."""
        landed = {flight for flight in flights if flight.done()}
        flights -= landed
        if landed:
            self.landed()
        answers = [flight.result() for flight in landed]
        trouble = [answer for answer in answers if answer.verdict is not Verdict.DONE]
        if trouble and time.monotonic() >= self._resume_at:  # else it is one and the same trouble
            self._pause_after(trouble[0])
        elif answers and not trouble:
            self._recovered()

    async def _launch(self, client: ApiClient, flights: "set[asyncio.Task[Answer]]") -> None:
        """Make as many requests as there is something for; while the API fails, one."""
        while time.monotonic() >= self._resume_at and not (self.failing and flights):
            if not self._outbox.queued or not await self._has_token(client):
                return
            batches = self._next_batches()
            if not batches:
                return
            for batch in batches:
                flight = asyncio.create_task(self._deliver(client, batch))
                flight.add_done_callback(lambda _: self.wake())
                flights.add(flight)

    def _next_batches(self) -> list[list[Batch]]:
        """What the next requests are about: calls about runs, and the spans of one."""
        batches: list[list[Batch]] = []
        self._company_until = math.inf
        for kind in CALLS:
            while not (batches and self.failing) and (calls := self._next_calls(kind)):
                batches += calls
        if (batches and self.failing) or self._with_spans >= MAX_FLIGHTS:
            return batches
        if self.patient and self._outbox.queued < self._max_items:
            return batches
        spans = self._outbox.lease(self._max_items, self._bulk.max_bytes)
        self._with_spans += spans is not None
        return [*batches, [spans]] if spans is not None else batches

    def _next_calls(self, kind: Operation) -> list[list[Batch]]:
        """The calls of the next requests of a kind: those of one, or of a few where so many would
        be too large together. While some are on their way others wait until they fill one."""
        flights, together = self._calling[kind], self._run_calls.together(kind)
        if len(flights) >= MAX_CALLS:
            return []
        now = time.monotonic()
        young = [begun for begun in flights.values() if begun > now - SLOW]
        waiting = self._outbox.calls(kind)
        if together > 1 and len(young) >= (MAX_FLIGHTS if waiting >= together else FREE_FLIGHTS):
            if waiting:
                self._company_until = min(self._company_until, young[0] + SLOW)
            return []
        leased = self._outbox.lease_about_runs(1 if self.failing else together, [kind])
        requests = self._run_calls.requests(leased, self._bulk.max_bytes)
        flights.update({id(request): now for request in requests})
        return requests

    async def _has_token(self, client: ApiClient) -> bool:
        """Read the token at the start, and anew for every try after a refusal."""
        if not self.paused and client.token != UNREAD:
            return True
        try:
            with self._settlement.waiting():
                client.token = await self._token.read()
        except ValueError as error:  # it counts as refused
            answer = Answer(Verdict.UNAUTHORIZED, str(error))
            self._pause_after(answer)
            return False
        return True

    async def _rest(self, *, is_idle: bool) -> None:
        """Wait until there is something to do, or a backoff is over."""
        left: float | None = self._resume_at - time.monotonic()
        if left is not None and left <= 0:
            left = _LOOK_AGAIN if is_idle and self._outbox.queued else None
            if self._company_until < math.inf:
                left = max(0.0, self._company_until - time.monotonic())
        try:
            async with asyncio.timeout(left):
                await self._wakeup.wait()
        except TimeoutError:
            return

    async def _deliver(self, client: ApiClient, batch: Sequence[Batch]) -> Answer:
        """Make the request for one batch, and put back what it has not settled."""
        kind, is_about_run = batch[0].item.operation, batch[0].is_about_run
        try:
            if is_about_run:
                return await self._run_calls.deliver(client, batch)
            if not self._settlement.to_follow:
                return await self._bulk.deliver(client, batch[0])
            answer, left = await self._run_calls.follow(client, batch[0])
            return await self._bulk.deliver(client, left) if left is not None else answer
        finally:
            if is_about_run:
                del self._calling[kind][id(batch)]
            self._with_spans -= not is_about_run
            self._outbox.release(batch)

    def _pause_after(self, answer: Answer) -> None:
        """Make no request for a while, and a shorter one if somebody waits."""
        now, pause = time.monotonic(), self._react(answer)
        self._resume_at = now + pause
        self._may_resume_at = now + min(pause, max(answer.retry_after or 0.0, HURRIED_BACKOFF))

    def _react(self, answer: Answer) -> float:
        """Note the trouble, tell who waits, and choose the pause (seconds)."""
        self.failing = True
        self._outbox.call_off()
        self._counters.trouble(answer.reason)
        if answer.verdict is Verdict.UNAUTHORIZED:
            self.paused = True
            self._log.warn(
                "token",
                f"Prefactor refuses the API token ({answer.reason}); spans wait and one "
                f"try every {self._probe_interval:.0f} s is made. Check {self._token_from}",
            )
            return self._probe_interval
        self._log.warn(
            "delivery",
            f"Prefactor cannot be reached ({answer.reason}); spans wait, and are sent again",
        )
        self._failures += 1
        pause = jittered(backoff(self._failures - 1))
        wait = max(answer.retry_after or 0.0, pause)
        return min(wait, HURRIED_BACKOFF) if self._settlement.closing else wait

    def _recovered(self) -> None:
        if self.failing:
            self._log.recovered("delivery", "Prefactor answers again; delivery goes on")
            self._log.recovered("token", "Prefactor accepts the API token; delivery goes on")
        self.failing = self.paused = False
        self._failures = 0
