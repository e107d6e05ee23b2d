"""The bulk requests: spans created and finished, many at a time."""

import time
from collections.abc import Sequence
from typing import Final

from prefactor_otel.delivery.asking import ended, shown, status_in
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.operation import Operation, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Entry
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
from prefactor_otel.delivery.wire import bulk_item, is_cancelled, shrunk
from prefactor_otel.host.pace import paced
from prefactor_otel.stats.counters import DropReason

SMALLEST_REQUEST: Final = 4096
SUSPECT_AFTER: Final = 2
"""Faults of the server after which each item of a request is tried on its own."""
GIVE_UP_AFTER: Final = 8
"""Faults over one item alone, while others get through, after which it is given up."""
_IN_A_ROW: Final = 64
"""Items that are encoded or accounted for without a pause: less than half a millisecond."""


class BulkRequests:
    """Delivers the operations of spans, in requests of at most ``max_bytes``, or less where the
    API has shown that it takes less. Runs on the worker's loop."""

    def __init__(self, settlement: Settlement, outbox: Outbox, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._settlement = settlement
        self._outbox = outbox

    async def deliver(self, client: ApiClient, batch: Sequence[Entry]) -> Answer:
        """Send the spans of a batch; what it has not settled stays leased."""
        spans = self._sendable(batch)
        return await self._send(client, spans) if spans else DONE

    def _sendable(self, batch: Sequence[Entry]) -> list[Entry]:
        """The span entries that can go in the next request; those of refused runs are dropped."""
        created = {e.item.span for e in batch if e.item.operation is Operation.CREATE}
        sendable: list[Entry] = []
        for entry in batch:
            item = entry.item
            record = self._settlement.runs.get(item.run)
            if record is None:
                self._settlement.settle(entry, DropReason.RUN_REFUSED)
            elif item.operation is Operation.FINISH_SPAN and item.span in self._outbox.lost:
                self._settlement.settle(entry, record.over or DropReason.REFUSED)
            elif item.operation is Operation.CREATE and record.is_shut and record.over:
                self._settlement.too_late(entry, record.over)
            elif record.can_name(self._named(entry)):
                sendable.append(entry)
            elif item.parent is not None and item.parent not in created:
                # Nothing in here will ever give it an id.
                self._outbox.lose(entry, item.parent, None)
                sendable.append(entry)
        return sendable

    def _named(self, entry: Entry) -> SpanRef | None:
        """The span that must be there before this, if any."""
        if entry.item.operation is Operation.FINISH_SPAN:
            return entry.item.span
        return self._outbox.lost.nearest(entry.item.parent)

    def _in_turn(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those whose turn it is: what they name is there, or goes ahead of them in the same
        request. A part of a batch may have to be sent again, and what hangs on it comes then."""
        missing = self._outbox.being_created()
        sent: list[Entry] = []
        for entry in entries:
            named = self._named(entry)
            if named not in missing and self._settlement.record(entry).can_name(named):
                sent.append(entry)
                if entry.item.operation is Operation.CREATE:
                    missing.discard(entry.item.span)
        return sent

    async def _send(self, client: ApiClient, entries: Sequence[Entry]) -> Answer:
        """One bulk request; where it is refused as a whole, its halves."""
        entries = self._in_turn(entries)
        if not entries:
            return DONE
        try:
            answer, size = await self._exchange(client, entries)
        except Exception as error:
            answer, size = own_fault(error), 0
        if answer.verdict is Verdict.SMALLER:
            half = max(SMALLEST_REQUEST, size // 2)
            self.max_bytes = min(self.max_bytes, half)
            return await self._send_smaller(client, entries, answer)
        is_conflict = answer.verdict is Verdict.NEVER and answer.about_state
        if len(entries) > 1 and (answer.verdict is Verdict.APART or is_conflict):
            return await self._send_halves(client, entries)
        if answer.verdict in (Verdict.APART, Verdict.NEVER):
            refused = [(e, judge_refusal(e.item.operation, answer)) for e in entries]
            await self._settle_refused(client, refused)
            return DONE
        return await self._isolate(client, entries, answer) if answer.is_fault else answer

    async def _exchange(self, client: ApiClient, entries: Sequence[Entry]) -> tuple[Answer, int]:
        """One request: what is to become of it as a whole, and its size in bytes."""
        items = [self._encoded(entry) for entry in paced(entries, _IN_A_ROW)]
        size = sum(map(len, items))
        if len(items) > 1 and size > self.max_bytes:  # learnt meanwhile
            return await self._send_halves(client, entries), size
        try:
            with self._settlement.calling(entries):
                answer = await client.post("/bulk", b'{"items":[' + b",".join(items) + b"]}")
        except Exception as error:
            return judge_request(error), size
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):
            return Answer(Verdict.LATER, "an answer without outputs"), size
        return await self._account(client, entries, outputs), size

    async def _isolate(self, client: ApiClient, entries: Sequence[Entry], answer: Answer) -> Answer:
        """The server fails over these, and does so again: let none of them hold up the others."""
        left = [entry for entry in entries if self._outbox.is_leased(entry)]
        if len(left) == 1:
            return DONE if self._put_off(left[0], answer) else answer
        for entry in left:
            entry.faults += 1
        if left and max(entry.faults for entry in left) >= SUSPECT_AFTER:
            return await self._send_halves(client, left)
        return answer

    def _put_off(self, entry: Entry, answer: Answer) -> bool:
        """Try an entry again later, and others before it. True when it is given up instead."""
        if answer.is_fault and self._settlement.got_through_at > entry.failed_at:
            entry.blamed += 1
        if entry.blamed >= (1 if self._settlement.closing else GIVE_UP_AFTER):
            self._settlement.refuse(entry, answer)
            return True
        self._settlement.delay(entry)
        return False

    def _encoded(self, entry: Entry) -> bytes:
        self._settlement.as_it_is_taken(entry)
        parent = self._outbox.lost.nearest(entry.item.parent)
        return bulk_item(self._settlement.record(entry), entry.item, parent)

    async def _send_halves(self, client: ApiClient, entries: Sequence[Entry]) -> Answer:
        middle = len(entries) // 2
        answer = await self._send(client, entries[:middle])
        if answer.verdict is not Verdict.DONE:
            return answer
        return await self._send(client, entries[middle:])

    async def _send_smaller(
        self, client: ApiClient, entries: Sequence[Entry], answer: Answer
    ) -> Answer:
        if len(entries) > 1:
            return await self._send_halves(client, entries)
        entry = entries[0]
        smaller = shrunk(entry.item, len(entry.item.body) // 2)
        if len(smaller.body) >= len(entry.item.body):
            self._settlement.refuse(entry, answer, DropReason.TOO_LARGE)
            return DONE
        self._outbox.replace(entry, smaller)
        return await self._send(client, entries)

    async def _account(
        self, client: ApiClient, entries: Sequence[Entry], outputs: dict[str, object]
    ) -> Answer:
        """Settle each entry by its own output. Whatever stays is sent again: at once when the
        request achieved anything, else after a wait."""
        progress, left = False, Answer(Verdict.LATER, "no output for any key")
        failed: list[tuple[Entry, Answer]] = []
        refused: list[tuple[Entry, Answer]] = []
        for entry in paced(entries, _IN_A_ROW):
            output = outputs.get(entry.item.key)
            if isinstance(output, dict):
                self._settlement.heed(entry, output)
            answer = judge_output(entry.item.operation, output)
            if answer is DONE:
                self._learn(entry, output)
                self._settlement.settle(entry, None)
            elif answer.verdict is not Verdict.LATER:
                refused.append((entry, answer))
            elif output is not None:
                left = answer
                failed.append((entry, answer))
            progress = progress or answer.verdict is not Verdict.LATER
        if progress:
            self._settlement.got_through_at = time.monotonic()
        await self._settle_refused(client, refused)
        for entry, answer in failed:
            self._put_off(entry, answer)
        return DONE if progress else Answer(left.verdict, left.reason)

    async def _settle_refused(
        self, client: ApiClient, refused: Sequence[tuple[Entry, Answer]]
    ) -> None:
        """What becomes of entries that the API has refused, each by itself: they may be taken in
        another form, may have been done before, or come too late."""
        asked: set[str] = set()
        for entry, answer in refused:
            if self._gave_up_ids(entry, answer):
                continue
            if is_cancelled(entry.item):
                answer = judge_cancelled(answer)
            if answer.about_state and entry.item.run not in asked:
                asked.add(entry.item.run)
                await self._ask(client, entry)
            self._conclude(entry, answer)

    async def _ask(self, client: ApiClient, entry: Entry) -> None:
        """Ask the run of an entry whether it is over, unless that is known."""
        record = self._settlement.record(entry)
        if record.over is None:
            with self._settlement.waiting():
                answer = await shown(client, record.instance_id)
            self._settlement.heed_run(entry, answer)
            record.over = ended(status_in(answer))

    def _conclude(self, entry: Entry, answer: Answer) -> None:
        record = self._settlement.record(entry)
        if answer.about_state and record.over is not None:
            record.is_shut = record.is_shut or entry.item.operation is Operation.CREATE
            self._settlement.too_late(entry, record.over)
        elif answer.verdict is Verdict.AS_FAILED:
            self._settlement.try_as_failed(entry)
        elif answer.verdict is Verdict.DONE:
            self._settlement.settle(entry, None)
        else:
            self._settlement.refuse(entry, answer)

    def _learn(self, entry: Entry, output: object) -> None:
        self._settlement.took(entry)
        record, ref = self._settlement.record(entry), entry.item.span
        if not record.ids_accepted:
            record.ids_accepted = True
            self._settlement.note_record(entry)
        if record.partition is not None or ref is None or not isinstance(output, dict):
            return
        details = output.get("details")
        server_id = details.get("id") if isinstance(details, dict) else None
        if isinstance(server_id, str):
            record.server_ids[ref] = server_id
            self._outbox.note(entry, lambda file: file.learnt(entry.item.run, ref, server_id))

    def _gave_up_ids(self, entry: Entry, answer: Answer) -> bool:
        """Whether the API refused the id itself: then it makes the ids from here on."""
        record = self._settlement.record(entry)
        if (
            answer.fields != ("id",)
            or record.partition is None
            or entry.item.operation != Operation.CREATE
        ):
            return False
        if record.ids_accepted:
            return False
        record.partition = None
        self._settlement.note_record(entry)
        return True
