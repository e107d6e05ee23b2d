"""From the runs of a process into its outbox: each is registered before anything of it, and what
its tree has ended or left out is counted. What is held back waits here."""

import time
from collections.abc import Iterable

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.runs.keeping import Held
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.stats.counters import Counters, DropReason


class Handover:
    """The way of all runs into the outbox."""

    def __init__(self, router: Router, outbox: Outbox, budget: Budget, counters: Counters) -> None:
        self.held_runs = 0
        """Runs of which something is held back until their end says whether they are kept."""
        self.held_spans = 0
        """Spans that have ended in these."""
        self._router = router
        self._outbox = outbox
        self._budget = budget
        self._counters = counters
        self._judgements = 0

    def register(self, run: OpenRun) -> None:
        """Let a run be known to the platform, if it is not and is to be."""
        if run.is_registered or not run.is_sent:
            return
        registration = run.tenant.registration(run.about, run.resource)
        self._outbox.put(run.run.opening(registration, run.continues))
        run.is_registered = True  # not before: an opening twice is one to the API

    def register_with_first_span(self, run: OpenRun) -> None:
        """The same at a run's first span, unless that may be filtered out."""
        if run is self._router.process or run.tenant.span_filter is None:
            self.register(run)

    def put(self, run: OpenRun, items: list[Item]) -> None:
        """What its tree has made by its own doing goes into the outbox."""
        tree = run.tree
        closed = tree.counts.cancelled + tree.counts.rescued
        self._counters.accept(closed - run.closed)
        run.closed = closed
        self.note(run)
        if items:
            self._send(run, items)
        is_over = tree.counts.uncalled and not tree.parking and run.over_since is None
        if is_over and self._router.ends_with_its_root(run):
            run.over_since = time.monotonic()

    def _send(self, run: OpenRun, items: list[Item]) -> None:
        if self._goes(run, items):
            self._outbox.put(items)

    def _goes(self, run: OpenRun, items: list[Item]) -> bool:
        """Whether what has come of a run, which is registered then, is to go: else it is held back
        or nobody wants it."""
        if run.held is not None:
            self.hold(run, run.held, items)
            return False
        if not run.is_left_out:
            self.register(run)
        return not run.is_left_out

    def note(self, run: OpenRun) -> None:
        """Count which of its spans have come twice, or were not to be sent; one in which something
        waits is registered."""
        tree, drop = run.tree, self._counters.drop
        if tree.counts.duplicates != run.duplicates:
            drop(DropReason.DUPLICATE, tree.counts.duplicates - run.duplicates)
            run.duplicates = tree.counts.duplicates
        if tree.counts.filtered != run.filtered:
            reason = DropReason.NOT_KEPT if run.is_left_out else DropReason.FILTERED
            drop(reason, tree.counts.filtered - run.filtered)
            run.filtered = tree.counts.filtered
        if not run.is_registered and tree.parking:
            self.register(run)

    def judge(self, run: OpenRun, name: str, payload: dict[str, object] | None) -> None:
        """Somebody has judged a run; None takes it back. Of one that is not kept it is not sent."""
        self._judgements += 1
        mask = run.tenant.capture.mask
        if mask is not None and payload is not None:
            payload = mask.fields("quality", payload, set())
        judgement = run.run.quality(name, payload, self._judgements)
        if self._goes(run, [judgement]):
            self._outbox.judge(judgement)

    def heed(self, run: OpenRun, found: Iterable[tuple[str, dict[str, object]]]) -> bool:
        """Evaluators have judged a run; whether under any name that it has declared."""
        declared = [(name, payload) for name, payload in found if name in run.tenant.qualities]
        for name, payload in declared:
            self.judge(run, name, payload)
        return bool(declared)

    def close(self, run: OpenRun, moment: int) -> None:
        """A run has ended (nanoseconds since the epoch); without a status, by its root spans. One
        of which nothing was sent is none, if that may be its filter's doing, or if it is that of a
        process which has left the work to others; so is one that is not kept."""
        if run.held is not None:
            self._decide(run, run.held, moment)
        is_one = run.handle is not None or run.tenant.span_filter is None
        if is_one and run is not self._router.process:
            self.register(run)
        if run.is_registered:
            status = run.status or run.tree.counts.status
            self._outbox.put([run.run.closing(status, moment)])
        self._outbox.unpark(run.tree.parking.gone())

    # -- what is held back ------------------------------------------------------------------------

    def hold(self, run: OpenRun, held: Held, items: list[Item]) -> None:
        """Hold back what has come of a run until its end says whether it is kept."""
        if held.items:
            self.held_spans += held.add(items)
            self._budget.parked.resize(held, held.size)
        elif items:
            self.held_runs += 1
            self.held_spans += held.add(items)
            self._budget.parked.hold(held, held.size, run.run.key)

    def keep(self, run: OpenRun) -> None:
        """A run is kept: what was held back of it goes, and what comes of it from now on."""
        if run.held is not None:
            items = self._let_go(run, run.held)
            if items:
                self._send(run, items)

    def _decide(self, run: OpenRun, held: Held, moment: int) -> None:
        """A run has ended."""
        if run.handle is not None:
            held.took(run.run.started_ns, moment)
        if held.is_kept or run.status == "failed":
            self.keep(run)
        else:
            self._let_go(run, held)
            run.is_left_out = True
            self._counters.drop(DropReason.NOT_KEPT, held.spans)

    def _let_go(self, run: OpenRun, held: Held) -> list[Item]:
        run.held = None
        self._budget.parked.release(held)
        self.held_runs -= bool(held.items)
        self.held_spans -= held.spans
        return held.items

    def store(self, changed: Iterable[OpenRun]) -> None:
        """Let what waits in these runs, and all that was put in, outlive the process, where there
        is a spool."""
        parkings = [run.tree.parking for run in changed if run.has_spans and run.tenant.spools]
        self._outbox.park([row for parking in parkings for row in parking.news()])
        self._outbox.unpark([key for parking in parkings for key in parking.gone()])
        self._outbox.commit()
