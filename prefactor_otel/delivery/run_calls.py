"""The calls about runs: registered, started, judged, finished. One alone is a request of its own;
several of a kind share one, where the API takes them so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from prefactor_otel.delivery.asking import ended, shown, status_in
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.client import ApiClient, ApiError
from prefactor_otel.delivery.operation import Item, Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.results import Settlement, own_fault
from prefactor_otel.delivery.verdicts import (
    DONE,
    Answer,
    Verdict,
    judge_cancelled,
    judge_output,
    judge_request,
)
from prefactor_otel.delivery.wire import Cut, RunRecord, ended_otherwise, is_cancelled, plainer
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
    Cut.IDENTIFIER: (
        "external identifier",
        "Prefactor refused the external_identifier of a run ({}), as it does where another run of "
        "the agent has it; the run is registered without one, and its spans are sent",
    ),
}
"""What goes without: its name, and the line that says it once the reason is put in."""
MOST_TOGETHER: Final = 16
"""Calls that share a request, at most."""
_TOGETHER: Final = {Operation.REGISTER: "agent_instances/register"}
"""The calls that are documented to be taken in bulk, and their types there."""
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

    def requests(self, entries: Sequence[Batch], max_bytes: int) -> list[list[Batch]]:
        """The entries by the requests that they go in, each of at most so many bytes."""
        alone: list[list[Batch]] = []
        shared: dict[Operation, list[Batch]] = {}
        for entry in entries:
            operation = entry.item.operation
            if operation in _TOGETHER and operation not in self._only_alone:
                shared.setdefault(operation, []).append(entry)
            else:
                alone.append([entry])
        return [*alone, *(part for each in shared.values() for part in _parts(each, max_bytes))]

    async def deliver(self, client: ApiClient, batch: Sequence[Batch]) -> Answer:
        """Make the request for these; what it has not settled stays leased."""
        if len(batch) == 1:
            return await self._deliver_alone(client, batch[0])
        try:
            return await self._deliver_together(client, batch)
        except Exception as error:
            for entry in filter(self._outbox.is_leased, batch):
                self._settlement.delay(entry)
            return own_fault(error)

    async def _deliver_together(self, client: ApiClient, entries: Sequence[Batch]) -> Answer:
        """Register several runs. What is refused is asked for alone: then the answer is about
        nothing else."""
        body = b'{"items":[%b]}' % b",".join(_bulk_call(entry.item) for entry in entries)
        outputs: object = None
        try:
            with self._settlement.calling(entries):
                outputs = (await client.post("/bulk", body)).get("outputs")
        except Exception as error:
            answer = judge_request(error)
            if answer.verdict in (Verdict.LATER, Verdict.UNAUTHORIZED) and not answer.is_fault:
                return answer
        outputs = outputs if isinstance(outputs, dict) else {}
        for entry in entries:
            output = outputs.get(entry.item.key)
            if isinstance(output, dict) and judge_output(entry.item.operation, output) is DONE:
                self._settlement.heed(entry, output)
                self._concluded(entry, self._registered(entry, _details(output)))
        left = [entry for entry in entries if self._outbox.is_leased(entry)]
        if len(left) < len(entries):  # after a refusal the API goes no further: in another request
            left = [entry for entry in left if entry.item.key in outputs]
            return await self._deliver_each(client, left)
        first = left[0].item
        answer = await self._deliver_each(client, left)
        if self._settlement.runs.get(first.run) is not None and left[0].item is first:
            self._only_alone.add(first.operation)
        return answer

    async def _deliver_each(self, client: ApiClient, entries: Sequence[Batch]) -> Answer:
        """One after the other, until the API fails."""
        for entry in entries:
            answer = await self._deliver_alone(client, entry)
            if answer.verdict is not Verdict.DONE:
                return answer
        return DONE

    async def _deliver_alone(self, client: ApiClient, entry: Batch) -> Answer:
        act = {
            Operation.REGISTER: self._open_run,
            Operation.START: self._open_run,
            Operation.QUALITY: self._judge_run,
            Operation.FINISH_RUN: self._finish_run,
        }[entry.item.operation]
        try:
            answer = await act(client, entry)
        except Exception as error:
            answer = own_fault(error)
        if answer.is_fault:
            self._settlement.delay(entry)  # other runs need not wait for it
        return answer

    async def _open_run(self, client: ApiClient, entry: Batch) -> Answer:
        item = entry.item
        if self._settlement.has_refused(item.run):
            self._settlement.settle(entry, DropReason.RUN_REFUSED)
            return DONE
        path = "register" if item.operation is Operation.REGISTER else "start"
        answer, details = await self._call(client, entry, path)
        if answer.about_state and item.operation is Operation.START:
            answer = DONE  # it has begun
        if answer.verdict is Verdict.NEVER and item.operation is Operation.REGISTER:
            plain, cuts = plainer(item, answer.fields)
            if cuts:
                self._warn_plainer(answer, cuts)
                self._outbox.replace(entry, plain)
                return await self._open_run(client, entry)
            self._refuse_run(entry, answer)
            return DONE
        if answer.verdict is Verdict.DONE and item.operation is Operation.REGISTER:
            answer = self._registered(entry, details)
        return self._concluded(entry, answer)

    def _registered(self, entry: Batch, details: Mapping[str, object]) -> Answer:
        """Note what the platform has made of a run."""
        instance_id = details.get("id")
        if not is_segment(instance_id):
            return Answer(Verdict.LATER, "a registration without an id")
        partition = partition_of(instance_id) if is_pfid(instance_id) else None
        self._settlement.runs[entry.item.run] = RunRecord(instance_id, partition)
        self._settlement.note_record(entry)
        agent_id = details.get("agent_id")
        if isinstance(agent_id, str):
            self._outbox.note(entry, lambda file: file.serves(agent_id))
        return DONE

    async def _finish_run(self, client: ApiClient, entry: Batch) -> Answer:
        if self._settlement.runs.get(entry.item.run) is None:
            self._settlement.settle(entry, DropReason.RUN_REFUSED)
            self._settlement.run_over(entry.item.run)
            return DONE
        self._settlement.as_it_is_taken(entry)
        answer = await self._end_run(client, entry)
        if answer.verdict in (Verdict.DONE, Verdict.NEVER):
            self._settlement.run_over(entry.item.run)
            self._outbox.note(entry, lambda file: file.run_over(entry.item.run))
        return self._concluded(entry, answer)

    async def _end_run(self, client: ApiClient, entry: Batch) -> Answer:
        """Finish the run with the status that it is to have or, where the API refuses that and
        the run is not over, with one that it can have. A run may be over before it is finished:
        the platform itself completes one that is silent for long."""
        answer, _ = await self._call(client, entry, "finish")
        if answer.verdict is Verdict.DONE:
            self._settlement.took(entry)
        if answer.verdict is not Verdict.NEVER:
            return answer
        if is_cancelled(entry.item) and judge_cancelled(answer).verdict is Verdict.AS_FAILED:
            self._settlement.try_as_failed(entry)
            return await self._end_run(client, entry)
        record = self._settlement.record(entry)
        if record.is_terminated:
            return DONE
        with self._settlement.waiting():
            run = await shown(client, record.instance_id)
        status = status_in(run)
        if ended(status) is not None:
            return DONE
        other = ended_otherwise(entry.item, status)
        if other is None:  # where the run cannot be read, the conflict is all that tells of it
            return DONE if answer.about_state and status is None else answer
        self._outbox.replace(entry, other)
        return await self._end_run(client, entry)

    async def _judge_run(self, client: ApiClient, entry: Batch) -> Answer:
        if self._settlement.runs.get(entry.item.run) is None:
            self._settlement.settle(entry, DropReason.RUN_REFUSED)
            return DONE
        answer, _ = await self._call(client, entry, "record_quality")
        return self._concluded(entry, answer)

    def _concluded(self, entry: Batch, answer: Answer) -> Answer:
        """Settle a call about a run that is over, well or not."""
        if answer.verdict is Verdict.DONE:
            self._settlement.settle(entry, None)
        elif answer.verdict is Verdict.NEVER:
            self._settlement.warn_refused(entry, answer)
            self._settlement.settle(entry, DropReason.REFUSED)
            return DONE
        return answer

    async def _call(
        self, client: ApiClient, entry: Batch, action: str
    ) -> tuple[Answer, Mapping[str, object]]:
        """One REST call about a run: register, start or finish."""
        path = "/agent_instance/register"
        if action != "register":
            record = self._settlement.record(entry)
            path = f"/agent_instance/{segment(record.instance_id)}/{action}"
        try:
            with self._settlement.calling([entry]):
                reply = await client.post(path, call_body(entry.item))
        except ApiError as error:
            answer = judge_request(error)
            if answer.verdict in (Verdict.APART, Verdict.SMALLER):  # it is one, and small
                verdict = Verdict.NEVER if error.answer is not None else Verdict.LATER
                answer = replace(answer, verdict=verdict)
            elif answer.about_state and action != "register":
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
        self._counters.trouble(f"registration refused: {answer.reason}")
        needs = _ACCOUNT_TOKEN if {"agent_id", "environment_id"} & set(answer.fields) else ""
        self._log.warn(
            "run",
            f"Prefactor refused to register a run ({answer.reason}); none of its spans is sent, "
            f"and each is counted as run_refused. {needs}`prefactor-otel doctor` registers one "
            "with these settings, and tells what is wrong",
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


def call_body(item: Item) -> bytes:
    """The body of a request for one call about a run."""
    return b'{%b,"idempotency_key":%b}' % (_said(item), orjson.dumps(item.key))


def _bulk_call(item: Item) -> bytes:
    """The same as an element of a bulk request's ``items``."""
    named = orjson.dumps({"_type": _TOGETHER[item.operation], "idempotency_key": item.key})
    return b"%b,%b}" % (named[:-1], _said(item))


def _said(item: Item) -> bytes:
    """The members of a call. Files of earlier versions also hold those of which nothing is said,
    which the API does not take as null."""
    if _UNSAID not in item.body[:_AT_ITS_HEAD]:
        return item.body
    content = orjson.loads(b"{%b}" % item.body)
    return orjson.dumps({name: said for name, said in content.items() if said is not None})[1:-1]


def _details(answer: Mapping[str, object]) -> Mapping[str, object]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}
