"""Which run a span belongs to: the process's one, its trace's, its session's, or an explicit one.

Pure bookkeeping: no clock, no thread, no I/O. What is known of a span when it starts decides; a
child goes where its parent has gone, and a span whose start was not seen goes with its trace.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from prefactor_otel.config.options import RunScope
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.host.termination import Task, TerminatedRun
from prefactor_otel.runs.run import About, Run
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.source import Source, Telling
from prefactor_otel.spans.view import Attributes, SpanKey, SpanView

K = TypeVar("K")


@dataclass(slots=True, eq=False)
class OpenRun:
    """A run that takes spans. Times are seconds of a monotonic clock."""

    run: Run
    tenant: Tenant
    new_tree: Callable[[str], SpanTree]
    about: About = field(default_factory=About)
    is_registered: bool = False
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
            self._tree = self.new_tree(self.run.key)
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
        return self.is_registered and self.over_since is None and self.terminated is None

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

    def of_process(self) -> OpenRun: ...

    def of_handle(self, about: About, handle: str) -> OpenRun: ...

    def of_spans(self, first: Telling, what: str) -> OpenRun: ...


class Router:
    """The runs of one process. ``maker`` makes them."""

    def __init__(self, scope: RunScope, maker: Maker) -> None:
        self._scope = scope
        self._maker = maker
        self.knows_sessions = scope == "session"
        """Whether it matters which session a span names."""
        self.process = maker.of_process() if scope == "provider" else None
        """The one run of the process, where there is one."""
        self.runs: dict[str, OpenRun] = {}
        if self.process is not None:
            self.runs[self.process.run.key] = self.process
        self._by_span: dict[SpanKey, OpenRun] = {}
        self._by_trace: dict[int, OpenRun] = {}
        self._by_session: dict[str, OpenRun] = {}
        self._by_handle: dict[str, OpenRun] = {}

    @property
    def open(self) -> int:
        """Spans that are open and of which the run is known."""
        return len(self._by_span)

    def with_spans(self) -> list[OpenRun]:
        """The runs in which there have been any. From any thread."""
        return [run for run in list(self.runs.values()) if run.has_spans]

    def started(self, source: Source, session: str | None, handle: str | None) -> OpenRun:
        """The run of a span that starts; ``handle`` names an explicit run that it is inside of."""
        key, parent = source.key, source.parent
        run = self._by_handle.get(handle) if handle is not None else None
        if run is None and session is not None:
            run = self._of_session(session, source)
        if run is None and parent is not None:
            run = self._above(parent)
        if run is None:
            run = self.process or self._of_trace(source, is_root=parent is None)
        self._by_span[key] = run
        return run

    def ended(self, view: SpanView, session: str | None) -> OpenRun:
        """The run of a span that has ended."""
        run = self._by_span.pop(view.key, None)
        if run is not None and not (run.is_left and run.tree.hand_on(view.key)):
            if session is not None:
                self._bind(session, run)
            return run
        run = self._of_session(session, view) if session is not None else None
        return run or self.process or self._of_trace(view, is_root=False)

    def at(self, parent: SpanKey | None, session: str | None, handle: str | None) -> OpenRun | None:
        """The run that a span would start in here, if that is open already. Changes nothing, and
        may be called from any thread."""
        if handle is not None:  # one that is new, and not open yet, is no other
            return self._by_handle.get(handle)
        run = self._by_session.get(session) if session is not None else None
        if run is None and parent is not None:
            run = self._above(parent) or self._by_trace.get(parent.trace_id)
        return run or self.process

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

    def opened(self, handle: str, about: About) -> OpenRun:
        """An explicit run begins."""
        run = self._add(self._maker.of_handle(about, handle))
        run.handle, self._by_handle[handle] = handle, run
        return run

    def of_handle(self, handle: str) -> OpenRun | None:
        """An explicit run, while it is open."""
        return self._by_handle.get(handle)

    def of_session(self, session: str) -> OpenRun | None:
        """The run of a session, while it is open."""
        return self._by_session.get(session)

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
            self.process = self._add(self._maker.of_process())

    def _unname(self, run: OpenRun) -> None:
        for trace in run.traces or ():
            _forget(self._by_trace, trace, run)
        for session in run.sessions:
            _forget(self._by_session, session, run)

    def ends_with_its_root(self, run: OpenRun) -> bool:
        """Whether the end of its root span is the run's own."""
        return run is not self.process and run.handle is None and not run.sessions

    def _of_session(self, session: str, first: Telling) -> OpenRun | None:
        if not self.knows_sessions:
            return None
        trace = first.key.trace_id
        run = self._by_session.get(session)
        if run is None:
            run = self._by_trace.get(trace) or self._add(self._maker.of_spans(first, session))
            self._name_session(session, run)
        self._name_trace(trace, run)
        return run

    def _bind(self, session: str, run: OpenRun) -> None:
        """A session that has no run yet goes on in the one in which it turned up."""
        if session not in self._by_session:
            self._name_session(session, run)

    def _of_trace(self, first: Telling, *, is_root: bool) -> OpenRun:
        trace = first.key.trace_id
        run = None if is_root and self._scope == "trace" else self._by_trace.get(trace)
        if run is None:
            run = self._add(self._maker.of_spans(first, first.key.trace_hex))
            self._name_trace(trace, run)
        return run

    def _name_trace(self, trace: int, run: OpenRun) -> None:
        if self._by_trace.get(trace) is not run:
            self._by_trace[trace] = run
            run.traces = run.traces or []
            run.traces.append(trace)

    def _name_session(self, session: str, run: OpenRun) -> None:
        self._by_session[session] = run
        run.sessions = (*run.sessions, session)

    def _add(self, run: OpenRun) -> OpenRun:
        self.runs[run.run.key] = run
        return run


def _forget(index: dict[K, OpenRun], key: K, run: OpenRun) -> None:
    if index.get(key) is run:
        del index[key]
