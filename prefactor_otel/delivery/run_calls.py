"""The calls about runs: registered, started, judged, finished. One alone is a request of its own;
several of a kind share one, where the API takes them so.

That is documented of registrations. Of starts and finishes the API itself has to show it: such a
call counts as made when the answer shows the run as it is after that, and is made alone otherwise,
under the same idempotency key.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from prefactor_otel.delivery.asking import ended, page_in, shown, status_in
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.client import ApiClient, ApiError
from prefactor_otel.delivery.continuing import (
    TRIES_AT_END,
    continues,
    instance_to_continue,
    is_of_several,
    own_id,
)
from prefactor_otel.delivery.joining import agent_in, follower_of, found, may_be_there, with_name
from prefactor_otel.delivery.lanes import FIRST
from prefactor_otel.delivery.operation import Item, Operation, digest_of, is_shared
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.results import Settlement, own_fault
from prefactor_otel.delivery.verdicts import (
    ALREADY,
    DONE,
    NOT_FOUND,
    Answer,
    Verdict,
    judge_cancelled,
    judge_output,
    judge_request,
)
from prefactor_otel.delivery.wire import (
    Cut,
    RunRecord,
    ended_otherwise,
    is_cancelled,
    page_of,
    plainer,
)
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog
from prefactor_otel_transport.addresses import is_segment, segment
from prefactor_otel_transport.pfid import is_pfid, partition_of

_CUTS: Final = {
    Cut.TYPES: (
        "span types",
        "Prefactor refused what span types of this run declare ({}); they are registered without "
        "their schemas, titles and templates, and spans are sent. Correct span_types and "
        "tool_span_types; `prefactor-otel doctor` checks them",
    ),
    Cut.KEY: (
        "idempotency key",
        "Prefactor refused the key of a registration ({}), as it does where the same key came with "
        "other settings before; the run is registered under another, and its spans are sent",
    ),
    Cut.IDENTIFIER: (
        "external identifier",
        "Prefactor refused the external_identifier of a run ({}), as it does where another run of "
        "the agent has it; the run is registered without one, and its spans are sent",
    ),
}
"""What goes without: its name, and the line that says it once the reason is put in."""
MOST_TOGETHER: Final = 16
"""Calls that share a request, at most."""
TRIES_TO_JOIN: Final = 4
"""Times that a run is asked for again which does not show, after which it is not joined."""
TRIES_TOGETHER: Final = 2
"""Requests after which a call that has not been answered is made alone."""
_TOGETHER: Final = {
    Operation.REGISTER: "agent_instances/register",
    Operation.START: "agent_instances/start",
    Operation.FINISH_RUN: "agent_instances/finish",
}
"""The calls that may share a request, and their types there."""
_ACTIONS: Final = {
    Operation.START: "start",
    Operation.FINISH_RUN: "finish",
    Operation.QUALITY: "record_quality",
}
"""What those that are of a run which is registered are called in the addresses of requests."""
_ID_REFUSED: Final = "-anonymous"
"""What the key of a registration ends with that was refused for its id."""
_UNSAID: Final = b'_id":null,'
_AT_ITS_HEAD: Final = 200
_ACCOUNT_TOKEN: Final = "An account token needs PREFACTOR_AGENT_ID and PREFACTOR_ENVIRONMENT_ID. "


class RunCalls:
    """Delivers the operations of runs. Runs on the worker's loop."""

    def __init__(
        self, settlement: Settlement, outbox: Outbox, counters: Counters, log: QuietLog
    ) -> None:
        self._settlement = settlement
        self._outbox = outbox
        self._counters = counters
        self._log = log
        self._only_alone: set[Operation] = set()
        """What the API has refused in bulk, and taken alone."""
        self._following: dict[str, asyncio.Lock] = {}
        """Held while a run is followed by another."""

    def together(self, kind: Operation) -> int:
        """How many calls of a kind may share a request."""
        return MOST_TOGETHER if kind in _TOGETHER and kind not in self._only_alone else 1

    def requests(self, entries: Sequence[Batch], max_bytes: int) -> list[list[Batch]]:
        """The entries, which are of one kind, by the requests that they go in, each of at most so
        many bytes."""
        alone = [[entry] for entry in entries if entry.attempts >= TRIES_TOGETHER]
        return [*alone, *_parts([e for e in entries if e.attempts < TRIES_TOGETHER], max_bytes)]

    async def deliver(self, client: ApiClient, batch: Sequence[Batch]) -> Answer:
        """Make the request for these, which are of one kind; what it has not settled stays
        leased."""
        entries = [
            entry
            for entry in batch
            if not (self._is_turned_away(entry) or self._is_for_another(entry))
        ]
        if len(entries) < 2:
            return await self._deliver_each(client, entries)
        try:
            return await self._deliver_together(client, entries)
        except Exception as error:
            for entry in filter(self._outbox.is_leased, entries):
                self._settlement.delay(entry)
            return own_fault(error)

    def _is_turned_away(self, entry: Batch) -> bool:
        """Whether the API has refused to register the run of a call, which goes with it."""
        item, runs = entry.item, self._settlement.runs
        is_new = item.operation in FIRST and item.run not in runs
        if is_new or runs.get(item.run) is not None:
            return False
        self._settlement.settle(entry, DropReason.RUN_REFUSED)
        if item.operation is Operation.FINISH_RUN:
            self._settlement.forget_soon(item.run)
        return True

    def _is_for_another(self, entry: Batch) -> bool:
        """Whether a call is for the process to make whose run this one has joined."""
        run, record = entry.item.run, self._settlement.runs.get(entry.item.run)
        if record is None or entry.item.operation is Operation.QUALITY:
            return False
        if not continues(run, record.instance_id):
            return False
        if entry.item.operation is Operation.FINISH_RUN:
            self._has_ended(entry)
        self._settled(entry, DONE)
        return True

    async def _deliver_together(self, client: ApiClient, entries: Sequence[Batch]) -> Answer:
        """Several calls in one request. What is refused is asked for alone: then the answer is
        about nothing else."""
        outputs: Mapping[str, object] = {}
        try:
            outputs = await self._bulk(client, entries)
        except Exception as error:
            answer = judge_request(error)
            if answer.verdict in (Verdict.LATER, Verdict.UNAUTHORIZED) and not answer.is_fault:
                return answer
        for entry in entries:
            output = outputs.get(entry.item.key)
            if isinstance(output, dict) and self._is_taken(entry, output):
                self._settlement.heed(entry, output)
                self._settled(entry, self._taken(entry, _details(output)))
        left = [entry for entry in entries if self._outbox.is_leased(entry)]
        if len(left) < len(entries):  # after a refusal the API goes no further: in another request
            return await self._deliver_each(client, [e for e in left if e.item.key in outputs])
        return await self._deliver_instead(client, left, outputs)

    async def _bulk(self, client: ApiClient, entries: Sequence[Batch]) -> Mapping[str, object]:
        """The bulk request of these: what the API says of each."""
        for entry in entries:
            self._settlement.as_it_is_taken(entry)
        runs = self._settlement.runs
        body = b'{"items":[%b]}' % b",".join(
            _bulk_call(entry.item, runs.get(entry.item.run), self._own_id(entry))
            for entry in entries
        )
        with self._settlement.calling(entries):
            outputs = (await client.post("/bulk", body)).get("outputs")
        return outputs if isinstance(outputs, dict) else {}

    async def _deliver_instead(
        self, client: ApiClient, entries: Sequence[Batch], outputs: Mapping[str, object]
    ) -> Answer:
        """Make calls alone of which the API has taken none together. If it takes the first as it
        is, it will be asked for none together again: unless it had trouble that has passed."""
        first, item = entries[0], entries[0].item
        refusal = judge_output(item.operation, outputs.get(item.key, {}))
        answer = await self._deliver_alone(client, first)
        if answer is DONE and first.item is item and not _has_passed(refusal):
            self._only_alone.add(item.operation)
        if answer.verdict is not Verdict.DONE:
            return answer
        return await self._deliver_each(client, entries[1:])

    async def _deliver_each(self, client: ApiClient, entries: Sequence[Batch]) -> Answer:
        """One after the other, until the API fails."""
        for entry in entries:
            answer = await self._deliver_alone(client, entry)
            if answer.verdict is not Verdict.DONE:
                return answer
        return DONE

    async def _deliver_alone(self, client: ApiClient, entry: Batch) -> Answer:
        act = {
            Operation.JOIN: self._join,
            Operation.REGISTER: self._register,
            Operation.START: self._start,
            Operation.QUALITY: self._judge,
            Operation.FINISH_RUN: self._finish,
        }[entry.item.operation]
        try:
            answer = await act(client, entry)
        except Exception as error:
            answer = own_fault(error)
        if answer.is_fault:
            self._settlement.delay(entry)  # other runs need not wait for it
        return answer

    # -- what is to be done ------------------------------------------------------------------------

    async def _join(self, client: ApiClient, entry: Batch) -> Answer:
        """Ask for the run of another process's. Where it is over, unknown, or not to be seen with
        this token, it is not joined, and the next call registers one of this process's own."""
        instance_id = instance_to_continue(entry.item)
        try:
            with self._settlement.calling([entry]):
                reply = await client.get(f"/agent_instance/{segment(instance_id)}")
        except Exception as error:
            return self._not_joined(entry, judge_request(error))
        if ended(status_in(reply)) is not DropReason.RUN_OVER:
            self._registered(entry, {"id": instance_id})
            self._settlement.heed_run(entry, reply)
        return self._settled(entry, DONE)

    def _not_joined(self, entry: Batch, answer: Answer) -> Answer:
        """Ask again for a run that does not show: its process may be about to register it."""
        if answer.verdict is Verdict.LATER and not answer.is_fault:
            return answer
        tries = TRIES_AT_END if self._settlement.closing else TRIES_TO_JOIN
        is_to_come = answer.code == NOT_FOUND or answer.is_fault
        if is_to_come and entry.faults < tries:
            self._settlement.delay(entry)
            return DONE
        return self._settled(entry, DONE)

    async def _register(self, client: ApiClient, entry: Batch) -> Answer:
        answer = await self._make_run(client, entry)
        if answer.verdict is Verdict.NEVER:
            self._refuse_run(entry, answer)
            return replace(answer, verdict=Verdict.DONE)
        return self._settled(entry, answer)

    async def _make_run(self, client: ApiClient, entry: Batch) -> Answer:
        """Register the run, with less where the API refuses some of what is said of it."""
        answer, details = await self._call(client, entry)
        if answer.verdict is Verdict.NEVER and self._gave_up_id(entry, answer):
            return await self._make_run(client, entry)
        if answer.verdict is Verdict.NEVER and may_be_there(entry.item, answer):
            with self._settlement.waiting():
                details = await found(client, entry.item)
            answer = DONE if details else answer
        if answer.verdict is Verdict.NEVER:
            plain, cuts = plainer(entry.item, answer.fields)
            if cuts:
                self._warn_plainer(answer, cuts)
                self._outbox.replace(entry, plain)
                return await self._make_run(client, entry)
        return self._taken(entry, details) if answer.verdict is Verdict.DONE else answer

    def _own_id(self, entry: Batch) -> str | None:
        """The id that a run is registered under; None where the platform makes it. Which of the two
        is said when it is sent for the first time: the same key has the same body."""
        run, settlement = entry.item.run, self._settlement
        if entry.item.operation is not Operation.REGISTER or not settlement.names_runs:
            return None
        if not entry.was_sent:
            entry.named = frozenset({run} if settlement.partition is not None else ())
        if run in entry.named and settlement.partition is not None:
            return own_id(run, settlement.partition)
        settlement.unnamed.add(run)
        return None

    def _gave_up_id(self, entry: Batch, answer: Answer) -> bool:
        """Whether the platform has refused an id of ours: then it makes them from here on."""
        if answer.fields != ("id",) or not self._settlement.names_runs:
            return False
        self._settlement.names_runs = False
        self._outbox.replace(entry, entry.item._replace(key=f"{entry.item.key}{_ID_REFUSED}"))
        return True

    async def _start(self, client: ApiClient, entry: Batch) -> Answer:
        """Begin a run, or go on in one that has begun. It may have ended as well: then what is
        sent of it may be there already, and what is not goes on in the one that follows."""
        answer, _ = await self._call(client, entry)
        return self._settled(entry, await self._as_begun(client, entry, answer))

    async def _as_begun(self, client: ApiClient, entry: Batch, answer: Answer) -> Answer:
        """What is to become of a start that was answered so: of a run that another process has had
        and that was terminated this one's agent is to hear."""
        if not answer.about_state or answer is ALREADY:
            return answer
        if is_shared(entry.item.run):
            with self._settlement.waiting():
                run = await shown(client, self._settlement.record(entry).instance_id)
            self._settlement.heed_run(entry, run)
        return ALREADY

    async def _start_next(self, client: ApiClient, entry: Batch) -> Answer:
        """Begin the run that goes on in place of one which has ended, or join that."""
        before = self._settlement.record(entry)
        if before.kept is None:
            return ALREADY
        registration = follower_of(before.kept.item, before.instance_id)
        if registration is None:
            return ALREADY
        answer = await self._make_run(client, Batch.of_one(registration, entry.file))
        if answer.verdict is not Verdict.DONE:
            return answer if answer.verdict is not Verdict.NEVER else ALREADY
        self._settlement.record(entry).kept = before.kept._replace(item=registration)
        self._outbox.replace(entry, entry.item._replace(key=f"{entry.item.key}-n"))
        answer, _ = await self._call(client, entry)
        return answer

    async def follow(self, client: ApiClient, batch: Batch) -> tuple[Answer, Batch | None]:
        """Let another run go on in place of each that another process has ended, of those that a
        batch of spans is in. Returns what of it can be sent then: where the server fails over such
        a run, all but its spans, which wait for a while."""
        for run in batch.runs.keys() & self._settlement.to_follow:
            lock = self._following.setdefault(run, asyncio.Lock())
            try:
                async with lock:
                    answer = await self._follow(client, batch, run)
            finally:
                self._following.pop(run, None)
            if answer.is_fault:
                is_of_it = [item.run == run for item in batch.items]
                parts = dict(self._outbox.line.apart(batch, is_of_it))
                self._settlement.delay(parts[True])
                if False not in parts:
                    return DONE, None
                batch = parts[False]
            elif answer.verdict is not Verdict.DONE:
                return answer, None
        return DONE, batch

    async def _follow(self, client: ApiClient, batch: Batch, run: str) -> Answer:
        """The same of one run: where no other can go on, its spans are too late. Until that one has
        begun the run is what it was, on disk as well."""
        settlement, before = self._settlement, self._settlement.runs.get(run)
        if before is None or run not in settlement.to_follow:
            return DONE
        entry = Batch.of_one(_start_after(run, before.instance_id))
        answer = Answer(Verdict.LATER)
        try:
            answer = await self._start_next(client, entry)
            answer = await self._as_begun(client, entry, answer)
        finally:
            if answer.verdict is not Verdict.DONE:
                settlement.runs[run] = before
        if answer.verdict not in (Verdict.DONE, Verdict.NEVER):
            return answer
        record = settlement.record(entry)
        if record is before:
            before.is_shut = True
        else:
            settlement.followed += 1
            record.since = settlement.followed
            settlement.note_run(batch, run, record)
        settlement.to_follow.discard(run)
        return DONE

    async def _judge(self, client: ApiClient, entry: Batch) -> Answer:
        answer, _ = await self._call(client, entry)
        return self._settled(entry, answer)

    async def _finish(self, client: ApiClient, entry: Batch) -> Answer:
        self._settlement.as_it_is_taken(entry)
        answer = await self._end_run(client, entry)
        if answer.verdict in (Verdict.DONE, Verdict.NEVER):
            self._has_ended(entry)
        if answer.verdict is Verdict.NEVER:
            self._counters.leave_open(1)
        return self._settled(entry, answer)

    async def _end_run(self, client: ApiClient, entry: Batch) -> Answer:
        """Finish the run with the status that it is to have or, where the API refuses that and
        the run is not over, with one that it can have. A run may be over before it is finished:
        the platform itself completes one that is silent for long."""
        answer, _ = await self._call(client, entry)
        if answer.verdict is Verdict.DONE:
            self._settlement.took(entry)
        if answer.verdict is not Verdict.NEVER:
            return answer
        if is_cancelled(entry.item) and judge_cancelled(answer).verdict is Verdict.AS_FAILED:
            self._settlement.try_as_failed(entry)
            return await self._end_run(client, entry)
        record = self._settlement.record(entry)
        if record.is_terminated:
            return ALREADY
        with self._settlement.waiting():
            run = await shown(client, record.instance_id)
        status = status_in(run)
        if ended(status) is not None:
            return ALREADY
        other = ended_otherwise(entry.item, status)
        if other is None:  # where the run cannot be read, the conflict is all that tells of it
            return ALREADY if answer.about_state and status is None else answer
        self._outbox.replace(entry, other)
        return await self._end_run(client, entry)

    # -- what becomes of it ------------------------------------------------------------------------

    def _is_taken(self, entry: Batch, output: Mapping[str, object]) -> bool:
        """Whether an answer among others shows that a call was taken."""
        operation = entry.item.operation
        if judge_output(operation, output) is not DONE:
            return False
        if operation is Operation.REGISTER:
            return True
        if _details(output).get("id") != self._settlement.record(entry).instance_id:
            return False
        status = status_in(output)
        if operation is Operation.START:
            return status not in (None, "pending")
        return ended(status) is not None

    def _taken(self, entry: Batch, details: Mapping[str, object]) -> Answer:
        """Note what the platform has made of a run, where it has taken a call."""
        if entry.item.operation is Operation.REGISTER:
            return self._registered(entry, details)
        if entry.item.operation is Operation.FINISH_RUN:
            self._settlement.took(entry)
            self._has_ended(entry)
        return DONE

    def _has_ended(self, entry: Batch) -> None:
        run, record = entry.item.run, self._settlement.record(entry)
        record.is_finished = True
        if record.kept is not None:
            self._outbox.forget(record.kept)
            record.kept = None
        self._settlement.to_follow.discard(run)
        self._settlement.forget_soon(run)
        self._outbox.note(entry, lambda file: file.run_over(run))

    def _registered(self, entry: Batch, details: Mapping[str, object]) -> Answer:
        """Note what the platform has made of a run that is registered."""
        instance_id = details.get("id")
        if not is_segment(instance_id):
            return Answer(Verdict.LATER, "a registration without an id")
        partition = partition_of(instance_id) if is_pfid(instance_id) else None
        self._settlement.unnamed.discard(entry.item.run)
        self._settlement.partition = partition
        url = page_in(details)
        record = RunRecord(instance_id, partition, page=url and page_of(url, instance_id))
        self._settlement.runs[entry.item.run] = record
        self._settlement.note_record(entry)
        agent_id = details.get("agent_id")
        if isinstance(agent_id, str):
            self._outbox.note(entry, lambda file: file.serves(agent_id))
        return DONE

    def _settled(self, entry: Batch, answer: Answer) -> Answer:
        """Settle a call about a run that is over, well or not."""
        item = entry.item
        if answer.verdict is Verdict.DONE:
            if item.operation is Operation.REGISTER and is_of_several(item.run):
                self._settlement.keep(entry)
            else:
                self._settlement.settle(entry, None)
        elif answer.verdict is Verdict.NEVER:
            self._settlement.warn_refused(entry, answer)
            self._settlement.settle(entry, DropReason.REFUSED)
            return replace(answer, verdict=Verdict.DONE)
        return answer

    async def _call(self, client: ApiClient, entry: Batch) -> tuple[Answer, Mapping[str, object]]:
        """One call in a request of its own."""
        item = entry.item
        action = _ACTIONS.get(item.operation)
        path = "/agent_instance/register"
        if action is not None:
            record = self._settlement.record(entry)
            path = f"/agent_instance/{segment(record.instance_id)}/{action}"
        try:
            body = call_body(item, self._own_id(entry))
            with self._settlement.calling([entry]):
                reply = await client.post(path, body)
        except ApiError as error:
            answer = judge_request(error)
            if answer.verdict in (Verdict.APART, Verdict.SMALLER):  # it is one, and small
                verdict = Verdict.NEVER if error.answer is not None else Verdict.LATER
                answer = replace(answer, verdict=verdict)
            elif answer.about_state and action is not None:
                answer = replace(answer, verdict=Verdict.NEVER)  # also without an error code
            return answer, {}
        except Exception as error:
            return judge_request(error), {}
        self._settlement.heed(entry, reply)
        return DONE, _details(reply)

    def _warn_plainer(self, answer: Answer, cuts: Sequence[Cut]) -> None:
        for cut in cuts:
            about, told = _CUTS[cut]
            self._counters.trouble(f"{about} refused: {answer.reason}")
            self._log.warn(cut.name, told.format(answer.reason))

    def _refuse_run(self, entry: Batch, answer: Answer) -> None:
        self._settlement.runs[entry.item.run] = None
        self._settlement.unnamed.discard(entry.item.run)
        self._counters.trouble(f"registration refused: {answer.reason}")
        needs = _ACCOUNT_TOKEN if {"agent_id", "environment_id"} & set(answer.fields) else ""
        agent = agent_in(entry.item)
        if agent is not None and "agent_id" in answer.fields:
            self._settlement.refused_agents.note(agent, answer.reason)
        of = f" of the agent {agent}" if agent is not None else ""
        self._log.warn(
            "run",
            f"Prefactor refused to register a run{of} ({answer.reason}); none of its spans is "
            f"sent, and each is counted as run_refused. {needs}`prefactor-otel doctor` registers "
            "one with these settings, and tells what is wrong",
        )
        self._settlement.settle(entry, DropReason.RUN_REFUSED)


