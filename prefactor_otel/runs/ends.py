"""From spans that have ended to what is sent of them, those of a group together, with what starts
amid them.

Each step is taken by all of a group before the next: to read them, to map and count them, to encode
what is sent, to place it. A span that takes all steps alone finds little in the machine's caches of
what the one before has left there, and takes a quarter longer.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeVar

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.mapping import judgements_in, session_of
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.events import Spans, Started
from prefactor_otel.runs.handover import Handover
from prefactor_otel.runs.records import Records
from prefactor_otel.runs.relief import Relief
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.tree import Met
from prefactor_otel.spans.view import SpanKey, SpanView, ended
from prefactor_otel.stats.counters import INTENDED, Counters, DropReason
from prefactor_otel.stats.log import QuietLog, logger, place_of

S = TypeVar("S")
T = TypeVar("T")

AT_ONCE: Final = 64
"""Ended spans that are accounted for together, at most: those that wait for their parents count
as such only if these do not come soon."""

NOBODY: Final = None, SpanKey(0, 0)


class Ends:
    """The ends of the spans of some runs."""

    def __init__(
        self,
        router: Router,
        handover: Handover,
        relief: Relief,
        records: Records,
        agenda: Agenda,
        budget: Budget,
        outbox: Outbox,
        counters: Counters,
        log: QuietLog,
    ) -> None:
        self._router = router
        self._handover = handover
        self._relief = relief
        self._records = records
        self._agenda = agenda
        self._budget = budget
        self._outbox = outbox
        self._counters = counters
        self._log = log
        self.on_start: Callable[[Started], None] = lambda event: None
        """Told of those that start amid others."""
        self._now = 0.0
        self._receipt: Receipt | None = None
        """Whoever waits for the spans that are being handled."""
        self._amid: tuple[OpenRun | None, SpanKey] = NOBODY
        """The one that is being met, and its run as far as it is known."""
        self._met: list[tuple[OpenRun, Met]] = []
        """Those that are counted, and not in the outbox yet."""
        self._made: list[Item] = []
        """What is to be sent of them, as far as they are placed."""
        self._unaccounted = 0
        """Spans that have ended and are not accounted for."""
        self._touched: dict[OpenRun, None] = {}
        """The runs of these."""

    def take(self, event: Spans[S]) -> None:
        """Spans have ended, or start amid others."""
        self._now, self._receipt = time.monotonic(), event.receipt
        for group in event.groups:
            read: list[SpanView | Started] = self._each(partial(_read, event), group)
            for one in read:
                if isinstance(one, Started):
                    self._start(one)
                else:
                    self._tried(self._meet, one)
            self._place_met()
            self._unaccounted += len(group)
            if self._unaccounted >= AT_ONCE:
                self.account()

    def _start(self, event: Started) -> None:
        if any(not met.tree.parking.knows_starts for _, met in self._met):
            self._place_met()  # what they wait for hangs on that
        self.on_start(event)

    def account(self) -> None:
        """Account for what the last spans that have ended have changed in their runs."""
        for run in self._touched:
            if run.run.key in self._router.runs:  # else it has been closed since
                run.tree.parking.settle()
                self._handover.note(run)
                self._agenda.changed[run] = None
        self._touched.clear()
        self._unaccounted = 0
        if self._records:
            self._records.forget_joined()
        if self._budget.is_strained:
            self._relief.relieve()

    def recover(self) -> None:
        """The thread was struck amid a group: what was made of it is sent, and what has not come so
        far is as if nobody had begun."""
        held = [run.held.items for run, _ in self._met if run.held is not None]
        made = {item.span for items in (self._made, *held) for item in items if item.ends_span}
        amid = [(run, met.view.key) for run, met in self._met]
        for run, key in (*amid, self._amid):
            is_lost = run is not None and run.has_spans and run.tree.ref_of(key) not in made
            if run is not None and is_lost and run.tree.take_back(key):
                self._router.has_not_ended(key, run)
        self._outbox.put(self._outbox.missing(self._made), self._receipt)
        self._amid, self._met, self._made = NOBODY, [], []

    # -- step by step -----------------------------------------------------------------------------

    def _each(self, step: Callable[[S], T | None], things: Iterable[S]) -> list[T]:
        """What a step makes of each, if anything."""
        return [made for thing in things if (made := self._tried(step, thing)) is not None]

    def _tried(self, step: Callable[[S], T | None], thing: S) -> T | None:
        """What a step makes of a span; if it cannot, that is counted as unreadable."""
        try:
            return step(thing)
        except Exception as error:
            self._unreadable(error)
            return None

    def _meet(self, view: SpanView) -> None:
        """Find the run of a span, map it, and let others know of it."""
        if self._records:
            view = self._records.joined(view)
        if (reason := self._relief.cut_off.get(view.key)) is not None:
            self._leave_out(reason)
            return
        session = session_of(view.attributes) if self._router.knows_sessions else None
        self._amid = self._router.of(view.key), view.key
        run = self._router.ended(view, session)
        self._amid = run, view.key
        if run.tenant.resource is None:
            run.tenant.resource = view.resource
        run.touched = self._now
        if run.tasks is not None:
            run.forget_task(view.key)
        if run.terminated is not None and view.start_ns > run.terminated.at_ns:
            self._amid = NOBODY
            self._leave_out(DropReason.RUN_TERMINATED)
            return
        if not run.is_registered:
            self._handover.register_with_first_span(run)
        tree = run.tree
        met = tree.meet(view)
        if met is not None:
            if met.looks_back and self._met:
                self._place_met()
            tree.count(met)
            self._met.append((run, met))
        self._amid = NOBODY
        if run.held is not None:
            run.held.see(view)
        if run.tenant.qualities:
            self._judge(run, view)
        if tree.is_root(view) and self._router.ends_with_its_root(run):
            run.over_since = self._now
        self._touched[run] = None

    def _judge(self, run: OpenRun, view: SpanView) -> None:
        """What evaluators have found is of the run."""
        try:
            found = judgements_in(view, run.tenant.capture)
        except Exception as error:  # the span goes out all the same, and tells it
            logger.debug("A judgement could not be read: %s", place_of(error))
        else:
            self._handover.heed(run, found)

    def _place_met(self) -> None:
        """Encode what is sent of those that are met, and put what need not wait into the outbox."""
        self._each(self._place, self._each(_with_item, self._met))
        self._outbox.put(self._made, self._receipt)
        self._met, self._made = [], []

    def _place(self, one: tuple[OpenRun, Met, Item | None]) -> None:
        run, met, item = one
        if run.held is not None:
            self._handover.hold(run, run.held, met.tree.place(met, item, self._now))
            return
        known = len(self._made)
        self._made += met.tree.place(met, item, self._now)  # in one step: nothing comes in between
        if len(self._made) > known and not run.is_registered:
            self._handover.register(run)

    def _leave_out(self, reason: DropReason) -> None:
        """A span has ended that is not sent."""
        self._counters.drop(reason, 1)
        if self._receipt is not None and reason not in INTENDED:
            self._receipt.lose()

    def _unreadable(self, error: Exception) -> None:
        logger.debug("A span could not be read: %s", place_of(error))
        self._counters.drop(DropReason.UNREADABLE, 1)
        self._counters.trouble(f"a span could not be read: {type(error).__name__}")
        self._log.warn("unreadable", f"A span could not be read ({type(error).__name__})")
        if self._receipt is not None:
            self._receipt.lose()


def _read(event: Spans[S], span: S) -> SpanView | Started | None:
    found = event.read(span)
    return ended(found) if isinstance(found, SpanView) else found


def _with_item(one: tuple[OpenRun, Met]) -> tuple[OpenRun, Met, Item | None]:
    run, met = one
    return run, met, met.tree.item_of(met)
