"""The bulk requests: spans created and finished, many at a time."""

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from prefactor_otel.delivery.asking import ended, shown, status_in
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.continuing import TRIES_AT_END, continues, is_of_several
from prefactor_otel.delivery.joining import follower_of
from prefactor_otel.delivery.operation import Item, Operation, is_shared
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.results import Settlement, own_fault
from prefactor_otel.delivery.verdicts import (
    DONE,
    Answer,
    Verdict,
    judge_cancelled,
    judge_output,
    judge_refusal,
    judge_request,
)
from prefactor_otel.delivery.wire import IN_A_ROW, RunRecord, bulk_body, is_cancelled, shrunk
from prefactor_otel.host.pace import sliced
from prefactor_otel.stats.counters import DropReason

SMALLEST_REQUEST: Final = 4096
SUSPECT_AFTER: Final = 2
"""Faults of the server after which each item of a request is tried on its own."""
GIVE_UP_AFTER: Final = 8
"""Faults over one item alone, while others get through, after which it is given up."""

TRIES_FOR_PARENT: Final = 5
"""Refusals of a span for want of its parent, which another process has, before it goes without."""
_FOR_ITS_PARENT: Final = ("parent_span_id",)
_FOR_ITS_KEY: Final = ("idempotency_key",)
MOST_KEYS: Final = 9
"""Keys that a span is sent under, one after the other, at most."""


class _Next(Enum):
    """What becomes of an item before it is sent."""

    SENT = "sent"
    WAITS = "waits"
    DROPPED = "dropped"
    TOO_LATE = "too late"


_Fate = tuple[_Next, DropReason]
_SENT: Final = (_Next.SENT, DropReason.REFUSED)
_WAITS: Final = (_Next.WAITS, DropReason.REFUSED)
_UNANSWERED: Final = Answer(Verdict.LATER, "no output for any key")
_NO_OBJECT: Final = Answer(Verdict.LATER, "an output that is no object")


