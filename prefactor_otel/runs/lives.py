"""The lives of the runs of a process: when each is registered, left, stopped and closed."""

import math
import time
from typing import Final

from prefactor_otel.delivery.operation import FinishStatus, SpanRef, name_of
from prefactor_otel.host import program
from prefactor_otel.host.termination import TerminatedRun
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.events import NOWHERE, Judged, Place, RunClosed, RunOpened, SessionEnded
from prefactor_otel.runs.handover import Handover
from prefactor_otel.runs.making import RunMaker
from prefactor_otel.runs.relief import Relief
from prefactor_otel.runs.router import OpenRun, Router
from prefactor_otel.runs.run import Run
from prefactor_otel.spans.source import Source, Telling
from prefactor_otel.spans.view import SpanKey, key_of
from prefactor_otel.stats.counters import DropReason
from prefactor_otel.stats.log import QuietLog

SEEN_AFTER: Final = 0.5
"""Seconds after which the run of a program that has begun is registered, though it has no span."""

LONGEST_IMPORT: Final = 30.0
"""Seconds after which a program counts as begun though it is importing."""


class Lives:
    """What becomes of the runs of one process, by what is told of them and by time."""

    def __init__(
        self,
        maker: RunMaker,
        router: Router,
        agenda: Agenda,
        handover: Handover,
        relief: Relief,
        log: QuietLog,
    ) -> None:
        self.idle_runs = 0
        """Runs that were closed because nothing came of them any more."""
        self.has_terminated = False
        """Whether any run was ever terminated: else nobody has to look."""
        self.has_left = False
        """Whether the run of the process carries on one that the platform has ended."""
        self._maker = maker
        self._router = router
        self._agenda = agenda
        self._handover = handover
        self._relief = relief
        self._log = log
        self._born = time.monotonic()
        self._seen_at = self._born + SEEN_AFTER
        self._children = program.children
        self._orphaned = 0
        self._may_be_called = maker.may_be_called

    # -- what is asked, from any thread -----------------------------------------------------------

    @property
    def process_key(self) -> str:
        """The key of the run of the process, where there is one."""
        return self._maker.run.key

    @property
    def open(self) -> int:
        """Runs that are open."""
        return len(self._router.runs)

    @property
    def orphaned(self) -> int:
        """Spans sent without their parent."""
        return self._orphaned + sum(run.tree.counts.orphaned for run in self._router.with_spans())

    @property
    def has_any_to_close(self) -> bool:
        """Whether a run is over, and not closed yet."""
        return any(run.is_to_be_closed for run in list(self._router.runs.values()))

    def stoppable(self) -> list[OpenRun]:
        """The runs of which more may come that a stop would hold back."""
        return [run for run in self._router.runs.values() if run.may_be_stopped]

    def key_of_handle(self, handle: str) -> str:
        """The key of an explicit run, also of one that has been closed. From any thread."""
        run = self._router.of_handle(handle)
        return run.run.key if run is not None else self._maker.key_of_handle(handle)

    def key_at(self, source: Source, place: Place) -> str | None:
        """The key of the run of an open span, which may be on its way here; None where that cannot
        be told yet, or is not kept."""
        maker, run = self._maker, self._router.of(source.key)
        if place.handle is not None:
            run = self._router.of_handle(place.handle)
            key = maker.key_of_handle(place.handle)
            return key if run is None and maker.may_send(key) else _key_to_tell(run)
        if run is None and place.caller is not None:
            return maker.key_of_caller(place.caller.run)
        run = run or self._router.at(source.key, place, source)
        is_known = run is not None or not maker.may_send(source.key.trace_hex)
        return _key_to_tell(run) if is_known else place.begins

    def terminated_at(
        self, parent: SpanKey | None, place: Place, first: Telling | None
    ) -> TerminatedRun | None:
        """The run that a span would start in here, if that was terminated."""
        run = self._router.at(parent, place, first)
        return run.terminated if run is not None else None

    # -- what another process has begun, asked on the worker's thread ------------------------------

    def names(self) -> set[str]:
        """What all who have a part in them call the runs that are open."""
        return {name_of(run) for run in self._router.runs}

    def ref_of(self, run: str, span: str) -> SpanRef | None:
        """What a span is called that has a record in what is open here of the same run: one named
        by its trace id and span id in hexadecimal, with a colon between."""
        key = key_of(span)
        found = self._router.at(key, NOWHERE, None)
        if found is None or not found.has_spans or name_of(found.run.key) != name_of(run):
            return None
        return found.tree.ref_of(key)

    # -- the run of the process -------------------------------------------------------------------

    @property
    def is_process_open(self) -> bool:
        """Whether the run of the process, if there is to be one, is registered."""
        process = self._router.process
        return (
            process is None
            or process.is_registered
            or not process.is_sent
            or process.tenant.is_to_be_described
            or self._waits_for_spans
        )

    @property
    def is_process_sent(self) -> bool:
        """Whether the run of the process goes to the platform, as far as that is known."""
        process = self._router.process
        return process is None or process.is_sent

    @property
    def _waits_for_spans(self) -> bool:
        """Whether the run of the process begins with its first span only: it carries another one
        on, it may do no more than go on with those of other processes, or this process has made
        others. One that does so before it has any span leaves the work to them: it is the master of
        a server, or of a pool."""
        return self.has_left or self._may_be_called or program.children != self._children

    def _open_process(self, *, at_once: bool = False) -> None:
        """Register the run of the process before its first span, so that it is seen from the start:
        when the program has begun, but not where that is to make other processes."""
        process = self._router.process
        if process is None or self.is_process_open:
            return
        now = time.monotonic()
        if now < self._seen_at and not at_once:
            return
        if not at_once and now < self._born + LONGEST_IMPORT and program.is_importing():
            self._seen_at = now + SEEN_AFTER
        else:
            self._handover.register(process)

    # -- what the platform has done ---------------------------------------------------------------

    def terminate(self, key: str, instance_id: str, reason: str | None) -> OpenRun | None:
        """A run was stopped on the platform; None when nothing more comes of it, or that is
        known."""
        run = self._router.runs.get(key)
        if run is None or not run.may_be_stopped:
            return None
        run.terminated = TerminatedRun(
            *(instance_id, time.time_ns(), reason, tuple(run.traces or ()), run.sessions),
            agent=run.tenant.name,
        )
        self.has_terminated = True
        return run

    def leave(self, key: str) -> bool:
        """The platform has ended a run by itself, as it may one that is silent for long: what comes
        begins another, but for runs that the application has opened. Whether it will."""
        run = self._router.runs.get(key)
        if run is None or not run.goes_on or run.handle is not None:
            return False
        if run is self._router.process:
            self._maker.run, self.has_left = Run(), True
        self._maker.note_ended(run)
        self._router.leave(run)
        run.over_since = time.monotonic()
        self._agenda.changed[run] = None
        return True

    # -- what the application says ----------------------------------------------------------------

    def take(self, event: RunOpened | RunClosed | SessionEnded | Judged) -> None:
        """Something is said of a run."""
        if isinstance(event, RunOpened):
            run = self._router.opened(event.handle, event.about)
            if event.task is not None:
                run.note_task(None, event.task)
            self._handover.register(run)
        elif isinstance(event, Judged):
            self._judge(event)
        elif isinstance(event, RunClosed):
            self._is_to_end(self._router.of_handle(event.handle), event.status)
        else:
            for run in self._router.of_session(event.session):
                self._is_to_end(run, None)

    def _is_to_end(self, run: OpenRun | None, status: FinishStatus | None) -> None:
        if run is not None:
            run.over_since = time.monotonic()
            run.forget_task(None)
            run.status = status or run.status
            self._agenda.changed[run] = None

    def _judge(self, event: Judged) -> None:
        router = self._router
        run = router.of_handle(event.handle) if event.handle is not None else router.process
        if run is None:
            self._log.warn("quality", "A judgement came after the end of its run and is not sent")
        else:
            self._handover.judge(run, event.name, event.payload)

    # -- time, and the end ------------------------------------------------------------------------

    @property
    def next_due(self) -> float:
        """When time will have made something due (monotonic seconds), or earlier; ``math.inf`` if
        it never will."""
        registered_by = math.inf if self.is_process_open else self._seen_at
        return min(registered_by, self._agenda.next_due)

    def take_due(self) -> None:
        """Handle what the time has made due: registrations, early creations, children that have
        waited long enough, runs that are over."""
        self._open_process()
        for run in self._router.surplus():
            self.idle_runs += 1
            self._close(run)
        now = time.monotonic()
        for run in self._agenda.take_due(now):
            self._relief.put(run, run.tree.due(now))
            if self._agenda.closes_by(run) <= now:
                self._close_late(run)
            else:
                self._agenda.changed[run] = None

    def flush(self) -> None:
        """Hand over what can go now, and close what is over: who waits for it knows that nothing
        more is to come."""
        for run in list(self._router.runs.values()):
            if run.is_to_be_closed:
                self._close(run)
            elif run.has_spans and run.tree.parking:
                self._relief.put(run, run.tree.flush())
                self._agenda.changed[run] = None

    def close_all(self, status: FinishStatus | None) -> None:
        """Close every run: that of the process with this status, if any, the others by theirs."""
        self._open_process(at_once=True)
        for run in list(self._router.runs.values()):
            if run is self._router.process:
                run.status = status or run.status
            self._close(run)

    def _close_late(self, run: OpenRun) -> None:
        """Close a run whose time has come; one that was not over is idle."""
        if run.handle is None and (run.over_since is None or run.is_busy):
            self.idle_runs += 1
            run.status = run.status or ("complete" if run.sessions else "cancelled")
        self._close(run)

    def _close(self, run: OpenRun) -> None:
        """Close what is open, then the run itself."""
        moment = time.time_ns()
        is_over_for = run.is_over_for(time.monotonic())
        keys = run.tree.open_keys()
        self._relief.put(run, run.tree.close(moment))
        self._handover.close(run, moment - round(is_over_for * 1e9))
        self._orphaned += run.tree.counts.orphaned
        self._router.closed(run, keys)
        self._maker.note_closed(run)
        for key in keys:
            self._relief.cut_off.note(key, DropReason.DUPLICATE)
        run.tree.leave()
        self._agenda.forget(run)


def _key_to_tell(run: OpenRun | None) -> str | None:
    return run.run.key if run is not None and not run.is_left_out else None
