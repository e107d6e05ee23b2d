"""What goes when the spans of a process take more than they may: the oldest of each kind."""

import time
from collections import OrderedDict
from typing import Final

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.handover import Handover
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.showing import forget_content
from prefactor_otel.spans.view import SpanKey
from prefactor_otel.stats.counters import DropReason
from prefactor_otel.stats.log import QuietLog

MAX_CUT_OFF: Final = 8_192
"""Spans whose records were closed here and whose own ends are awaited, at most."""


class CutOff(OrderedDict[SpanKey, DropReason]):
    """Spans that were open when their records were closed here, and why their own ends are not
    sent: the latest of them."""

    def note(self, key: SpanKey, reason: DropReason) -> None:
        """The record of an open span is closed."""
        self[key] = reason
        if len(self) > MAX_CUT_OFF:
            self.popitem(last=False)


class Relief:
    """Keeps the runs of a process within its budget."""

    def __init__(
        self,
        budget: Budget,
        router: Router,
        agenda: Agenda,
        handover: Handover,
        outbox: Outbox,
        log: QuietLog,
    ) -> None:
        self.cut_off = CutOff()
        self._budget = budget
        self._router = router
        self._agenda = agenda
        self._handover = handover
        self._outbox = outbox
        self._log = log

    def put(self, run: OpenRun, items: list[Item]) -> None:
        """Hand over what a run's tree has made by its own doing, and give up what is too much."""
        self._handover.put(run, items)
        if self._budget.is_strained:
            self.relieve()

    def relieve(self) -> None:
        """Give up the oldest of whatever exceeds its share."""
        budget = self._budget
        while budget.parked.is_over:
            run = self._router.runs[budget.parked.owner_of_oldest]
            if budget.parked.oldest is run.held:
                self._keep_early(run)
            else:
                self._handover.put(run, run.tree.give_up_parked())
            self._agenda.changed[run] = None
        while budget.shown.is_over:
            forget_content(budget)
        if budget.open.is_over:
            self._give_up_open()
        if budget.remembered.is_over:
            self._forget()
        self._outbox.make_room()

    def _keep_early(self, run: OpenRun) -> None:
        self._log.warn(
            "kept_early",
            "More of runs that go on is held back (keep) than max_queue_bytes lets: the oldest of "
            "them are kept, whatever becomes of them",
        )
        self._handover.keep(run)

    def _give_up_open(self) -> None:
        for run in self._idlest_first():
            if not self._budget.open.is_near:
                return
            for key, items in run.tree.give_up_open(time.time_ns()):
                self._router.given_up(key)
                run.forget_task(key)
                if items:
                    self.cut_off.note(key, DropReason.GIVEN_UP)
                    self._log.warn(
                        DropReason.GIVEN_UP.value,
                        f"More than {self._budget.open.max_items} spans are open: the oldest are "
                        "closed as cancelled, and what they end with is not sent",
                    )
                self._handover.put(run, items)
                if not self._budget.open.is_near:
                    break
            self._agenda.changed[run] = None

    def _forget(self) -> None:
        for run in self._idlest_first():
            if not self._budget.remembered.is_near:
                return
            run.tree.forget()

    def _idlest_first(self) -> list[OpenRun]:
        return sorted(self._router.with_spans(), key=lambda run: run.touched)
