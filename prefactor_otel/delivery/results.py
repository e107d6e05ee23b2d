"""What becomes of what was leased, and what the API has said of each run."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import aiohttp

from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.continuing import own_id
from prefactor_otel.delivery.operation import Item, Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.verdicts import NOT_FOUND, Answer, Verdict
from prefactor_otel.delivery.wire import RunRecord, as_failed, is_cancelled
from prefactor_otel.host.termination import terminate_of, terminated_instance
from prefactor_otel.stats.counters import INTENDED, Counters, DropReason
from prefactor_otel.stats.log import QuietLog, logger, place_of

INITIAL_BACKOFF: Final = 0.5
MAX_BACKOFF: Final = 30.0
HURRIED_BACKOFF: Final = 0.5
"""Seconds between two tries, at most, while somebody waits or the process wants to end."""
_FINISHES: Final = frozenset({Operation.FINISH_SPAN, Operation.FINISH_RUN})
_REFUSED_WITH: Final = {
    Operation.CREATE: _FINISHES | {Operation.CREATE},
    Operation.FINISH_SPAN: _FINISHES,
    Operation.FINISH_RUN: _FINISHES,
}
"""What the API refuses as cancelled too, where it refuses this: both finishes are of something that
is known to have begun, while a creation as cancelled may be allowed its two times."""
REFUSED_FOR: Final = 60.0
"""Seconds for which an agent counts as refused."""
MAX_REFUSED_AGENTS: Final = 256
"""Of these so many are known at a time, the latest."""
MAX_ENDED: Final = 256
"""Runs that are over and still known."""


class RefusedAgents:
    """Ids of agents of whom the API has refused to register a run: an id may be made later, or made
    right, so each counts for a while only."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, str]] = {}

    def note(self, agent: str, reason: str) -> None:
        """It has refused another of this agent."""
        self._known.pop(agent, None)
        if len(self._known) == MAX_REFUSED_AGENTS:
            del self._known[next(iter(self._known))]
        self._known[agent] = time.monotonic() + REFUSED_FOR, reason

    @property
    def lately(self) -> dict[str, str]:
        """Those that count, and why each was refused. From any thread."""
        if not self._known:
            return {}
        now = time.monotonic()
        known = list(self._known.items())
        return {agent: reason for agent, (until, reason) in known if now < until}


