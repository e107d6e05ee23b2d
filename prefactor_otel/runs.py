"""Runs that the application opens itself: ``with prefactor_otel.run(...)``.

The run is a value in OpenTelemetry's context, so it goes where that goes: into tasks, into
``asyncio.gather`` and ``to_thread``, and into threads that are started with a copy of it.
"""

import asyncio
import inspect
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, Self, TypeVar, cast
from weakref import WeakSet

from opentelemetry import baggage, context
from opentelemetry.context import Context

from prefactor_otel.config import Purpose
from prefactor_otel.errors import PrefactorTerminatedError
from prefactor_otel.generators import within, within_async
from prefactor_otel.inbox import Judged, RunClosed, RunOpened, SessionEnded
from prefactor_otel.items import FinishStatus
from prefactor_otel.mapping import SESSION_KEYS
from prefactor_otel.run import About
from prefactor_otel.termination import TerminatedRun, current_task, event_of

_CURRENT: Final = context.create_key("prefactor-run")
_is_used = False
"""Whether there has been an explicit run. Without, no span has to look for one at its start."""
P = ParamSpec("P")
R = TypeVar("R")


class Listener(Protocol):
    """What has to know of explicit runs."""

    def tell(self, event: RunOpened | RunClosed | SessionEnded | Judged) -> None: ...

    def id_of(self, handle: str) -> str | None: ...

    def terminated_in(self, where: Context | None) -> TerminatedRun | None: ...


listeners: WeakSet[Listener] = WeakSet()


class AgentRun:
    """A run that a block of the application is. Made by ``run``."""

    def __init__(self, about: About) -> None:
        self.key = secrets.token_hex(16)
        self.about = about
        self.terminated = event_of(self.key)
        """Set when somebody has terminated the run on the platform."""
        self._status: FinishStatus | None = None

    def __repr__(self) -> str:
        return f"<AgentRun id={self.id}>"

    @property
    def id(self) -> str | None:
        """The agent instance's id; None until the API has registered the run, and once it has
        been closed."""
        found = (listener.id_of(self.key) for listener in list(listeners))
        return next((run_id for run_id in found if run_id is not None), None)

    def set_status(self, status: FinishStatus) -> None:
        """How the run ends, however its block ends: complete, failed or cancelled. Raises
        ``ValueError`` for anything else."""
        if status not in ("complete", "failed", "cancelled"):
            raise ValueError("a run is finished as complete, failed or cancelled")
        self._status = status

    def record_quality(self, name: str, payload: dict[str, object] | None) -> None:
        """Record a judgement of the run under a name of ``quality_schemas``; None takes it back.
        Returns at once."""
        _tell(Judged(self.key, name, payload))

    def _opened(self) -> None:
        global _is_used
        _is_used = True
        _tell(RunOpened(self.key, self.about, current_task()))

    def _closed(self, error: BaseException | None) -> None:
        _tell(RunClosed(self.key, self._status or _status_of(error)))


class run:
    """Make a block or a function a run of its own, whatever ``run_scope`` says.

    ``with run(): ...``, ``async with run(): ...``, or ``@run()`` on a function, coroutine
    function or generator: each call is a run. It ends as ``complete``, as ``failed`` when an
    exception leaves the block, as ``cancelled`` when that is a cancellation, or as
    ``set_status`` said. Spans started inside belong to it where span starts are seen: under
    ``PrefactorSpanProcessor``, ``prefactor_otel.TracerProvider`` and the entry point.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        purpose: Purpose | None = None,
        external_identifier: str | None = None,
    ) -> None:
        self._about = About(name, description, purpose, external_identifier)
        self._entered: list[tuple[AgentRun, Any]] = []

    def __enter__(self) -> AgentRun:
        agent_run = AgentRun(self._about)
        agent_run._opened()
        token = context.attach(context.set_value(_CURRENT, agent_run))
        self._entered.append((agent_run, token))
        return agent_run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        agent_run, token = self._entered.pop()
        context.detach(token)
        agent_run._closed(error)

    async def __aenter__(self) -> AgentRun:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    @contextmanager
    def _opened(self) -> Iterator[Context]:
        """A run that is as long as the block, and the context in which it is."""
        agent_run = AgentRun(self._about)
        agent_run._opened()
        try:
            yield context.set_value(_CURRENT, agent_run)
        except BaseException as error:
            agent_run._closed(error)
            raise
        agent_run._closed(None)

    def _again(self) -> Self:
        about = self._about
        return type(self)(
            about.name,
            description=about.description,
            purpose=cast("Purpose | None", about.purpose),
            external_identifier=about.external_identifier,
        )

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Make every call of a function a run."""
        wrapper: Any
        if inspect.isasyncgenfunction(function):
            wrapper = within_async(self._opened, function)

        elif inspect.isgeneratorfunction(function):
            wrapper = within(self._opened, function)

        elif inspect.iscoroutinefunction(function):

            @wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
                with self._again():
                    return function(*args, **kwargs)

        return cast("Callable[P, R]", wrapper)


def current_run() -> AgentRun | None:
    """The explicit run that the caller is inside of."""
    return run_in(None)


def raise_if_terminated() -> None:
    """For loops of the application's own. Raises ``PrefactorTerminatedError`` when the run that
    the caller is inside of (explicit, of its span's trace or session, or of the process) has been
    terminated on the platform."""
    for listener in list(listeners):
        run = listener.terminated_in(None)
        if run is not None:
            raise PrefactorTerminatedError(run.id, run.reason)


def end_session(session: str) -> None:
    """Nothing more will come of a session (``run_scope="session"``): its run is closed once
    nothing in it is open."""
    _tell(SessionEnded(session))


def run_in(where: Context | None) -> AgentRun | None:
    """The explicit run of a context; None stands for the current one."""
    if not _is_used:
        return None
    found = context.get_value(_CURRENT, where)
    return found if isinstance(found, AgentRun) else None


def session_in_context(where: Context | None) -> str | None:
    """The session that a context names: OpenInference's ``using_session`` writes it there, others
    into the baggage."""
    for key in SESSION_KEYS:
        found = context.get_value(key, where) or baggage.get_baggage(key, where)
        if isinstance(found, str) and found:
            return found
    return None


def _tell(event: RunOpened | RunClosed | SessionEnded | Judged) -> None:
    for listener in list(listeners):
        listener.tell(event)


def _status_of(error: BaseException | None) -> FinishStatus:
    if error is None:
        return "complete"
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)):
        return "cancelled"
    return "complete" if isinstance(error, SystemExit) and not error.code else "failed"
