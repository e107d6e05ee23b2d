"""Runs that the application opens itself: ``with prefactor_otel.run(...)``.

The run is a value in OpenTelemetry's context, so it goes where that goes: into tasks, into
``asyncio.gather`` and ``to_thread``, and into threads that are started with a copy of it.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, Self, TypeVar, cast
from uuid import UUID

from opentelemetry import context
from opentelemetry.context import Context

from prefactor_otel.config.options import Purpose
from prefactor_otel.doors.blocks import Block
from prefactor_otel.doors.generators import within, within_async
from prefactor_otel.host.termination import error_of
from prefactor_otel.payload.strict import kind_of
from prefactor_otel.runs.events import SessionEnded
from prefactor_otel.runs.explicit import CURRENT, AgentRun, listeners, run_in, tell
from prefactor_otel.runs.naming import named
from prefactor_otel.runs.run import About
from prefactor_otel.stats.log import logger

P = ParamSpec("P")
R = TypeVar("R")


class run(Block[AgentRun]):
    """Make a block or a function a run of its own, whatever ``run_scope`` says.

    ``with run(): ...``, ``async with run(): ...``, or ``@run()`` on a function, coroutine
    function or generator: each call is a run. It ends as ``complete``, as ``failed`` when an
    exception leaves the block, as ``cancelled`` when that is a cancellation, or as
    ``set_status`` said. Spans started inside belong to it where span starts are seen: under
    ``PrefactorSpanProcessor``, ``prefactor_otel.TracerProvider`` and the entry point.

    ``agent`` names whose run it is: one of the option ``tenants``, with the settings given there,
    or any other. ``agent_id`` is its id on the platform, where that is not listed. Without both it
    is the process's own agent's.

    What is said of the run is text; a number or a UUID is told as such, and anything else is left
    out, with a line in the log: the application goes on.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        description: str | None = None,
        purpose: Purpose | None = None,
        external_identifier: str | None = None,
        agent: str | None = None,
        agent_id: str | None = None,
    ) -> None:
        super().__init__()
        self._about = About(
            _text("name", name),
            _text("description", description),
            _text("purpose", purpose),
            _text("external_identifier", external_identifier),
            named(_text("agent_id", agent_id), _text("agent", agent)),
        )

    def _open(self) -> tuple[AgentRun, Context]:
        agent_run = AgentRun(self._about)
        agent_run.opened()
        return agent_run, context.set_value(CURRENT, agent_run)

    @contextmanager
    def _opened(self) -> Iterator[Context]:
        """A run that is as long as the block, and the context in which it is."""
        agent_run, where = self._open()
        try:
            yield where
        except BaseException as error:
            agent_run.closed(error)
            raise
        agent_run.closed(None)

    def _again(self) -> Self:
        about = self._about
        return type(self)(
            about.name,
            description=about.description,
            purpose=cast("Purpose | None", about.purpose),
            external_identifier=about.external_identifier,
            agent=about.agent.name,
            agent_id=about.agent.id,
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
    for listener in listeners:
        run = listener.terminated_in(None)
        if run is not None:
            raise error_of(run)


def end_session(session: str) -> None:
    """Nothing more will come of a session (``run_scope="session"``): its run is closed once
    nothing in it is open."""
    said = _text("session", session)
    if said is not None:
        tell(SessionEnded(said))


def _text(what: str, value: object) -> str | None:
    """What the application says of a run, as text; None where that is nothing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, UUID)):
        return str(value)
    _warn_of_no_text(what, kind_of(value))
    return None


@cache
def _warn_of_no_text(what: str, kind: str) -> None:
    logger.warning("What is said of a run is text: %s of the type %s is left out", what, kind)