def _parts(entries: Sequence[Batch], max_bytes: int) -> Iterator[list[Batch]]:
    part, size = list[Batch](), 0
    for entry in entries:
        size += entry.item.size
        if part and (len(part) == MOST_TOGETHER or size > max_bytes):
            yield part
            part, size = [], entry.item.size
        part.append(entry)
    if part:
        yield part


def call_body(item: Item, own_id: str | None = None) -> bytes:
    """The body of a request for one call about a run; a registration may say its id."""
    key = orjson.dumps(item.key)
    if own_id is not None:
        return b'{%b,"id":"%b","idempotency_key":%b}' % (_said(item), own_id.encode(), key)
    return b'{%b,"idempotency_key":%b}' % (_said(item), key)


def _bulk_call(item: Item, record: RunRecord | None, own_id: str | None) -> bytes:
    """The same as an element of a bulk request's ``items``; with the run if that is registered."""
    head = {"_type": _TOGETHER[item.operation], "idempotency_key": item.key}
    if item.operation is not Operation.REGISTER and record is not None:
        head["agent_instance_id"] = record.instance_id
    if own_id is not None:
        head["id"] = own_id
    return b"%b,%b}" % (orjson.dumps(head)[:-1], _said(item))


def _start_after(run: str, instance_id: str) -> Item:
    """The call that starts what goes on in place of this instance, when it arrives: each time the
    same."""
    key = f"{run}-{digest_of(instance_id, size=4)}"
    return Item(run, Operation.START, key, b'"timestamp":null')


def _has_passed(answer: Answer) -> bool:
    """Whether it tells of trouble that was not about what was sent."""
    return answer.verdict is Verdict.LATER and not answer.is_fault


def _said(item: Item) -> bytes:
    """The members of a call. Files of earlier versions also hold those of which nothing is said,
    which the API does not take as null."""
    body = with_name(item)
    if _UNSAID not in body[:_AT_ITS_HEAD]:
        return body
    content = orjson.loads(b"{%b}" % body)
    return orjson.dumps({name: said for name, said in content.items() if said is not None})[1:-1]


def _details(answer: Mapping[str, object]) -> Mapping[str, object]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}