class BulkRequests:
    """Delivers the operations of spans, in requests of at most ``max_bytes``, or less where the
    API has shown that it takes less. Runs on the worker's loop."""

    def __init__(self, settlement: Settlement, outbox: Outbox, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._settlement = settlement
        self._outbox = outbox

    async def deliver(self, client: ApiClient, batch: Batch) -> Answer:
        """Send the spans of a batch; what it has not settled stays leased."""
        sendable = self._sendable(batch)
        return await self._send(client, sendable) if sendable is not None else DONE

    def _sendable(self, batch: Batch) -> Batch | None:
        """Of a leased batch what can go in the next request; what never can is dropped."""
        self._outbox.line.look_higher(batch)
        sendable = None
        plain = self._plain_runs(batch)
        fates = [_SENT if i.run in plain else self._fate(batch, i) for i in batch.items]
        for (becomes, reason), part in self._outbox.line.apart(batch, fates):
            if becomes is _Next.SENT:
                sendable = part
            elif becomes is _Next.TOO_LATE:
                self._settlement.too_late(part, reason)
            elif becomes is _Next.DROPPED:
                self._settlement.settle(part, reason)
        return sendable

    def _plain_runs(self, batch: Batch) -> set[str]:
        """The runs of which everything can be sent: all but a few."""
        if self._outbox.unrecorded.parents:
            return set()
        records = {run: self._settlement.runs.get(run) for run in batch.runs}
        return {
            run
            for run, record in records.items()
            if record is not None and record.partition is not None and not record.is_shut
        }

    def _fate(self, batch: Batch, item: Item) -> _Fate:
        """What becomes of an item, as far as its run and what it names are known. With a reason
        for what is dropped."""
        record = self._settlement.runs.get(item.run)
        if record is None:
            return _Next.DROPPED, DropReason.RUN_REFUSED
        is_new = item.operation is Operation.CREATE
        if is_new and record.is_shut and record.ended_as is not None:
            return _Next.TOO_LATE, record.ended_as
        if not is_new and self._outbox.unrecorded.holds(item.span, batch.arrival):
            return _Next.DROPPED, record.ended_as or DropReason.REFUSED
        if record.can_name(item.parent if is_new else item.span):
            return _SENT
        if not is_new or item.parent in batch.created:
            return _WAITS
        if item.parent is not None:  # nothing in here will ever give it an id
            self._outbox.note_unrecorded(batch, item.parent, None)
        return _SENT

    async def _send(self, client: ApiClient, batch: Batch) -> Answer:
        """One bulk request; where it is refused as a whole, its halves."""
        self._outbox.line.look_higher(batch)
        in_turn = self._outbox.line.in_turn(batch)
        return await self._send_in_turn(client, in_turn) if in_turn is not None else DONE

    async def _send_in_turn(self, client: ApiClient, batch: Batch) -> Answer:
        size = 0
        try:
            self._settlement.as_it_is_taken(batch)
            body = bulk_body(batch.items, self._settlement.runs)
            size = len(body)
            if len(batch) > 1 and size > self.max_bytes:  # learnt meanwhile
                return await self._send_halves(client, batch)
            batch.named, batch.sent_in = self._named(batch), self._settlement.followed
            answer = await self._exchange(client, batch, body)
        except Exception as error:
            answer = own_fault(error)
        if answer.verdict is Verdict.SMALLER:
            half = max(SMALLEST_REQUEST, size // 2)
            self.max_bytes = min(self.max_bytes, half)
            return await self._send_smaller(client, batch, answer)
        is_conflict = answer.verdict is Verdict.NEVER and answer.about_state
        if len(batch) > 1 and (answer.verdict is Verdict.APART or is_conflict):
            return await self._send_halves(client, batch)
        if answer.verdict in (Verdict.APART, Verdict.NEVER):
            refusal = judge_refusal(batch.item.operation, answer)
            await self._settle_refused(client, [(batch, refusal)])
            return DONE
        return await self._isolate(client, batch, answer) if answer.is_fault else answer

    async def _exchange(self, client: ApiClient, batch: Batch, body: bytes) -> Answer:
        """One request: what is to become of it as a whole."""
        try:
            with self._settlement.calling([batch]):
                answer = await client.post("/bulk", body)
        except Exception as error:
            return judge_request(error)
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):
            return Answer(Verdict.LATER, "an answer without outputs")
        return await self._account(client, batch, outputs)

    async def _isolate(self, client: ApiClient, batch: Batch, answer: Answer) -> Answer:
        """The server fails over these, and does so again: let none of them hold up the others."""
        if not self._outbox.is_leased(batch):
            return answer
        if len(batch) == 1:
            return DONE if self._put_off(batch, answer) else answer
        batch.faults += 1
        return await self._send_halves(client, batch) if batch.faults >= SUSPECT_AFTER else answer

    def _put_off(self, batch: Batch, answer: Answer) -> bool:
        """Try a batch of one again later, others before it. True when it is given up instead."""
        if answer.is_fault and self._settlement.got_through_at > batch.failed_at:
            batch.blamed += 1
        if batch.blamed >= (1 if self._settlement.closing else GIVE_UP_AFTER):
            self._settlement.refuse(batch, answer)
            return True
        self._settlement.delay(batch)
        return False

    async def _send_halves(self, client: ApiClient, batch: Batch) -> Answer:
        middle = len(batch) // 2
        halves = self._outbox.line.apart(batch, [place < middle for place in range(len(batch))])
        for _, half in halves:
            answer = await self._send(client, half)
            if answer.verdict is not Verdict.DONE:
                return answer
        return DONE

    async def _send_smaller(self, client: ApiClient, batch: Batch, answer: Answer) -> Answer:
        if len(batch) > 1:
            return await self._send_halves(client, batch)
        smaller = shrunk(batch.item, len(batch.item.body) // 2)
        if len(smaller.body) >= len(batch.item.body):
            self._settlement.refuse(batch, answer, DropReason.TOO_LARGE)
            return DONE
        self._outbox.replace(batch, smaller)
        return await self._send(client, batch)

    async def _account(self, client: ApiClient, batch: Batch, outputs: dict[str, object]) -> Answer:
        """Settle what is acknowledged, and each item that is not by its own output. Whatever stays
        is sent again: at once when the request achieved anything, else after a wait."""
        answers = self._answers(batch.items, outputs)
        progress, left = False, _UNANSWERED
        failed: list[tuple[Batch, Answer]] = []
        refused: list[tuple[Batch, Answer]] = []
        # What is acknowledged stays together, and what is not answered; all else is by itself.
        fates = [
            answer if answer is DONE or answer is _UNANSWERED else place
            for place, answer in enumerate(answers)
        ]
        for fate, part in self._outbox.line.apart(batch, fates):
            answer = answers[fate] if isinstance(fate, int) else fate
            if answer is DONE:
                self._learn(part, outputs)
                self._settlement.settle(part, None)
            elif answer.verdict is not Verdict.LATER:
                refused.append((part, answer))
            elif answer is not _UNANSWERED:
                left = answer
                failed.append((part, answer))
            progress = progress or answer.verdict is not Verdict.LATER
        if progress:
            self._settlement.got_through_at = time.monotonic()
        await self._settle_refused(client, refused)
        for part, answer in failed:
            self._put_off(part, answer)
        return DONE if progress else Answer(left.verdict, left.reason)

    def _answers(self, items: Sequence[Item], outputs: Mapping[str, object]) -> list[Answer]:
        """What the API has said of each."""
        answers: list[Answer] = []
        for part in sliced(items, IN_A_ROW):
            for item in part:
                output = outputs.get(item.key)
                if isinstance(output, dict):
                    self._settlement.heed_for(item.run, output)
                    answers.append(judge_output(item.operation, output))
                else:
                    answers.append(_UNANSWERED if output is None else _NO_OBJECT)
        return answers

    async def _settle_refused(
        self, client: ApiClient, refused: Sequence[tuple[Batch, Answer]]
    ) -> None:
        """What becomes of items that the API has refused, each by itself: they may be taken in
        another form, may have been done before, or come too late."""
        asked: set[str] = set()
        for batch, answer in refused:
            if self._is_there(batch, answer):
                self._settlement.settle(batch, DropReason.DUPLICATE)
                continue
            if self._gave_up_ids(batch, answer) or self._waits_for_parent(batch, answer):
                continue
            if self._goes_under_another_key(batch, answer) or self._goes_on(batch, answer):
                continue
            if is_cancelled(batch.item):
                answer = judge_cancelled(answer)
            if answer.about_state and batch.item.run not in asked:
                asked.add(batch.item.run)
                await self._ask(client, batch)
            if not self._is_to_be_followed(batch, answer):
                self._settle_one(batch, answer)

    def _is_there(self, batch: Batch, answer: Answer) -> bool:
        """Whether a new span is refused because it has come before: its id follows from what it
        is. So does its key, of a run in which others have a part: what came under that before,
        perhaps to another of these, was this span."""
        item = batch.item
        if item.operation is not Operation.CREATE:
            return False
        is_known = answer.fields == _FOR_ITS_KEY and not batch.came_late
        return answer.is_taken or (is_known and is_shared(item.run))

    def _waits_for_parent(self, batch: Batch, answer: Answer) -> bool:
        """Whether a span is refused for its parent, which another process has: that may still have
        to tell of it. In the end the span goes without, and at once in a run of its own."""
        item, record = batch.item, self._settlement.record(batch)
        if item.parent is None or answer.fields != _FOR_ITS_PARENT or not is_of_several(item.run):
            return False
        tries = TRIES_AT_END if self._settlement.closing else TRIES_FOR_PARENT
        if continues(item.run, record.instance_id) and batch.faults < tries:
            self._settlement.delay(batch)
        else:
            self._outbox.note_unrecorded(batch, item.parent, None)
        return True

    def _goes_under_another_key(self, batch: Batch, answer: Answer) -> bool:
        """Whether a span is refused for its key, under which the platform has refused it in the run
        before: then it goes under the next one."""
        item = batch.item
        if answer.fields != _FOR_ITS_KEY or not batch.came_late:
            return False
        number = int(item.key[-1]) + 1 if item.key[-1].isdecimal() else 2
        if number > MOST_KEYS:
            return False
        self._outbox.replace(batch, item._replace(key=f"{item.key[:-1]}{number}"))
        return True

    def _goes_on(self, batch: Batch, answer: Answer) -> bool:
        """Whether a refusal is about a run that is, or is being, followed by another. A new span
        goes there; the end of one that has its record in the first comes too late for it."""
        item, since = batch.item, self._settlement.record(batch).since
        is_new = item.operation is Operation.CREATE
        has_another = since > (batch.sent_in if is_new else 0)
        if not answer.about_state or not (has_another or item.run in self._settlement.to_follow):
            return False
        if is_new:
            batch.came_late = True
        else:
            self._settlement.settle(batch, DropReason.RUN_OVER)
        return True

    async def _ask(self, client: ApiClient, batch: Batch) -> None:
        """Ask the run of an item whether it is over, unless that is known."""
        record = self._settlement.record(batch)
        if record.ended_as is None:
            with self._settlement.waiting():
                answer = await shown(client, record.instance_id)
            self._settlement.heed_run(batch, answer)
            record.ended_as = ended(status_in(answer))

    def _is_to_be_followed(self, batch: Batch, answer: Answer) -> bool:
        """Whether a new span is refused because another process has ended its run, and is to be
        sent again in the one that goes on in place of that."""
        item, record = batch.item, self._settlement.record(batch)
        if not answer.about_state or record.ended_as is not DropReason.RUN_OVER:
            return False
        if item.operation is not Operation.CREATE or record.is_shut or record.kept is None:
            return False
        if follower_of(record.kept.item, record.instance_id) is None:
            return False
        self._settlement.to_follow.add(item.run)
        batch.came_late = True
        return True

    def _settle_one(self, batch: Batch, answer: Answer) -> None:
        record = self._settlement.record(batch)
        if answer.about_state and record.ended_as is not None:
            record.is_shut = record.is_shut or batch.item.operation is Operation.CREATE
            self._settlement.too_late(batch, record.ended_as)
        elif answer.verdict is Verdict.AS_FAILED:
            self._settlement.try_as_failed(batch)
        elif answer.verdict is Verdict.DONE:
            self._settlement.settle(batch, None)
        else:
            self._settlement.refuse(batch, answer)

    def _learn(self, batch: Batch, outputs: Mapping[str, object]) -> None:
        """Note what the answers tell of the runs of items that were taken, and of their ids."""
        self._settlement.took(batch)
        for run in batch.runs:
            record = self._settlement.runs[run]
            if record is None or record.since > batch.sent_in:
                continue
            if not record.ids_accepted:
                record.ids_accepted = True
                self._settlement.note_run(batch, run, record)
            if record.partition is None:
                for item in batch.items:
                    if item.run == run and item.span is not None:
                        self._learn_id(batch, record, item, outputs[item.key])

    def _learn_id(self, batch: Batch, record: RunRecord, item: Item, output: object) -> None:
        ref, run = item.span, item.run
        details = output.get("details") if isinstance(output, dict) else None
        server_id = details.get("id") if isinstance(details, dict) else None
        if ref is not None and isinstance(server_id, str):
            record.learn_id(ref, server_id)
            self._outbox.note(batch, lambda file: file.learnt(run, ref, server_id))

    def _named(self, batch: Batch) -> frozenset[str]:
        """The runs of a batch whose spans have ids that we make."""
        records = {run: self._settlement.runs[run] for run in batch.runs}
        return frozenset(run for run, record in records.items() if record and record.is_named)

    def _gave_up_ids(self, batch: Batch, answer: Answer) -> bool:
        """Whether the API refused the id itself: then it makes the ids from here on."""
        item, record = batch.item, self._settlement.record(batch)
        if answer.fields != ("id",) or item.operation is not Operation.CREATE:
            return False
        if item.run not in batch.named:
            return False
        if record.partition is None:  # an answer to another request has told it meanwhile
            return True
        if record.ids_accepted:
            return False
        record.partition = None
        self._settlement.note_record(batch)
        return True
