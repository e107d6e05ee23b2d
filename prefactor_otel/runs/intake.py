"""From events to items: the one funnel between the doors and the outbox. No I/O, no waiting."""

import time

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.pace import breathe
from prefactor_otel.mapping import judgements_of, session_of
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.ends import Ends
from prefactor_otel.runs.events import (
    NOWHERE,
    Awaited,
    Calls,
    Dropped,
    Event,
    Flush,
    Foretold,
    Logged,
    Spans,
    Started,
)
from prefactor_otel.runs.handover import Handover
from prefactor_otel.runs.inheritance import Inheritance
from prefactor_otel.runs.lives import Lives
from prefactor_otel.runs.making import RunMaker
from prefactor_otel.runs.records import Records
from prefactor_otel.runs.relief import Relief
from prefactor_otel.runs.router import Router
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spans.source import Record
from prefactor_otel.spans.view import Event as Recorded
from prefactor_otel.spans.view import SpanKey
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog, logger, place_of


class Intake:
    """The spans of some tenants on their way into the outbox, by runs. One thread owns it."""

    def __init__(
        self,
        tenants: Tenants,
        run: Run,
        outbox: Outbox,
        budget: Budget,
        counters: Counters,
        log: QuietLog,
    ) -> None:
        self._agenda = Agenda()
        self.inheritance = Inheritance(counters.adopt)
        """What the dead have left."""
        maker = RunMaker(tenants, run, budget, self._agenda, self.inheritance)
        self._router = Router(tenants.own.config.run_scope, tenants, maker)
        self._handover = Handover(self._router, outbox, budget, counters)
        self._relief = Relief(budget, self._router, self._agenda, self._handover, outbox, log)
        self.lives = Lives(maker, self._router, self._agenda, self._handover, self._relief, log)
        """The runs."""
        self._budget = budget
        self._outbox = outbox
        outbox.on_creation_dropped = self._creation_dropped
        self._counters = counters
        self._log = log
        self._records = Records(budget.logged)
        self._sees_starts = False
        self._to_store: list[Receipt] = []
        runs = self._router, self._handover, self._relief
        self._ends = Ends(*runs, self._records, self._agenda, budget, outbox, counters, log)
        self._ends.on_start = self._take_started

    # -- what is asked, from any thread -----------------------------------------------------------

    @property
    def open(self) -> int:
        """Spans that have started and are followed until they end."""
        return self._router.open

    def has_ended(self, key: SpanKey) -> bool:
        """Whether this span has been taken as ended, or was cut off by the end of its run."""
        return key in self._relief.cut_off or any(
            run.tree.has_ended(key) for run in self._router.with_spans()
        )

    def is_done_with(self, key: SpanKey) -> bool:
        """Asked where something struck the thread amid the end of this span: whether it was all
        done. If not, it is as if nobody had begun."""
        self._ends.recover()
        return self.has_ended(key)

    @property
    def held_spans(self) -> int:
        """Spans that have ended, and wait for the end of their run to say whether it is kept."""
        return self._handover.held_spans

    # -- what happens -----------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started):
            self._take_started(event)
        elif isinstance(event, Spans):
            self._ends.take(event)
            if event.receipt is not None and event.is_last:
                event.receipt.seal()
                self._to_store.append(event.receipt)
        elif isinstance(event, Dropped):
            self._take_dropped(event)
        elif isinstance(event, Logged):
            self._take_logged(event.record)
        elif isinstance(event, Foretold):
            self._router.foretell(event.roots)
        elif isinstance(event, Calls):
            self._take_call(event.span)
        elif isinstance(event, Awaited):
            self._take_awaited(event.span)
        elif isinstance(event, Flush):
            self._take_flush(event.receipt)
        else:
            self.lives.take(event)

    def store(self) -> None:
        """Let everything taken so far outlive the process, where there is a spool, and tell
        those who wait for that."""
        self._ends.account()
        self._handover.store(self._agenda.changed)
        self._agenda.is_stored()
        on_disk = self._outbox.is_durable
        for receipt in self._to_store:
            receipt.keep(on_disk=on_disk)
        if self._to_store and on_disk:
            breathe()  # for whoever was waiting for this
        self._to_store.clear()

    def _take_flush(self, receipt: Receipt) -> None:
        self._ends.account()
        self.lives.take_due()
        self.lives.flush()
        self._outbox.watch(receipt)
        is_parked = self._budget.parked.items > self._handover.held_runs
        if is_parked and not self._outbox.is_durable:
            receipt.lose()  # these wait for their parents, which nobody can hurry
        receipt.seal()
        self._to_store.append(receipt)

    # -- starts -----------------------------------------------------------------------------------

    def _take_started(self, event: Started) -> None:
        source, place, session = event.source, event.place, event.place.session
        self._sees_starts = True
        if session is None and self._router.knows_sessions:
            session = session_of(source.attributes)
        key = source.key
        run = self._router.started(source, session, place)
        if run.tenant.resource is None:
            run.tenant.resource = source.resource
        run.touched = event.at
        if run.terminated is not None:
            return  # if it ends, it is counted
        if place.task is not None:
            run.note_task(key, place.task)
        if not run.is_registered:
            self._handover.register_with_first_span(run)
        caller = place.caller if run.continues is not None and source.parent is None else None
        run.tree.start(source, event.at, caller.ref if caller is not None else None)
        self._agenda.changed[run] = None
        if self._budget.open.is_over:
            self._relief.relieve()

    def _take_call(self, key: SpanKey) -> None:
        """Another process goes on under an open span: its record is to come first."""
        run = self._router.of(key)
        if run is not None and run.terminated is None and not run.is_left_out:
            run.has_called = True
            self._handover.keep(run)  # others are to have a part in it
            self._relief.put(run, run.tree.show(key))
            self._agenda.changed[run] = None

    def _take_awaited(self, key: SpanKey) -> None:
        """Somebody is to see an open span now, if the run's filter lets them."""
        run = self._router.of(key)
        if run is not None and run.terminated is None:
            self._relief.put(run, run.tree.show_early(key))
            self._agenda.changed[run] = None

    def _creation_dropped(self, key: str, span: SpanRef) -> None:
        run = self._router.runs.get(key)
        if run is not None and run.has_spans:
            run.tree.creation_dropped(span)

    # -- log records ------------------------------------------------------------------------------

    def _take_logged(self, record: Record) -> None:
        """Something is told of a span apart from it; kept until that ends."""
        key = record.key
        run = self._router.of(key)
        try:
            event = record.read()
            if run is None and self._is_late(key):
                self._counters.unmatch(0 if self._is_heeded(key, event) else 1)
                return
        except Exception as error:
            logger.debug("A log record could not be read: %s", place_of(error))
            self._counters.unmatch(1)
            return
        is_first = key not in self._records
        self._counters.unmatch(self._records.keep(key, event))
        if run is not None and is_first and key in self._records:
            run.tree.hear(key, self._records[key])

    def _is_late(self, key: SpanKey) -> bool:
        """Whether a span that is not known to be open has ended: where no start is seen, it may be
        open all the same."""
        return self._sees_starts or any(
            run.tree.has_ended(key) for run in self._router.with_trace(key.trace_id)
        )

    def _is_heeded(self, key: SpanKey, event: Recorded) -> bool:
        """Whether it judges the run of a span that has ended, as evaluators do: they read what that
        has said."""
        run = self._router.at(key, NOWHERE, None)
        if run is None or not run.tenant.qualities or run.terminated is not None:
            return False
        return self._handover.heed(run, judgements_of(event, key.span_hex, run.tenant.capture))

    def give_up_records(self) -> None:
        """No more spans come: what is left of records is of none."""
        self._records.forget_joined()
        self._counters.unmatch(self._records.forget(list(self._records)))

    # -- ends -------------------------------------------------------------------------------------

    def _take_dropped(self, event: Dropped) -> None:
        """Spans have ended that never came here."""
        now = time.monotonic()
        self._counters.unmatch(self._records.forget(event.keys))
        for key in event.keys:
            run = self._router.of(key)
            if run is not None:
                is_over = run.tree.is_open_root(key) and self._router.ends_with_its_root(run)
                self._router.given_up(key)
                self._relief.put(run, run.tree.drop(key, now))
                if is_over:
                    run.over_since = now
                self._agenda.changed[run] = None
