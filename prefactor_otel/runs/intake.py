"""From events to items: the one funnel between the doors and the outbox. No I/O, no waiting."""

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import FinishStatus, Item, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host import program
from prefactor_otel.host.pace import breathe
from prefactor_otel.host.termination import TerminatedRun
from prefactor_otel.mapping import Capture, session_of
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.early import forget_content
from prefactor_otel.runs.events import (
    Dropped,
    Ended,
    Event,
    Flush,
    Judged,
    RunClosed,
    RunOpened,
    SessionEnded,
    Started,
)
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.run import About, Registrations, Run
from prefactor_otel.runs.schedule import Schedule
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.span_filter import compiled
from prefactor_otel.spans.resource import process_resource
from prefactor_otel.spans.sdk import key_of, view_of
from prefactor_otel.spans.view import Attributes, SpanKey, ended
from prefactor_otel.stats.counters import INTENDED, Counters, DropReason
from prefactor_otel.stats.log import QuietLog, logger, place_of

SEEN_AFTER: Final = 0.5
"""Seconds after which the run of a program that has begun is registered, though it has no span."""

LONGEST_IMPORT: Final = 30.0
"""Seconds after which a program counts as begun though it is importing."""

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""


LINGER: Final = 0.2
"""Seconds of quiet after which a run whose root has ended is closed."""

MAX_LINGER: Final = 10.0
"""Seconds after which an explicit run is closed all the same, with what is still open in it."""

MAX_CUT_OFF: Final = 8_192
"""Spans whose records were closed here and whose own ends are awaited, at most."""


def capture_of(config: Config, log: QuietLog | None = None) -> Capture:
    """What these settings let out of the process; a mask that raises is told to the log."""

    def warn(error: type[BaseException]) -> None:
        if log is not None:
            log.warn("mask", f"A mask raised {error.__name__}: such values are left out")

    return Capture(
        config.capture_inputs,
        config.capture_outputs,
        config.max_input_length,
        config.max_output_length,
        Masking(config.mask, warn) if config.mask else None,
        config.sensitive or (),
    )


