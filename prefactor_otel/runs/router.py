"""Which run a span belongs to: the process's one, its trace's, its session's, or an explicit one.

Pure bookkeeping: no clock, no thread, no I/O. What is known of a span when it starts decides; a
child goes where its parent has gone, and a span whose start was not seen goes with its trace.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from operator import attrgetter
from typing import Final, Protocol, TypeVar

from prefactor_otel.config.options import RunScope
from prefactor_otel.delivery.operation import FinishStatus, SpanRef
from prefactor_otel.host.termination import Task, TerminatedRun
from prefactor_otel.runs.caller import Caller
from prefactor_otel.runs.events import NOWHERE, Place
from prefactor_otel.runs.keeping import Held
from prefactor_otel.runs.run import About, Run
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.source import Source, Telling
from prefactor_otel.spans.view import Attributes, SpanKey, SpanView

K = TypeVar("K")

MAX_LASTING: Final = 1_000
"""Runs that are as long as the process, of agents that spans name, at most."""
MAX_FORETOLD: Final = 10_000
"""Roots of traces that are known before they come, at most."""

NOTHING_GONE: Final[Mapping[SpanKey, SpanRef]] = {}
"""One for all: a run without spans is small."""


@dataclass(slots=True, eq=False)
class OpenRun:
    """A run that takes spans. Times are seconds of a monotonic clock."""

    run: Run
    tenant: Tenant
    new_tree: "Callable[[OpenRun], SpanTree]"
    about: About = field(default_factory=About)
    is_registered: bool = False
    is_left_out: bool = False
    """It is not kept: nothing of it is sent."""
    held: Held | None = None
    """What it has come to, while only its end will tell whether it is kept."""
    duplicates: int = 0
    """Spans of it that have come twice, as far as they are counted."""
    filtered: int = 0
    """Spans of it that were not to be sent, as far as they are counted."""
    closed: int = 0
    """Spans of it that were ended here, and not by the application, as far as they are counted."""
    opened: float = 0.0
    touched: float = 0.0
    over_since: float | None = None
    """When its root has ended, or its block was left; it is closed once nothing in it is open."""
    status: FinishStatus | None = None
    """How it ends, where somebody has said so; else its roots tell."""
    terminated: TerminatedRun | None = None
    """Somebody has stopped it: what starts from then on is not sent."""
    is_left: bool = False
    """The platform has ended it: what it knows of ends there, and nothing begins."""
    handle: str | None = None
    continues: str | None = None
    """The agent instance of another process that it is to be a part of."""
    what: str | None = None
    """The trace or session that it is of, if it is of one."""
    gone: Mapping[SpanKey, SpanRef] = field(default_factory=lambda: NOTHING_GONE)
    """Spans that went with the run of the same that was closed before, and what they are called
    there."""
    reopens: bool = False
    """Whether that is this run, to the platform."""
    has_called: bool = False
    """Other processes have been told of it."""
    lasts: bool = False
    """It is as long as the process."""
    tasks: dict[SpanKey | None, Task] | None = None
    """The asyncio tasks of its open roots, where they can be cancelled; None: of its block."""
    sessions: tuple[str, ...] = ()
    traces: list[int] | None = None
    resource: Attributes | None = None
    """What describes where it comes from, where that is another process."""
    origin: str | None = None
    """What it is named by, where others may have a part in it."""
    _tree: SpanTree | None = None

    @property
    def tree(self) -> SpanTree:
        """Its spans. It is made when it is first asked for: a run without any is small."""
        if self._tree is None:
            self._tree = self.new_tree(self)
        return self._tree

    def note_task(self, root: SpanKey | None, task: Task) -> None:
        """The task of an open root can be cancelled."""
        self.tasks = self.tasks or {}
        self.tasks[root] = task

    def forget_task(self, root: SpanKey | None) -> None:
        """The root has ended."""
        if self.tasks is not None:
            self.tasks.pop(root, None)

    @property
    def is_sent(self) -> bool:
        """Whether what comes of it goes to the platform, as far as that is known."""
        return self.held is None and not self.is_left_out

    @property
    def has_spans(self) -> bool:
        """Whether any have come."""
        return self._tree is not None

    @property
    def is_busy(self) -> bool:
        """Whether anything in it is open."""
        return self._tree is not None and self._tree.open > 0

    @property
    def goes_on(self) -> bool:
        """Whether it is registered, not over, and not terminated."""
        return self.over_since is None and self.may_be_stopped

    @property
    def may_be_stopped(self) -> bool:
        """Whether more may come of it, be it over already, that a stop would hold back."""
        return self.is_registered and self.terminated is None and not self.is_left

    @property
    def is_to_be_closed(self) -> bool:
        """Whether it is over, and nothing in it is open any more."""
        return self.over_since is not None and not self.is_busy

    def is_over_for(self, now: float) -> float:
        """Seconds since it was over and the last of it came; 0 for one that goes on."""
        if self.over_since is None or self.is_busy:
            return 0.0
        return max(0.0, now - max(self.over_since, self.touched))


class Maker(Protocol):
    """Makes runs."""

    def of_process(self, tenant: Tenant) -> OpenRun: ...

    def of_handle(self, about: About, handle: str) -> OpenRun: ...

    def of_caller(self, tenant: Tenant, instance_id: str) -> OpenRun: ...

    def of_spans(self, tenant: Tenant, first: Telling, what: str, key: str | None) -> OpenRun: ...


class Router:
    """The runs of one process. ``maker`` makes them."""

    def __init__(self, scope: RunScope, tenants: Tenants, maker: Maker) -> None:
        self._scope = scope
        self._tenants = tenants
        self._maker = maker
        self.knows_sessions = scope == "session"
        """Whether it matters which session a span names."""
        self.runs: dict[str, OpenRun] = {}
        self.process = maker.of_process(tenants.own) if scope == "provider" else None
        """The one run of the process, where there is one."""
        self._lasting: dict[Tenant, OpenRun] = {}
        """Where there is one: those of each tenant, the process's own among them."""
        if self.process is not None:
            self._last(self.process)
        self._by_span: dict[SpanKey, OpenRun] = {}
        self._by_trace: dict[int, OpenRun] = {}
        self._by_session: dict[str, dict[Tenant, OpenRun]] = {}
        self._by_handle: dict[str, OpenRun] = {}
        self._by_caller: dict[str, OpenRun] = {}
        self._foretold: OrderedDict[int, Telling] = OrderedDict()

    @property
    def open(self) -> int:
        """Spans that are open and of which the run is known."""
        return len(self._by_span)

    def with_spans(self) -> list[OpenRun]:
        """The runs in which there have been any. From any thread."""
        return [run for run in list(self.runs.values()) if run.has_spans]

    def with_trace(self, trace_id: int) -> list[OpenRun]:
        """Those in which there may be spans of a trace whose starts nobody sees."""
        if self._scope == "provider":
            return self.with_spans()
        run = self._by_trace.get(trace_id)
        return [run] if run is not None and run.has_spans else []

    def foretell(self, roots: Mapping[int, Telling]) -> None:
        """These are the roots of traces, by their ids: what a run of one says, it says by these."""
        self._foretold.update(roots)
        while len(self._foretold) > MAX_FORETOLD:
            self._foretold.popitem(last=False)

    def started(self, source: Source, session: str | None, place: Place) -> OpenRun:
        """The run of a span that starts here, in this session if any: of one that is told of again,
        because whoever was told had been struck, the same."""
        known = self._by_span.get(source.key)
        if known is not None:
            return known
        parent = source.parent
        run = self._by_handle.get(place.handle) if place.handle is not None else None
        if run is None and parent is None and place.caller is not None:
            run = self._of_caller(source, place, place.caller)
        if run is None and session is not None:
            run = self._of_session(session, source, place)
        if run is None and parent is not None:
            run = self._above(parent)
        if run is None:
            if self.process is None:
                run = self._of_trace(source, place, is_root=parent is None)
            else:
                run = self._of_process(source, parent, place)
        self._by_span[source.key] = run
        return run

    def ended(self, view: SpanView, session: str | None) -> OpenRun:
        """The run of a span that has ended."""
        run = self._by_span.pop(view.key, None)
        if run is not None:
            if not (run.is_left and run.tree.hand_on(view.key)):
                if session is not None:
                    self._bind(session, run)
                return run
            if run.lasts:
                return self._lasting_of(run.tenant)
        run = self._of_session(session, view, NOWHERE) if session is not None else None
        return run or self.process or self._of_trace(view, NOWHERE, is_root=False)

    def at(self, parent: SpanKey | None, place: Place, first: Telling | None) -> OpenRun | None:
        """The run that a span would start in here, if that is open already. ``first`` is the span,
        or what it hangs on, which may be on its way here. Changes nothing, and may be called from
        any thread."""
        if place.handle is not None:  # one that is new, and not open yet, is no other
            return self._by_handle.get(place.handle)
        above = self._above(parent) if parent is not None else None
        if above is None and place.caller is not None:
            return self._by_caller.get(place.caller.run)
        if above is None and parent is not None:
            above = self._by_trace.get(parent.trace_id)
        if above is not None:
            known: Tenant | None = above.tenant
        elif first is None or first.parent is None:
            known = self._tenants.known_by(first, place.agent)
        else:  # what says whose it is, is on its way here
            known = self._tenants.own if len(self._lasting) < 2 else None
        if known is None:
            return None
        run = self._by_session.get(place.session or "", {}).get(known)
        return run or above or self._lasting.get(known)

    def _above(self, parent: SpanKey) -> OpenRun | None:
        """The run in which a span is open, if more may come into that."""
        run = self._by_span.get(parent)
        return run if run is not None and not run.is_left else None

    def of(self, key: SpanKey) -> OpenRun | None:
        """The run of a span that is open."""
        return self._by_span.get(key)

    def given_up(self, key: SpanKey) -> None:
        """A span is not followed any longer, though it is open."""
        self._by_span.pop(key, None)

    def has_not_ended(self, key: SpanKey, run: OpenRun) -> None:
        """A span is open after all."""
        self._by_span[key] = run

    def opened(self, handle: str, about: About) -> OpenRun:
        """An explicit run begins."""
        run = self._add(self._maker.of_handle(about, handle))
        run.handle, self._by_handle[handle] = handle, run
        return run

    def of_handle(self, handle: str) -> OpenRun | None:
        """An explicit run, while it is open."""
        return self._by_handle.get(handle)

    def of_session(self, session: str) -> list[OpenRun]:
        """The runs of a session that are open: one a tenant."""
        return list(self._by_session.get(session, {}).values())

    def closed(self, run: OpenRun, open_spans: Iterable[SpanKey]) -> None:
        """A run takes no more spans; what comes late of its trace begins another."""
        self.runs.pop(run.run.key, None)
        for key in open_spans:
            self._by_span.pop(key, None)
        self._unname(run)
        if run.handle is not None:
            self._by_handle.pop(run.handle, None)

    def leave(self, run: OpenRun) -> None:
        """The same of a run in which spans that are known to the platform are still to end."""
        run.is_left = True
        self._unname(run)
        if run is self.process:
            self.process = self._last(self._maker.of_process(run.tenant))

    def _unname(self, run: OpenRun) -> None:
        for trace in run.traces or ():
            _forget(self._by_trace, trace, run)
        _forget(self._lasting, run.tenant, run)
        if run.continues is not None:
            _forget(self._by_caller, run.continues, run)
        for session in run.sessions:
            known = self._by_session.get(session, {})
            _forget(known, run.tenant, run)
            if not known:
                self._by_session.pop(session, None)

    def surplus(self) -> list[OpenRun]:
        """Of the runs that are as long as the process those that are too many: of which nothing has
        come for longest, and in which nothing is open."""
        surplus = len(self._lasting) - MAX_LASTING
        if surplus <= 0:
            return []
        idle = (run for run in self._lasting.values() if not (run is self.process or run.is_busy))
        return nsmallest(surplus + MAX_LASTING // 16, idle, key=attrgetter("touched"))

    def ends_with_its_root(self, run: OpenRun) -> bool:
        """Whether the end of its root span is the run's own."""
        return not run.lasts and run.handle is None and not run.sessions

    def _of_caller(self, first: Telling, place: Place, caller: Caller) -> OpenRun:
        """The part in the run of another process, which has called."""
        run = self._by_caller.get(caller.run)
        if run is None:
            tenant = self._tenants.told(first, place.agent)
            run = self._by_caller[caller.run] = self._add(self._maker.of_caller(tenant, caller.run))
        run.over_since = None
        self._name_trace(first.key.trace_id, run)
        return run

    def _of_process(self, source: Source, parent: SpanKey | None, place: Place) -> OpenRun:
        """Where runs are as long as the process: that of the agent which a root names, and else
        what goes on in place of the one that is above."""
        above = self._by_span.get(parent) if parent is not None else None
        if above is not None:
            return self._lasting_of(above.tenant)
        if parent is not None:
            return self._lasting_of(self._tenants.own)
        return self._lasting_of(self._tenants.told(source, place.agent))

    def _lasting_of(self, tenant: Tenant) -> OpenRun:
        return self._lasting.get(tenant) or self._last(self._maker.of_process(tenant))

    def _last(self, run: OpenRun) -> OpenRun:
        self._lasting[run.tenant] = run
        return self._add(run)

    def _of_session(self, session: str, first: Telling, place: Place) -> OpenRun | None:
        if not self.knows_sessions:
            return None
        trace, tenant = first.key.trace_id, self._tenant_of(first, place)
        run = self._by_session.get(session, {}).get(tenant)
        if run is None:
            run = self._by_trace.get(trace)
            if run is None or run.tenant is not tenant:
                run = self._add(self._maker.of_spans(tenant, first, session, None))
            self._name_session(session, run)
        self._name_trace(trace, run)
        return run

    def _tenant_of(self, first: Telling, place: Place) -> Tenant:
        """Whose a span is: of what is above it, else of whom it names."""
        above = self._by_span.get(first.parent) if first.parent is not None else None
        if above is not None:
            return above.tenant
        return self._tenants.told(self._root_above(first), place.agent)

    def _bind(self, session: str, run: OpenRun) -> None:
        """A session that has no run yet goes on in the one in which it turned up."""
        if run.tenant not in self._by_session.get(session, {}):
            self._name_session(session, run)

    def _of_trace(self, first: Telling, place: Place, *, is_root: bool) -> OpenRun:
        trace = first.key.trace_id
        run = None if is_root and self._scope == "trace" else self._by_trace.get(trace)
        if run is None or is_root:
            first = self._root_above(first)
            tenant = self._tenants.told(first, place.agent)
            if run is None or run.tenant is not tenant:
                named = first.key.trace_hex
                run = self._add(self._maker.of_spans(tenant, first, named, place.begins))
                self._name_trace(trace, run)
        return run

    def _root_above(self, first: Telling) -> Telling:
        """What says whose the run of a span is: the root of its trace, if that is known."""
        return self._foretold.get(first.key.trace_id, first)

    def _name_trace(self, trace: int, run: OpenRun) -> None:
        if self._by_trace.get(trace) is not run:
            self._by_trace[trace] = run
            run.traces = run.traces or []
            run.traces.append(trace)

    def _name_session(self, session: str, run: OpenRun) -> None:
        self._by_session.setdefault(session, {})[run.tenant] = run
        run.sessions = (*run.sessions, session)

    def _add(self, run: OpenRun) -> OpenRun:
        self.runs[run.run.key] = run
        return run


def _forget(index: dict[K, OpenRun], key: K, run: OpenRun) -> None:
    if index.get(key) is run:
        del index[key]
