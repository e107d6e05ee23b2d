"""Runs that the application opens itself, as values in OpenTelemetry's context."""

import asyncio
from typing import Final, Protocol

import orjson
from opentelemetry import baggage, context
from opentelemetry.context import Context

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.operation import FinishStatus, Registered, new_key
from prefactor_otel.host import program
from prefactor_otel.host.termination import TerminatedRun, current_task, event_of
from prefactor_otel.living import Living
from prefactor_otel.mapping import SESSION_KEYS
from prefactor_otel.payload.encode import encode
from prefactor_otel.payload.strict import an_object, kind_of
from prefactor_otel.runs.caller import Caller
from prefactor_otel.runs.events import AboutRun, Awaited, Judged, RunClosed, RunOpened
from prefactor_otel.runs.naming import AGENT_ID, AGENT_NAME, Named, named
from prefactor_otel.runs.run import About
from prefactor_otel.spans.source import Record

CURRENT: Final = context.create_key("prefactor-run")
is_used = False
"""Whether there has been an explicit run. Without, no span has to look for one at its start."""


class Listener(Protocol):
    """What has to know of explicit runs, and of log records."""

    @property
    def config(self) -> Config | None: ...

    @property
    def is_closing(self) -> bool: ...

    def tell(self, event: AboutRun | Awaited) -> None: ...

    def logged(self, record: Record) -> None: ...

    def registered(self, handle: str) -> Registered | None: ...

    def caller_at(self, where: Context | None) -> Caller | None: ...

    def terminated_in(self, where: Context | None) -> TerminatedRun | None: ...


listeners: Final[Living[Listener]] = Living()


class AgentRun:
    """A run that a block of the application is. Made by ``run``."""

    def __init__(self, about: About) -> None:
        self.key = new_key()
        self.about = about
        self.terminated = event_of(self.key)
        """Set when somebody has terminated the run on the platform."""
        self._status: FinishStatus | None = None
        self._registered: dict[int, Registered] = {}
        """By generation of the process: a forked child has a run of its own for the block."""

    def __repr__(self) -> str:
        return f"<AgentRun id={self.id}>"

    @property
    def id(self) -> str | None:
        """The agent instance's id, also after its end; None until the API has registered the
        run."""
        known = self._known
        return known.id if known is not None else None

    @property
    def url(self) -> str | None:
        """The address of the run's page, known as long as ``id`` is; None where the platform tells
        none. The local API does."""
        known = self._known
        return known.url if known is not None else None

    @property
    def _known(self) -> Registered | None:
        here = program.generation
        if here not in self._registered:
            found = (listener.registered(self.key) for listener in listeners)
            known = next((each for each in found if each is not None), None)
            if known is None:
                return None
            self._registered[here] = known
        return self._registered[here]

    def set_status(self, status: FinishStatus) -> None:
        """How the run ends, however its block ends: complete, failed or cancelled. Raises
        ``ValueError`` for anything else."""
        if status not in ("complete", "failed", "cancelled"):
            raise ValueError("a run is finished as complete, failed or cancelled")
        self._status = status

    def record_quality(self, name: str, payload: dict[str, object] | None) -> None:
        """Record a judgement of the run under a name of ``quality_schemas``; None takes it back.
        Returns at once, and takes the payload as it is now. Raises ``ValueError`` for a payload
        that is no object, and for a name that is no text; what JSON has not is repaired, as in
        spans."""
        if not isinstance(name, str):
            raise ValueError(f"a quality's name has to be text, and is of the type {kind_of(name)}")
        if payload is not None:
            payload = orjson.loads(encode(an_object(payload)))
        tell(Judged(self.key, name, payload))

    def opened(self) -> None:
        """Its block has been entered."""
        global is_used
        is_used = True
        tell(RunOpened(self.key, self.about, current_task()))

    def closed(self, error: BaseException | None) -> None:
        """Its block has been left, with this exception."""
        tell(RunClosed(self.key, self._status or _status_of(error)))


def run_in(where: Context | None) -> AgentRun | None:
    """The explicit run of a context; None stands for the current one."""
    if not is_used:
        return None
    found = context.get_value(CURRENT, where)
    return found if isinstance(found, AgentRun) else None


def session_in_context(where: Context | None) -> str | None:
    """The session that a context names: OpenInference's ``using_session`` writes it there, others
    into the baggage."""
    for key in SESSION_KEYS:
        found = context.get_value(key, where) or baggage.get_baggage(key, where)
        if isinstance(found, str) and found:
            return found
    return None


def agent_in_context(where: Context | None) -> Named:
    """The agent that the baggage of a context names."""
    return named(baggage.get_baggage(AGENT_ID, where), baggage.get_baggage(AGENT_NAME, where))


def tell(event: AboutRun | Awaited) -> None:
    """Tell everybody who has to know of runs."""
    for listener in listeners:
        listener.tell(event)


def _status_of(error: BaseException | None) -> FinishStatus:
    if error is None:
        return "complete"
    if isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)):
        return "cancelled"
    return "complete" if isinstance(error, SystemExit) and not error.code else "failed"
