"""From events to items: the one funnel between the doors and the outbox. No I/O, no waiting."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.pace import breathe
from prefactor_otel.mapping import session_of
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.events import Awaited, Calls, Dropped, Ended, Event, Flush, Logged, Started
from prefactor_otel.runs.handover import Handover
from prefactor_otel.runs.lives import Lives
from prefactor_otel.runs.making import RunMaker
from prefactor_otel.runs.records import Records
from prefactor_otel.runs.relief import Relief
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.source import Record
from prefactor_otel.spans.view import SpanKey, SpanView, ended
from prefactor_otel.stats.counters import INTENDED, Counters, DropReason
from prefactor_otel.stats.log import QuietLog, logger, place_of

S = TypeVar("S")

AT_ONCE: Final = 64
"""Ended spans that are accounted for together, at most: those that wait for their parents count
as such only if these do not come soon."""


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
        maker = RunMaker(tenants, run, budget, self._agenda)
        self._router = Router(tenants.own.config.run_scope, tenants, maker)
        self._handover = Handover(self._router, outbox, counters)
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
        self._met = 0
        """Spans that have ended and are not accounted for."""
        self._touched: dict[OpenRun, None] = {}
        """The runs of these."""
        self._amid: tuple[SpanTree, SpanKey] | None = None
        """The span whose end is being handled, and of which nothing is in the outbox yet."""

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
        amid, self._amid = self._amid, None
        if amid is not None and amid[1] == key:
            amid[0].take_back(key)
        return self.has_ended(key)

    # -- what happens -----------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started):
            self._take_started(event)
        elif isinstance(event, Ended):
            self._take_ended(event)
        elif isinstance(event, Dropped):
            self._take_dropped(event)
        elif isinstance(event, Logged):
            self._take_logged(event.record)
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
        self._account()
        self._handover.store(self._agenda.changed)
        self._agenda.is_stored()
        on_disk = self._outbox.is_durable
        for receipt in self._to_store:
            receipt.keep(on_disk=on_disk)
        if self._to_store and on_disk:
            breathe()  # for whoever was waiting for this
        self._to_store.clear()

    def _take_flush(self, receipt: Receipt) -> None:
        self._account()
        self.lives.take_due()
        self.lives.flush()
        self._outbox.watch(receipt)
        if self._budget.parked.items and not self._outbox.is_durable:
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
        if run is not None and run.terminated is None:
            run.has_called = True
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
        if run is None and self._is_late(key):
            self._counters.unmatch(1)
            return
        try:
            event = record.read()
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

    def give_up_records(self) -> None:
        """No more spans come: what is left of records is of none."""
        self._records.forget_joined()
        self._counters.unmatch(self._records.forget(list(self._records)))

    # -- ends -------------------------------------------------------------------------------------

    def _take_ended(self, event: Ended[S]) -> None:
        now = time.monotonic()
        for span in event.spans:
            items = self._items_of(span, event.read, now, event.receipt)
            self._amid = None
            if items:
                self._outbox.put(items, event.receipt)
            self._met += 1
            if self._met >= AT_ONCE:
                self._account()
        if event.receipt is not None and event.is_last:
            event.receipt.seal()
            self._to_store.append(event.receipt)

    def _items_of(
        self, span: S, read: Callable[[S], SpanView], now: float, receipt: Receipt | None
    ) -> list[Item]:
        try:
            view = ended(read(span))
            if self._records:
                view = self._records.joined(view)
            if (reason := self._relief.cut_off.get(view.key)) is not None:
                return self._leave_out(reason, receipt)
            session = session_of(view.attributes) if self._router.knows_sessions else None
            run = self._router.ended(view, session)
            if run.tenant.resource is None:
                run.tenant.resource = view.resource
            run.touched = now
            if run.tasks is not None:
                run.forget_task(view.key)
            if run.terminated is not None and view.start_ns > run.terminated.at_ns:
                return self._leave_out(DropReason.RUN_TERMINATED, receipt)
            if not run.is_registered:
                self._handover.register_with_first_span(run)
            tree = run.tree
            self._amid = tree, view.key
            items = tree.end(view, now)
            if items and not run.is_registered:
                self._handover.register(run)
        except Exception as error:
            self._unreadable(error, receipt)
            return []
        if tree.is_root(view) and self._router.ends_with_its_root(run):
            run.over_since = now
        self._touched[run] = None
        return items

    def _account(self) -> None:
        """Account for what the last spans that have ended have changed in their runs."""
        for run in self._touched:
            if run.run.key in self._router.runs:  # else it has been closed since
                run.tree.parking.settle()
                self._handover.note(run)
                self._agenda.changed[run] = None
        self._touched.clear()
        self._met = 0
        if self._records:
            self._records.forget_joined()
        if self._budget.is_strained:
            self._relief.relieve()

    def _leave_out(self, reason: DropReason, receipt: Receipt | None) -> list[Item]:
        """A span has ended that is not sent."""
        self._counters.drop(reason, 1)
        if receipt is not None and reason not in INTENDED:
            receipt.lose()
        return []

    def _unreadable(self, error: Exception, receipt: Receipt | None) -> None:
        logger.debug("A span could not be read: %s", place_of(error))
        self._counters.drop(DropReason.UNREADABLE, 1)
        self._counters.trouble(f"a span could not be read: {type(error).__name__}")
        self._log.warn("unreadable", f"A span could not be read ({type(error).__name__})")
        if receipt is not None:
            receipt.lose()

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