class Intake:
    """The spans of one process on their way into the outbox, by runs. One thread owns it."""

    def __init__(
        self,
        config: Config,
        run: Run,
        outbox: Outbox,
        budget: Budget,
        counters: Counters,
        log: QuietLog,
    ) -> None:
        self.resource: Attributes | None = None
        self.idle_runs = 0
        """Runs that were closed because nothing came of them any more."""
        self.has_terminated = False
        """Whether any run was ever terminated: else nobody has to look."""
        self._config = config
        self._capture = capture_of(config, log)
        self.run = run
        """The run of the process, where there is one."""
        self._outbox = outbox
        outbox.on_creation_dropped = self._creation_dropped
        self._budget = budget
        self._counters = counters
        self._log = log
        self._born = time.monotonic()
        self._seen_at = self._born + SEEN_AFTER
        self._children = program.children
        self.has_left = False
        """Whether the run of the process carries on one that the platform has ended."""
        self._to_store: list[Receipt] = []
        self._orphaned = 0
        self._judgements = 0
        self._registrations = Registrations(config, self._capture.mask)
        self._cut_off: OrderedDict[SpanKey, DropReason] = OrderedDict()
        """Open spans whose records have been closed here, and what becomes of their ends."""
        self._types = types_of(config)
        self._span_filter = compiled(config.span_filter, lambda text: log.warn("span_filter", text))
        self._make_tree = self._new_tree  # one method for all runs
        self._schedule: Schedule[OpenRun] = Schedule()
        """When time will have made something due in each run."""
        self._amid: tuple[SpanTree, SpanKey] | None = None
        """The span whose end is being handled, and of which nothing is in the outbox yet."""
        self._router = Router(config.run_scope, self._new_run)
        self._changed: dict[OpenRun, None] = {}
        """Runs in which something has happened since the last time that all was stored."""

    @property
    def is_open(self) -> bool:
        """Whether the run of the process, if there is to be one, is registered."""
        process = self._router.process
        return process is None or process.is_registered or self._waits_for_spans

    @property
    def next_due(self) -> float:
        """When time will have made something due (monotonic seconds), or earlier; ``math.inf`` if
        it never will."""
        registered_by = math.inf if self.is_open else self._seen_at
        self._look_at_changed()
        return min(registered_by, self._schedule.next)

    @property
    def runs(self) -> int:
        """Runs that are open."""
        return len(self._router.runs)

    @property
    def open(self) -> int:
        """Spans that have started and are followed until they end."""
        return self._router.open

    @property
    def orphaned(self) -> int:
        """Spans sent without their parent."""
        return self._orphaned + sum(run.tree.counts.orphaned for run in self._with_spans())

    def has_ended(self, key: SpanKey) -> bool:
        """Whether this span has been taken as ended, or was cut off by the end of its run."""
        return key in self._cut_off or any(run.tree.has_ended(key) for run in self._with_spans())

    def is_done_with(self, key: SpanKey) -> bool:
        """Asked where something struck the thread amid the end of this span: whether it was all
        done. If not, it is as if nobody had begun."""
        amid, self._amid = self._amid, None
        if amid is not None and amid[1] == key:
            amid[0].take_back(key)
        return self.has_ended(key)

    def _with_spans(self) -> list[OpenRun]:
        """The runs in which there have been any. From any thread."""
        return [run for run in list(self._router.runs.values()) if run.has_spans]

    def terminated_at(
        self, parent: SpanKey | None, session: str | None, handle: str | None
    ) -> TerminatedRun | None:
        """The run that a span would start in here, if that was terminated. From any thread."""
        run = self._router.at(parent, session, handle)
        return run.terminated if run is not None else None

    @property
    def has_runs_to_close(self) -> bool:
        """Whether a run is over, and not closed yet. From any thread."""
        return any(_is_to_be_closed(run) for run in list(self._router.runs.values()))

    def open_runs(self) -> list[OpenRun]:
        """The runs that go on: registered, not over, and not terminated."""
        return [run for run in self._router.runs.values() if _goes_on(run)]

    def terminate(self, key: str, instance_id: str, reason: str | None) -> OpenRun | None:
        """A run was stopped on the platform; None when it is over, or that is known."""
        run = self._router.runs.get(key)
        if run is None or not _goes_on(run):
            return None
        run.terminated = TerminatedRun(
            instance_id, time.time_ns(), reason, tuple(run.traces or ()), run.sessions
        )
        self.has_terminated = True
        return run

    def leave(self, key: str) -> bool:
        """The platform has ended a run by itself, as it may one that is silent for long: what comes
        begins another, but for runs that the application has opened. Whether it will."""
        run = self._router.runs.get(key)
        if run is None or not _goes_on(run) or run.handle is not None:
            return False
        if run is self._router.process:
            self.run, self.has_left = Run(), True
        self._router.leave(run)
        run.over_since = time.monotonic()
        self._changed[run] = None
        return True

    def key_of_handle(self, handle: str) -> str | None:
        """The key of an explicit run."""
        run = self._router.of_handle(handle)
        return run.run.key if run is not None else None

    def take(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started):
            self._take_started(event)
        elif isinstance(event, Ended):
            self._take_ended(event)
        elif isinstance(event, Dropped):
            self._take_dropped(event)
        elif isinstance(event, Flush):
            self._take_flush(event.receipt)
        else:
            self._take_about_run(event)

    def store(self) -> None:
        """Let everything taken so far outlive the process, where there is a spool, and tell
        those who wait for that."""
        self._look_at_changed()
        if self._config.spool_dir is not None:
            changed = [run for run in self._changed if run.has_spans]
            self._outbox.park([row for run in changed for row in run.tree.parking.news()])
            self._outbox.unpark([key for run in changed for key in run.tree.parking.gone()])
        self._changed.clear()
        self._outbox.commit()
        on_disk = self._outbox.is_durable
        for receipt in self._to_store:
            receipt.keep(on_disk=on_disk)
        if self._to_store and on_disk:
            breathe()  # for whoever was waiting for this
        self._to_store.clear()

    def take_due(self) -> None:
        """Handle what the time has made due: registrations, early creations, children that have
        waited long enough, runs that are over."""
        self._open_process()
        self._look_at_changed()
        now = time.monotonic()
        for run in self._schedule.take_due(now):
            self._put(run, run.tree.due(now))
            if self._closes_by(run) <= now:
                self._close_late(run)
            else:
                self._changed[run] = None

    def close_runs(self, status: FinishStatus | None) -> None:
        """Close every run: that of the process with this status, if any, the others by theirs."""
        self._open_process(at_once=True)
        for run in list(self._router.runs.values()):
            if run is self._router.process:
                run.status = status or run.status
            self._close(run)

    # -- runs ---------------------------------------------------------------------------------

    def _new_run(self, about: About, handle: str | None) -> OpenRun:
        config = self._config
        key = self.run.key
        if handle is not None:  # of this process: a forked child has a run of its own for it
            key = hashlib.blake2b(f"{key}{handle}".encode(), digest_size=16).hexdigest()
        elif config.run_scope != "provider":
            key = secrets.token_hex(16)
        run = self.run if key == self.run.key else Run(key)
        now = time.monotonic()
        opened = OpenRun(run, self._make_tree, about, opened=now, touched=now)
        if handle is None:
            self._schedule.look_by(opened, now + config.run_idle_timeout)
        return opened

    def _new_tree(self, run: str) -> SpanTree:
        config = self._config
        return SpanTree(
            run=run,
            capture=self._capture,
            max_item_bytes=max(
                config.max_request_bytes - REQUEST_OVERHEAD, config.max_request_bytes // 2
            ),
            parent_timeout=config.parent_timeout,
            notes_parked=config.spool_dir is not None,
            span_filter=self._span_filter,
            types=self._types,
            budget=self._budget,
        )

    def _open_process(self, *, at_once: bool = False) -> None:
        """Register the run of the process before its first span, so that it is seen from the start:
        when the program has begun, but not where that is to make other processes."""
        process = self._router.process
        if process is None or process.is_registered or self._waits_for_spans:
            return
        now = time.monotonic()
        if now < self._seen_at and not at_once:
            return
        if not at_once and now < self._born + LONGEST_IMPORT and program.is_importing():
            self._seen_at = now + SEEN_AFTER
        else:
            self._register(process)

    @property
    def _waits_for_spans(self) -> bool:
        """Whether the run of the process begins with its first span only: it carries another one
        on, or this process has made others. One that does so before it has any span leaves the
        work to them: it is the master of a server, or of a pool."""
        return self.has_left or program.children != self._children

    def _register(self, run: OpenRun) -> None:
        if run.is_registered:
            return
        registration = self._registrations.of(run.about, self._known_resource)
        self._outbox.put(run.run.opening(registration))
        run.is_registered = True  # not before: an opening twice is one to the API

    def _known_resource(self) -> Attributes:
        return self.resource if self.resource is not None else process_resource()

    def _look_at_changed(self) -> None:
        """What has happened in a run may let time make something due sooner."""
        for run in self._changed:
            due = run.tree.next_due if run.has_spans else math.inf
            if run is not self._router.process:
                due = min(due, self._closes_by(run))
            self._schedule.look_by(run, due)

    def _closes_by(self, run: OpenRun) -> float:
        """When a run is closed if nothing more comes of it. One that is over is closed soon; one
        that is not, or in which something is open, when nothing is to be expected any more."""
        if _is_to_be_closed(run):
            return run.touched + LINGER
        if run.handle is not None:
            return math.inf if run.over_since is None else run.over_since + MAX_LINGER
        if (
            self._config.run_scope == "provider"
        ):  # also one that is left, while spans of it are open
            return math.inf
        return run.touched + self._config.run_idle_timeout

    def _close_late(self, run: OpenRun) -> None:
        """Close a run whose time has come; one that was not over is idle."""
        if run.handle is None and (run.over_since is None or run.is_busy):
            self.idle_runs += 1
            run.status = run.status or ("complete" if run.sessions else "cancelled")
        self._close(run)

    def _close(self, run: OpenRun) -> None:
        """Close what is open, then the run itself; without a status, by its root spans."""
        moment = time.time_ns()
        keys = run.tree.open_keys()
        items = run.tree.close(moment)
        counts = run.tree.counts
        self._put(run, items)
        if run is not self._router.process and (
            self._span_filter is None or run.handle is not None
        ):
            self._register(run)
        if run.is_registered:  # else nothing in it was to be sent or done, and it is none
            self._outbox.put([run.run.closing(run.status or counts.status, moment)])
        self._orphaned += counts.orphaned
        self._router.closed(run, keys)
        for key in keys:
            self._note_cut_off(key, DropReason.DUPLICATE)
        self._outbox.unpark(run.tree.parking.gone())
        run.tree.leave()
        self._schedule.forget(run)
        self._changed.pop(run, None)

    def _note_cut_off(self, key: SpanKey, reason: DropReason) -> None:
        self._cut_off[key] = reason
        if len(self._cut_off) > MAX_CUT_OFF:
            self._cut_off.popitem(last=False)

    # -- spans --------------------------------------------------------------------------------

    def _take_started(self, event: Started) -> None:
        span = event.span
        if self.resource is None:
            self.resource = span.resource.attributes
        context, parent = span.get_span_context(), span.parent
        if context is None or not context.trace_flags.sampled:
            return
        key = key_of(context)
        above = key_of(parent) if parent is not None and not parent.is_remote else None
        session = event.session
        if session is None and self._router.knows_sessions:
            session = session_of(span.attributes or {})
        run = self._router.started(key, above, session, event.handle)
        run.touched = event.at
        if run.terminated is not None:
            return  # if it ends, it is counted
        if event.task is not None:
            run.note_task(key, event.task)
        if not run.is_registered:
            self._register_with_first_span(run)
        run.tree.start(key, above, span, event.at)
        self._changed[run] = None
        if self._budget.open.is_over:
            self._relieve()

    def _register_with_first_span(self, run: OpenRun) -> None:
        if run is self._router.process or self._span_filter is None:
            self._register(run)

    def _creation_dropped(self, key: str, span: SpanRef) -> None:
        run = self._router.runs.get(key)
        if run is not None and run.has_spans:
            run.tree.creation_dropped(span)

    def _relieve(self) -> None:
        """Give up the oldest of whatever exceeds its share."""
        budget = self._budget
        while budget.parked.is_over:
            run = self._router.runs[budget.parked.owner_of_oldest]
            self._hand_over(run, run.tree.give_up_parked())
            self._changed[run] = None
        while budget.shown.is_over:
            forget_content(budget)
        if budget.open.is_over:
            self._give_up_open()
        if budget.remembered.is_over:
            self._forget()
        self._outbox.make_room()

    def _give_up_open(self) -> None:
        for run in self._idlest_first():
            if not self._budget.open.is_near:
                return
            for key, items in run.tree.give_up_open(time.time_ns()):
                self._router.given_up(key)
                run.forget_task(key)
                if items:
                    self._note_cut_off(key, DropReason.GIVEN_UP)
                    self._log.warn(
                        DropReason.GIVEN_UP.value,
                        f"More than {self._budget.open.max_items} spans are open: the oldest are "
                        "closed as cancelled, and what they end with is not sent",
                    )
                self._hand_over(run, items)
                if not self._budget.open.is_near:
                    break
            self._changed[run] = None

    def _forget(self) -> None:
        for run in self._idlest_first():
            if not self._budget.remembered.is_near:
                return
            run.tree.forget()

    def _idlest_first(self) -> list[OpenRun]:
        return sorted(self._with_spans(), key=lambda run: run.touched)

    def _put(self, run: OpenRun, items: list[Item]) -> None:
        self._hand_over(run, items)
        if self._budget.is_strained:
            self._relieve()

    def _hand_over(self, run: OpenRun, items: list[Item]) -> None:
        closed = run.tree.counts.cancelled + run.tree.counts.rescued
        self._counters.accept(closed - run.closed)
        run.closed = closed
        self._note_filtered(run, items)
        self._outbox.put(items)

    def _note_filtered(self, run: OpenRun, items: list[Item]) -> None:
        """Count what was left out of a run, and register it with the first span that was not."""
        if self._span_filter is None:
            return
        filtered = run.tree.counts.filtered
        self._counters.drop(DropReason.FILTERED, filtered - run.filtered)
        run.filtered = filtered
        if (items or run.tree.parking) and run is not self._router.process:
            self._register(run)

    def _take_ended(self, event: Ended) -> None:
        now = time.monotonic()
        for span in event.spans:
            items = self._items_of(span, now, event.receipt)
            self._amid = None
            self._outbox.put(items, event.receipt)
            if self._budget.is_strained:
                self._relieve()
        if event.receipt is not None and event.is_last:
            event.receipt.seal()
            self._to_store.append(event.receipt)

    def _items_of(self, span: ReadableSpan, now: float, receipt: Receipt | None) -> list[Item]:
        try:
            if self.resource is None:
                self.resource = span.resource.attributes
            view = ended(view_of(span))
            if view.key in self._cut_off:
                return self._leave_out(self._cut_off[view.key], receipt)
            session = session_of(view.attributes) if self._router.knows_sessions else None
            run = self._router.ended(view.key, is_root=view.is_local_root, session=session)
            run.touched = now
            run.forget_task(view.key)
            if run.terminated is not None and view.start_ns > run.terminated.at_ns:
                return self._leave_out(DropReason.RUN_TERMINATED, receipt)
            if not run.is_registered:
                self._register_with_first_span(run)
            duplicates = run.tree.counts.duplicates
            self._amid = run.tree, view.key
            items = run.tree.end(view, now)
            self._note_filtered(run, items)
        except Exception as error:
            self._unreadable(error, receipt)
            return []
        if run.tree.counts.duplicates != duplicates:
            self._counters.drop(DropReason.DUPLICATE, run.tree.counts.duplicates - duplicates)
        if view.is_local_root and self._router.ends_with_its_root(run):
            run.over_since = now
        self._changed[run] = None
        return items

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
        for key in event.keys:
            run = self._router.of(key)
            if run is not None:
                now = time.monotonic()
                is_over = run.tree.is_open_root(key) and self._router.ends_with_its_root(run)
                self._router.ended(key, is_root=False, session=None)
                self._put(run, run.tree.drop(key, now))
                if is_over:
                    run.over_since = now
                self._changed[run] = None

    def _take_flush(self, receipt: Receipt) -> None:
        self.take_due()
        for run in list(self._router.runs.values()):
            if _is_to_be_closed(run):
                self._close(run)  # who waits for it knows that nothing more is to come
            elif run.has_spans and run.tree.parking:
                self._put(run, run.tree.flush())
                self._changed[run] = None
        self._outbox.watch(receipt)
        if self._budget.parked.items and not self._outbox.is_durable:
            receipt.lose()  # these wait for their parents, which nobody can hurry
        receipt.seal()
        self._to_store.append(receipt)

    # -- explicit runs ------------------------------------------------------------------------

    def _take_about_run(self, event: RunOpened | RunClosed | SessionEnded | Judged) -> None:
        if isinstance(event, RunOpened):
            run = self._router.opened(event.handle, event.about)
            if event.task is not None:
                run.note_task(None, event.task)
            self._register(run)
        elif isinstance(event, Judged):
            self._judge(event)
        elif isinstance(event, RunClosed):
            self._is_to_end(self._router.of_handle(event.handle), event.status)
        else:
            self._is_to_end(self._router.of_session(event.session), None)

    def _is_to_end(self, run: OpenRun | None, status: FinishStatus | None) -> None:
        if run is not None:
            run.over_since = time.monotonic()
            run.forget_task(None)
            run.status = status or run.status
            self._changed[run] = None

    def _judge(self, event: Judged) -> None:
        router = self._router
        run = router.of_handle(event.handle) if event.handle is not None else router.process
        if run is None:
            self._log.warn("quality", "A judgement came after the end of its run and is not sent")
            return
        self._register(run)
        self._judgements += 1
        mask, payload = self._capture.mask, event.payload
        if mask is not None and payload is not None:
            payload = mask.fields("quality", payload, set())
        self._outbox.put([run.run.quality(event.name, payload, self._judgements)])


def _goes_on(run: OpenRun) -> bool:
    """Whether a run is registered, not over, and not terminated."""
    return run.is_registered and run.over_since is None and run.terminated is None


def _is_to_be_closed(run: OpenRun) -> bool:
    """Whether a run is over, and nothing in it is open any more."""
    return run.over_since is not None and not run.is_busy