class Settlement:
    """The accounts of one sender. ``terminated`` is told which run was stopped, and why, and
    ``ended`` which was ended otherwise while its spans still come."""

    def __init__(
        self,
        outbox: Outbox,
        counters: Counters,
        log: QuietLog,
        terminated: Callable[[str, str | None], None],
        ended: Callable[[str], None],
        *,
        names_runs: bool = False,
    ) -> None:
        self.closing = False
        self.names_runs = names_runs
        """Whether we make the ids of runs, so that others can be told of one at once."""
        self.partition: int | None = None
        """The account's, as far as it is known."""
        self.unnamed: set[str] = set()
        """Runs that are being registered without an id of ours."""
        self.runs: dict[str, RunRecord | None] = {}
        """What the API has said of the runs that it has answered for; None of those refused."""
        self.to_follow: set[str] = set()
        """Runs that another process has ended, and in place of which another is to go on."""
        self.refused_agents = RefusedAgents()
        """Those of whom it registers no runs."""
        self.followed = 0
        """How many runs have been followed by others."""
        self.got_through_at = 0.0
        """When the API last took a span (monotonic seconds)."""
        self._outbox = outbox
        self._counters = counters
        self._log = log
        self._terminated = terminated
        self._ended_early = ended
        self._calls: dict[object, float] = {}
        self._ended_runs: deque[str] = deque()
        self._not_cancelled: set[Operation] = set()
        """Operations that the API refuses with the status cancelled, and takes as failed."""

    def has_refused(self, run: str) -> bool:
        """Whether the API has refused to register a run."""
        return run in self.runs and self.runs[run] is None

    def id_of(self, run: str) -> str | None:
        """The instance's id, also of a run that will be registered under it; None where it is not
        known. From any thread."""
        known = self.runs.get(run)
        if known is not None:
            return known.instance_id
        if run in self.runs or run in self.unnamed or not self.names_runs:
            return None
        return own_id(run, self.partition) if self.partition is not None else None

    def forget_soon(self, run: str) -> None:
        """Nothing more comes of a run: it is soon forgotten, because services have millions."""
        self._ended_runs.append(run)
        if len(self._ended_runs) > MAX_ENDED:
            self.runs.pop(self._ended_runs.popleft(), None)

    def record(self, batch: Batch) -> RunRecord:
        """What is known of the run of a batch of one, which is registered."""
        record = self.runs[batch.item.run]
        assert record is not None
        return record

    @property
    def sending_since(self) -> float | None:
        """When the oldest request that is not answered yet was made (monotonic seconds)."""
        return min(self._calls.values(), default=None)

    @contextmanager
    def calling(self, batches: Sequence[Batch]) -> Iterator[None]:
        """A request is made for these; it counts for them if there was a connection for it."""
        self._counters.request(sum(len(batch) for batch in batches if batch.was_sent))
        for batch in batches:
            batch.attempts += 1
        try:
            with self.waiting():
                yield
        except aiohttp.ClientConnectorError:  # nothing of it has left this machine
            for batch in batches:
                batch.attempts -= 1
            raise

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Somebody else is to answer."""
        call = object()
        self._calls[call] = time.monotonic()
        try:
            yield
        finally:
            del self._calls[call]

    def settle(self, batch: Batch, reason: DropReason | None) -> None:
        """A batch is delivered, or dropped for this reason."""
        self._outbox.settle(batch)
        if batch.spans:
            if reason is None:
                self._counters.acknowledge(batch.spans)
            else:
                self._counters.drop(reason, batch.spans)
        if reason is not None and batch.is_judgement:
            self._counters.lose_judgements(1)
        batch.resolve(lost=reason is not None and reason not in INTENDED)

    def keep(self, batch: Batch) -> None:
        """A registration is delivered, and stays at hand for as long as its run is open."""
        self.record(batch).kept = self._outbox.keep(batch)
        batch.resolve(lost=False)

    def refuse(self, batch: Batch, answer: Answer, reason: DropReason = DropReason.REFUSED) -> None:
        """The API will never take a batch of one: it is dropped, and what hangs on it hangs higher.
        A span that it finishes is there all the same, and ends without what it ended with."""
        self._outbox.leave_unrecorded(batch)
        self.warn_refused(batch, answer)
        if answer.code != NOT_FOUND and self._outbox.has_end(batch):
            self._counters.drop(reason, batch.spans)
            self._outbox.settle_but_end(batch)
        else:
            self.settle(batch, reason)

    def warn_refused(self, batch: Batch, answer: Answer) -> None:
        """Say that something was refused, which its sender gives up."""
        operation = batch.item.operation.value
        counted = " and counted" if batch.item.ends_span else ""
        self._counters.trouble(f"{operation} refused: {answer.reason}")
        self._log.warn(
            "refused",
            f"Prefactor refused a {operation} item: {answer.reason}; it is dropped{counted}",
        )

    def too_late(self, batch: Batch, reason: DropReason) -> None:
        """The platform has ended the runs of a batch, and takes nothing more of them."""
        self._outbox.leave_unrecorded(batch)
        self._counters.trouble(f"spans refused: {reason.value}")
        self._log.warn(
            reason.value,
            f"Prefactor has ended the run before its agent did ({reason.value}); spans that come "
            "to it after that are dropped and counted",
        )
        self.settle(batch, reason)
        for run in batch.runs if reason is DropReason.RUN_OVER else ():
            record = self.runs.get(run)
            if record is not None and record.ids_accepted:  # else none would do
                self._ended_early(run)

    def as_it_is_taken(self, batch: Batch) -> None:
        """Let what is to end something as cancelled end it as failed, in a leased batch, where the
        API is known to refuse the other."""
        if self._not_cancelled:
            self._outbox.replace(batch, *map(self._as_it_is_taken, batch.items))

    def _as_it_is_taken(self, item: Item) -> Item:
        refused = item.operation in self._not_cancelled and is_cancelled(item)
        return as_failed(item) if refused else item

    def try_as_failed(self, batch: Batch) -> None:
        """The API refuses a leased batch of one as cancelled; it may take it as failed."""
        batch.was_cancelled = True
        self._outbox.replace(batch, as_failed(batch.item))

    def took(self, batch: Batch) -> None:
        """The API has taken a batch, as it is now."""
        if batch.was_cancelled:  # and refused it as it was: once is enough
            self._not_cancelled |= _REFUSED_WITH[batch.item.operation]

    def delay(self, batch: Batch) -> None:
        """The server failed over a batch: try it again later, and others before it."""
        batch.faults += 1
        batch.failed_at = time.monotonic()
        wait = HURRIED_BACKOFF if self.closing else backoff(batch.faults)
        batch.not_before = batch.failed_at + wait

    def heed(self, batch: Batch, answer: Mapping[str, object]) -> None:
        """Whatever became of a batch of one: its run may be told to stop."""
        self.heed_for(batch.item.run, answer)

    def heed_for(self, run: str, answer: Mapping[str, object]) -> None:
        """The same of one item's answer among others'."""
        stops, reason = terminate_of(answer)
        if stops:
            self._stop(run, reason)

    def heed_run(self, batch: Batch, answer: Mapping[str, object]) -> None:
        """The same of an answer that shows the run itself."""
        stops, reason = terminated_instance(answer)
        if stops:
            self._stop(batch.item.run, reason)

    def _stop(self, run: str, reason: str | None) -> None:
        record = self.runs.get(run)
        if record is not None:
            record.is_terminated = True
        self._terminated(run, reason)

    def note_record(self, batch: Batch) -> None:
        """Let what the API has said of the run of a batch of one outlive the process."""
        self.note_run(batch, batch.item.run, self.record(batch))

    def note_run(self, batch: Batch, run: str, record: RunRecord) -> None:
        """The same of one of a batch's runs."""
        self._outbox.note(
            batch,
            lambda file: file.registered(
                run, record.instance_id, record.partition, ids_accepted=record.ids_accepted
            ),
        )


def backoff(times: int) -> float:
    """Seconds to wait after so many doublings of the first wait."""
    return min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** min(times, 16))


def own_fault(error: Exception) -> Answer:
    """Something in here failed over what was to be sent, or over its answer."""
    logger.debug("A request could not be made or accounted for: %s", place_of(error))
    return Answer(Verdict.LATER, type(error).__name__, is_fault=True)
