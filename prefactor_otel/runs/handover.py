"""From the runs of a process into its outbox: each is registered before anything of it, and what
its tree has ended or left out is counted."""

from collections.abc import Iterable

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.run import Registrations
from prefactor_otel.span_types.span_filter import CompiledFilter
from prefactor_otel.spans.resource import process_resource
from prefactor_otel.spans.view import Attributes
from prefactor_otel.stats.counters import Counters, DropReason


class Handover:
    """The way of all runs into the outbox."""

    def __init__(
        self,
        config: Config,
        mask: Masking | None,
        span_filter: CompiledFilter | None,
        router: Router,
        outbox: Outbox,
        counters: Counters,
    ) -> None:
        self.resource: Attributes | None = None
        """What describes the process, as soon as it is known."""
        self._mask = mask
        self._filters = span_filter is not None
        self._spools = config.spool_dir is not None
        self._registrations = Registrations(config, mask)
        self._router = router
        self._outbox = outbox
        self._counters = counters
        self._judgements = 0

    def register(self, run: OpenRun) -> None:
        """Let a run be known to the platform, if it is not."""
        if run.is_registered:
            return
        registration = self._registrations.of(run.about, self._known_resource)
        self._outbox.put(run.run.opening(registration))
        run.is_registered = True  # not before: an opening twice is one to the API

    def _known_resource(self) -> Attributes:
        return self.resource if self.resource is not None else process_resource()

    def register_with_first_span(self, run: OpenRun) -> None:
        """The same at a run's first span, unless that may be filtered out."""
        if run is self._router.process or not self._filters:
            self.register(run)

    def put(self, run: OpenRun, items: list[Item]) -> None:
        """What its tree has made by its own doing goes into the outbox."""
        closed = run.tree.counts.cancelled + run.tree.counts.rescued
        self._counters.accept(closed - run.closed)
        run.closed = closed
        self.note(run)
        if items:
            self.register(run)
            self._outbox.put(items)

    def note(self, run: OpenRun) -> None:
        """Count which of its spans have come twice, or were not to be sent; one in which something
        waits is registered."""
        tree, drop = run.tree, self._counters.drop
        if tree.counts.duplicates != run.duplicates:
            drop(DropReason.DUPLICATE, tree.counts.duplicates - run.duplicates)
            run.duplicates = tree.counts.duplicates
        if tree.counts.filtered != run.filtered:
            drop(DropReason.FILTERED, tree.counts.filtered - run.filtered)
            run.filtered = tree.counts.filtered
        if not run.is_registered and tree.parking:
            self.register(run)

    def judge(self, run: OpenRun, name: str, payload: dict[str, object] | None) -> None:
        """Somebody has judged a run; None takes it back."""
        self.register(run)
        self._judgements += 1
        if self._mask is not None and payload is not None:
            payload = self._mask.fields("quality", payload, set())
        self._outbox.put([run.run.quality(name, payload, self._judgements)])

    def close(self, run: OpenRun, moment: int) -> None:
        """A run has ended (nanoseconds since the epoch); without a status, by its root spans. One
        of which nothing was sent is none, if that may be its filter's doing, or if it is that of a
        process which has left the work to others."""
        is_one = run.handle is not None or not self._filters
        if is_one and run is not self._router.process:
            self.register(run)
        if run.is_registered:
            status = run.status or run.tree.counts.status
            self._outbox.put([run.run.closing(status, moment)])
        self._outbox.unpark(run.tree.parking.gone())

    def store(self, changed: Iterable[OpenRun]) -> None:
        """Let what waits in these runs, and all that was put in, outlive the process, where there
        is a spool."""
        if self._spools:
            parkings = [run.tree.parking for run in changed if run.has_spans]
            self._outbox.park([row for parking in parkings for row in parking.news()])
            self._outbox.unpark([key for parking in parkings for key in parking.gone()])
        self._outbox.commit()
