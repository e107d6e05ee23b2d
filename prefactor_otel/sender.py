"""Delivers what is in the outbox, on the worker's event loop. Knows items, never spans.

One retry layer: the client is told not to retry, every wait is here, and shutdown ends it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import orjson

from prefactor_http import PrefactorHttpClient
from prefactor_http.pfid import is_pfid, partition_of
from prefactor_otel.answers import Answer, Verdict, judge_output, judge_request
from prefactor_otel.credential import UNREAD, TokenReader, TokenSource
from prefactor_otel.items import Operation
from prefactor_otel.ledger import DropReason, Ledger, QuietLog, logger, place_of
from prefactor_otel.outbox import Outbox
from prefactor_otel.pace import paced
from prefactor_otel.receipt import Entry
from prefactor_otel.termination import terminate_of
from prefactor_otel.wire import RunRecord, bulk_item, plainer, shrunk

INITIAL_BACKOFF: Final = 0.5
MAX_BACKOFF: Final = 30.0
SMALLEST_REQUEST: Final = 4096
MAX_FLIGHTS: Final = 4
"""Requests with spans at a time: at a round trip of 200 ms, one alone carries 2,500 a second."""
MAX_CALLS: Final = 32
"""Calls about runs at a time. A run takes three, one after the other; at a round trip of 50 ms so
many carry 200 runs a second."""
CLOSING_BACKOFF: Final = 0.5
"""Seconds between two tries, at most, while the process wants to end."""
SUSPECT_AFTER: Final = 2
"""Faults of the server after which each item of a request is tried on its own."""
GIVE_UP_AFTER: Final = 8
"""Faults over one item alone, while others get through, after which it is given up."""
_LOOK_AGAIN: Final = 0.5
"""Seconds after which items that were put off are looked at."""
_IN_A_ROW: Final = 64
"""Items that are encoded or accounted for without a pause: less than half a millisecond."""
_SPAN_OPERATIONS: Final = (Operation.CREATE, Operation.FINISH_SPAN)


class Sender:
    """Sends the outbox of one worker. All methods run on the worker's loop."""

    def __init__(
        self,
        outbox: Outbox,
        ledger: Ledger,
        log: QuietLog,
        *,
        max_batch_size: int,
        max_request_bytes: int,
        token: str | TokenSource,
        probe_interval: float,
        terminated: Callable[[str, str | None], None],
    ) -> None:
        self.closing = False
        self.paused = False
        self.failing = False
        self.runs: dict[str, RunRecord | None] = {}
        self._outbox = outbox
        self._ledger = ledger
        self._log = log
        self._max_items = max_batch_size
        self._max_bytes = max_request_bytes
        self._token = TokenReader(token)
        self._probe_interval = probe_interval
        self._terminated = terminated
        self._failures = 0
        self._resume_at = 0.0
        self._got_through_at = 0.0
        self._calls: dict[object, float] = {}
        self._about_runs = self._with_spans = 0
        """Requests in flight, of either kind."""
        self._wakeup = asyncio.Event()

    def has_refused(self, run: str) -> bool:
        """Whether the API has refused to register a run."""
        return run in self.runs and self.runs[run] is None

    @property
    def sending_since(self) -> float | None:
        """When the oldest request that is not answered yet was made (monotonic seconds)."""
        return min(self._calls.values(), default=None)

    def wake(self) -> None:
        """There is something to send, or a reason not to wait any longer."""
        self._wakeup.set()

    def close(self) -> None:
        """Stop when the outbox is empty; end the wait of a backoff now."""
        self.closing = True
        self._resume_at = 0.0
        self._outbox.hurry()
        self.wake()

    async def run(self, client: PrefactorHttpClient) -> None:
        """Deliver until closed and empty."""
        self._wakeup = asyncio.Event()  # an event belongs to the loop that first waits for it
        client.config.api_token = UNREAD
        self._about_runs = self._with_spans = 0
        flights: set[asyncio.Task[Answer]] = set()
        try:
            while not (self.closing and not len(self._outbox)):
                self._wakeup.clear()
                self._land(flights)
                if self.closing and self.paused:
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
        answers = [flight.result() for flight in landed]
        trouble = [answer for answer in answers if answer.verdict is not Verdict.DONE]
        if trouble and time.monotonic() >= self._resume_at:  # else it is one and the same trouble
            self._resume_at = time.monotonic() + self._react(trouble[0])
        elif answers and not trouble:
            self._recovered()

    async def _launch(
        self, client: PrefactorHttpClient, flights: "set[asyncio.Task[Answer]]"
    ) -> None:
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

    def _next_batches(self) -> list[list[Entry]]:
        """What the next requests are about: a call about a run each, and the spans of one."""
        calls = 1 if self.failing else MAX_CALLS - self._about_runs
        batches = [[entry] for entry in self._outbox.lease_about_runs(calls)] if calls else []
        self._about_runs += len(batches)
        if (batches and self.failing) or self._with_spans >= MAX_FLIGHTS:
            return batches
        spans = self._outbox.lease(self._max_items, self._max_bytes)
        self._with_spans += bool(spans)
        return [*batches, spans] if spans else batches

    async def _has_token(self, client: PrefactorHttpClient) -> bool:
        """Read the token at the start, and anew for every try after a refusal."""
        if not self.paused and client.config.api_token != UNREAD:
            return True
        try:
            with self._waiting():
                client.config.api_token = await self._token.read()
        except ValueError as error:  # it counts as refused
            answer = Answer(Verdict.UNAUTHORIZED, str(error))
            self._resume_at = time.monotonic() + self._react(answer)
            return False
        return True

    async def _rest(self, *, is_idle: bool) -> None:
        """Wait until there is something to do, or a backoff is over."""
        left: float | None = self._resume_at - time.monotonic()
        if left is not None and left <= 0:
            left = _LOOK_AGAIN if is_idle and self._outbox.queued else None
        try:
            await asyncio.wait_for(self._wakeup.wait(), left)
        except TimeoutError:
            return

    async def _deliver(self, client: PrefactorHttpClient, batch: Sequence[Entry]) -> Answer:
        """Make the request for one batch, and put back what it has not settled."""
        is_about_run = batch[0].item.operation not in _SPAN_OPERATIONS
        try:
            if is_about_run:
                return await self._deliver_about_run(client, batch[0])
            spans = self._sendable(batch)
            return await self._send(client, spans) if spans else Answer(Verdict.DONE)
        finally:
            self._about_runs -= is_about_run
            self._with_spans -= not is_about_run
            self._outbox.release(batch)
            self._outbox.commit()

    # -- the run itself -------------------------------------------------------------------

    async def _deliver_about_run(self, client: PrefactorHttpClient, entry: Entry) -> Answer:
        act = {
            Operation.REGISTER: self._open_run,
            Operation.START: self._open_run,
            Operation.QUALITY: self._judge_run,
            Operation.FINISH_RUN: self._finish_run,
        }[entry.item.operation]
        try:
            answer = await act(client, entry)
        except Exception as error:
            answer = _own_fault(error)
        if answer.is_fault:
            self._delay(entry)  # other runs need not wait for it
        return answer

    async def _open_run(self, client: PrefactorHttpClient, entry: Entry) -> Answer:
        item = entry.item
        if self.has_refused(item.run):
            self._settle(entry, DropReason.RUN_REFUSED)
            return Answer(Verdict.DONE)
        path = "register" if item.operation is Operation.REGISTER else "start"
        answer, details = await self._call(client, entry, path)
        if answer.verdict is Verdict.NEVER and item.operation is Operation.REGISTER:
            plain = plainer(item, answer.fields)
            if plain is not None:
                self._warn_plainer(answer)
                self._outbox.replace(entry, plain)
                return await self._open_run(client, entry)
            self._refuse_run(entry, answer)
            return Answer(Verdict.DONE)
        if answer.verdict is Verdict.DONE and item.operation is Operation.REGISTER:
            instance_id = details.get("id")
            if not isinstance(instance_id, str):
                return Answer(Verdict.LATER, "a registration without an id")
            partition = partition_of(instance_id) if is_pfid(instance_id) else None
            self.runs[item.run] = RunRecord(instance_id, partition)
            self._note_record(entry)
            agent_id = details.get("agent_id")
            if isinstance(agent_id, str):
                self._outbox.note(entry, lambda file: file.serves(agent_id))
        return self._concluded(entry, answer)

    async def _finish_run(self, client: PrefactorHttpClient, entry: Entry) -> Answer:
        if self.runs.get(entry.item.run) is None:
            self._settle(entry, DropReason.RUN_REFUSED)
            return Answer(Verdict.DONE)
        answer, _ = await self._call(client, entry, "finish")
        if answer.verdict in (Verdict.DONE, Verdict.NEVER):
            self._outbox.note(entry, lambda file: file.run_over(entry.item.run))
        return self._concluded(entry, answer)

    async def _judge_run(self, client: PrefactorHttpClient, entry: Entry) -> Answer:
        if self.runs.get(entry.item.run) is None:
            self._settle(entry, DropReason.RUN_REFUSED)
            return Answer(Verdict.DONE)
        answer, _ = await self._call(client, entry, "record_quality")
        return self._concluded(entry, answer)

    def _concluded(self, entry: Entry, answer: Answer) -> Answer:
        """Settle a call about a run that is over, well or not."""
        if answer.verdict is Verdict.DONE:
            self._settle(entry, None)
        elif answer.verdict is Verdict.NEVER:
            self._warn_refused(entry, answer)
            self._settle(entry, DropReason.REFUSED)
            return Answer(Verdict.DONE)
        return answer

    async def _call(
        self, client: PrefactorHttpClient, entry: Entry, action: str
    ) -> tuple[Answer, dict[str, object]]:
        """One REST call about a run: register, start or finish."""
        content = orjson.loads(b"{" + entry.item.body + b"}")
        body = {name: value for name, value in content.items() if value is not None}
        body["idempotency_key"] = entry.item.key
        path = "/api/v1/agent_instance/register"
        if action != "register":
            record = self.runs[entry.item.run]
            assert record is not None
            path = f"/api/v1/agent_instance/{record.instance_id}/{action}"
        try:
            with self._calling([entry]):
                reply = await client.request("POST", path, json_data=body)
        except Exception as error:
            answer = judge_request(error)
            if getattr(error, "status_code", None) == 409 and action != "register":
                return Answer(Verdict.DONE), {}  # it has that state already
            if answer.verdict in (Verdict.APART, Verdict.SMALLER):
                is_prefactors = getattr(error, "code", None) is not None
                verdict = Verdict.NEVER if is_prefactors else Verdict.LATER
                answer = replace(answer, verdict=verdict)
            return answer, {}
        self._heed(entry, reply)
        details = reply.get("details")
        return Answer(Verdict.DONE), details if isinstance(details, dict) else {}

    def _warn_plainer(self, answer: Answer) -> None:
        self._ledger.trouble(f"span types refused: {answer.reason}")
        self._log.warn(
            "span_types",
            f"Prefactor refused what span types of this run declare ({answer.reason}); they are "
            "registered without their schemas, titles and templates, and spans are sent. Correct "
            "span_types and tool_span_types; `prefactor-otel doctor` checks them",
        )

    def _refuse_run(self, entry: Entry, answer: Answer) -> None:
        self.runs[entry.item.run] = None
        self._ledger.trouble(f"registration refused: {answer.reason}")
        self._log.warn(
            "run",
            f"Prefactor refused to register this run ({answer.reason}); nothing will be sent. "
            "Run `prefactor-otel doctor`; an account token needs PREFACTOR_AGENT_ID and "
            "PREFACTOR_ENVIRONMENT_ID",
        )
        self._settle(entry, DropReason.RUN_REFUSED)

    # -- spans ----------------------------------------------------------------------------

    def _sendable(self, batch: Sequence[Entry]) -> list[Entry]:
        """The span entries that can go in the next request; those of refused runs are dropped."""
        spans = [entry for entry in batch if entry.item.operation in _SPAN_OPERATIONS]
        created = {e.item.span for e in spans if e.item.operation is Operation.CREATE}
        sendable: list[Entry] = []
        for entry in spans:
            item = entry.item
            if self.runs.get(item.run) is None:
                self._settle(entry, DropReason.RUN_REFUSED)
            elif item.operation is Operation.FINISH_SPAN and item.span in self._outbox.lost:
                self._settle(entry, DropReason.REFUSED)
            elif self._is_ready(entry):
                sendable.append(entry)
            elif item.parent is not None and item.parent not in created:
                # Nothing in here will ever give it an id.
                self._outbox.lose(entry, item.parent, None)
                sendable.append(entry)
        return sendable

    def _is_ready(self, entry: Entry) -> bool:
        parent = self._outbox.lost.nearest(entry.item.parent)
        return self._record(entry).is_ready(entry.item, parent)

    async def _send(self, client: PrefactorHttpClient, entries: Sequence[Entry]) -> Answer:
        """One bulk request; where it is refused as a whole, its halves."""
        entries = [entry for entry in entries if self._is_ready(entry)]
        if not entries:
            return Answer(Verdict.DONE)
        try:
            answer, size = await self._exchange(client, entries)
        except Exception as error:
            answer, size = _own_fault(error), 0
        if answer.verdict is Verdict.SMALLER:
            half = max(SMALLEST_REQUEST, size // 2)
            self._max_bytes = min(self._max_bytes, half)
            return await self._send_smaller(client, entries, answer)
        if answer.verdict is Verdict.APART and len(entries) > 1:
            return await self._send_halves(client, entries)
        if answer.verdict in (Verdict.APART, Verdict.NEVER):
            for entry in entries:
                self._refuse(entry, answer)
            return Answer(Verdict.DONE)
        return await self._isolate(client, entries, answer) if answer.is_fault else answer

    async def _exchange(
        self, client: PrefactorHttpClient, entries: Sequence[Entry]
    ) -> tuple[Answer, int]:
        """One request: what is to become of it as a whole, and its size in bytes."""
        items = [self._encoded(entry) for entry in paced(entries, _IN_A_ROW)]
        size = sum(map(len, items))
        if len(items) > 1 and size > self._max_bytes:  # learnt meanwhile
            return await self._send_halves(client, entries), size
        try:
            with self._calling(entries):
                outputs = await client.bulk.execute_raw(items)
        except Exception as error:
            return judge_request(error), size
        return self._account(entries, outputs), size

    async def _isolate(
        self, client: PrefactorHttpClient, entries: Sequence[Entry], answer: Answer
    ) -> Answer:
        """The server fails over these, and does so again: let none of them hold up the others."""
        left = [entry for entry in entries if self._outbox.is_leased(entry)]
        if len(left) == 1:
            return Answer(Verdict.DONE) if self._put_off(left[0], answer) else answer
        for entry in left:
            entry.faults += 1
        if left and max(entry.faults for entry in left) >= SUSPECT_AFTER:
            return await self._send_halves(client, left)
        return answer

    def _put_off(self, entry: Entry, answer: Answer) -> bool:
        """Try an entry again later, and others before it. True when it is given up instead."""
        if answer.is_fault and self._got_through_at > entry.failed_at:
            entry.blamed += 1
        if entry.blamed >= (1 if self.closing else GIVE_UP_AFTER):
            self._refuse(entry, answer)
            return True
        self._delay(entry)
        return False

    def _delay(self, entry: Entry) -> None:
        entry.faults += 1
        entry.failed_at = time.monotonic()
        wait = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(entry.faults, 16))
        entry.not_before = entry.failed_at + (CLOSING_BACKOFF if self.closing else wait)

    def _encoded(self, entry: Entry) -> bytes:
        parent = self._outbox.lost.nearest(entry.item.parent)
        return bulk_item(self._record(entry), entry.item, parent)

    async def _send_halves(self, client: PrefactorHttpClient, entries: Sequence[Entry]) -> Answer:
        middle = len(entries) // 2
        answer = await self._send(client, entries[:middle])
        if answer.verdict is not Verdict.DONE:
            return answer
        return await self._send(client, entries[middle:])

    async def _send_smaller(
        self, client: PrefactorHttpClient, entries: Sequence[Entry], answer: Answer
    ) -> Answer:
        if len(entries) > 1:
            return await self._send_halves(client, entries)
        entry = entries[0]
        smaller = shrunk(entry.item, len(entry.item.body) // 2)
        if len(smaller.body) >= len(entry.item.body):
            self._refuse(entry, answer, DropReason.TOO_LARGE)
            return Answer(Verdict.DONE)
        self._outbox.replace(entry, smaller)
        return await self._send(client, entries)

    def _account(self, entries: Sequence[Entry], outputs: dict[str, object]) -> Answer:
        """Settle each entry by its own output. Whatever stays is sent again: at once when the
        request achieved anything, else after a wait."""
        progress, left = False, Answer(Verdict.LATER, "no output for any key")
        failed: list[tuple[Entry, Answer]] = []
        for entry in paced(entries, _IN_A_ROW):
            output = outputs.get(entry.item.key)
            if isinstance(output, dict):
                self._heed(entry, output)
            answer = judge_output(entry.item.operation, output)
            if answer.verdict is Verdict.DONE:
                self._learn(entry, output)
                self._settle(entry, None)
                progress = True
            elif answer.verdict is Verdict.NEVER and not self._gave_up_ids(entry, output):
                self._refuse(entry, answer)
                progress = True
            elif answer.verdict is Verdict.NEVER:
                progress = True
            elif output is not None:
                left = answer
                failed.append((entry, answer))
        if progress:
            self._got_through_at = time.monotonic()
        for entry, answer in failed:
            self._put_off(entry, answer)
        return Answer(Verdict.DONE) if progress else Answer(left.verdict, left.reason)

    def _heed(self, entry: Entry, answer: Mapping[str, object]) -> None:
        """Whatever became of the item: its run may be told to stop."""
        stops, reason = terminate_of(answer)
        if stops:
            self._terminated(entry.item.run, reason)

    def _learn(self, entry: Entry, output: object) -> None:
        record, ref = self._record(entry), entry.item.span
        if not record.ids_accepted:
            record.ids_accepted = True
            self._note_record(entry)
        if record.partition is not None or ref is None or not isinstance(output, dict):
            return
        details = output.get("details")
        server_id = details.get("id") if isinstance(details, dict) else None
        if isinstance(server_id, str):
            record.server_ids[ref] = server_id
            self._outbox.note(entry, lambda file: file.learnt(entry.item.run, ref, server_id))

    def _gave_up_ids(self, entry: Entry, output: object) -> bool:
        """Whether the API refused the id itself: then it makes the ids from here on."""
        record = self._record(entry)
        errors = output.get("errors") if isinstance(output, dict) else None
        refused_id = isinstance(errors, dict) and set(errors) == {"id"}
        if not refused_id or record.partition is None or entry.item.operation != Operation.CREATE:
            return False
        if record.ids_accepted:
            return False
        record.partition = None
        self._note_record(entry)
        return True

    def _refuse(
        self, entry: Entry, answer: Answer, reason: DropReason = DropReason.REFUSED
    ) -> None:
        self._outbox.give_up(entry)
        self._warn_refused(entry, answer)
        self._settle(entry, reason)

    def _warn_refused(self, entry: Entry, answer: Answer) -> None:
        operation = entry.item.operation.value
        counted = " and counted" if entry.item.ends_span else ""
        self._ledger.trouble(f"{operation} refused: {answer.reason}")
        self._log.warn(
            "refused",
            f"Prefactor refused a {operation} item: {answer.reason}; it is dropped{counted}",
        )

    def _note_record(self, entry: Entry) -> None:
        """Let what the API has said of a run outlive the process."""
        run, record = entry.item.run, self._record(entry)
        self._outbox.note(
            entry,
            lambda file: file.registered(
                run, record.instance_id, record.partition, ids_accepted=record.ids_accepted
            ),
        )

    # -- common ---------------------------------------------------------------------------

    def _record(self, entry: Entry) -> RunRecord:
        record = self.runs[entry.item.run]
        assert record is not None
        return record

    @contextmanager
    def _calling(self, entries: Sequence[Entry]) -> Iterator[None]:
        """A request is made for these."""
        self._ledger.request(sum(entry.attempts > 0 for entry in entries))
        for entry in entries:
            entry.attempts += 1
        with self._waiting():
            yield

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Somebody else is to answer."""
        call = object()
        self._calls[call] = time.monotonic()
        try:
            yield
        finally:
            del self._calls[call]

    def _settle(self, entry: Entry, reason: DropReason | None) -> None:
        self._outbox.settle(entry)
        if entry.item.ends_span:
            if reason is None:
                self._ledger.acknowledge(1)
            else:
                self._ledger.drop(reason, 1)
        entry.resolve(lost=reason is not None)

    def _react(self, answer: Answer) -> float:
        """Note the trouble, tell who waits, and choose the pause (seconds)."""
        self.failing = True
        self._outbox.call_off()
        self._ledger.trouble(answer.reason)
        if answer.verdict is Verdict.UNAUTHORIZED:
            self.paused = True
            self._log.warn(
                "token",
                f"Prefactor refuses the API token ({answer.reason}); spans wait in memory and one "
                f"try every {self._probe_interval:.0f} s is made. Check PREFACTOR_API_TOKEN",
            )
            return self._probe_interval
        self._log.warn(
            "delivery", f"Prefactor cannot be reached ({answer.reason}); spans wait in memory"
        )
        self._failures += 1
        backoff = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(self._failures - 1, 16))
        wait = max(answer.retry_after or 0.0, backoff * random.uniform(0.75, 1.25))
        return min(wait, CLOSING_BACKOFF) if self.closing else wait

    def _recovered(self) -> None:
        if self.failing:
            self._log.recovered("delivery", "Prefactor answers again; delivery goes on")
            self._log.recovered("token", "Prefactor accepts the API token; delivery goes on")
        self.failing = self.paused = False
        self._failures = 0


def _own_fault(error: Exception) -> Answer:
    """Something in here failed over what was to be sent, or over its answer."""
    logger.debug("A request could not be made or accounted for: %s", place_of(error))
    return Answer(Verdict.LATER, type(error).__name__, is_fault=True)
