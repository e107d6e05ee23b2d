"""Runs that somebody has stopped on the platform, and how their agent is stopped.

No I/O. The platform tells it in answers (``control``) or when it is asked for the run.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal
from weakref import ReferenceType, WeakValueDictionary, ref

from prefactor_otel.errors import PrefactorTerminatedError
from prefactor_otel_transport.daemon import in_daemon

_events: Final[WeakValueDictionary[str, threading.Event]] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class TerminatedRun:
    """A run that was stopped: the agent instance's id, and what it had seen so far. ``at_ns`` is
    the time at which this process learnt it, in nanoseconds since the epoch."""

    id: str
    at_ns: int
    reason: str | None = None
    trace_ids: tuple[int, ...] = ()
    sessions: tuple[str, ...] = ()
    agent: str | None = None
    """What its agent is called, as far as that is known: a process may have several."""


OnTerminate = Literal["raise", "cancel"] | Callable[[TerminatedRun, str | None], object]
Task = ReferenceType["asyncio.Task[object]"]


def usable_reaction(value: object) -> OnTerminate:
    """A value of the option ``on_terminate``. Raises ``ValueError``."""
    if value == "raise" or value == "cancel" or callable(value):
        return value
    raise ValueError("must be raise, cancel, or a function of the run and the reason")


def event_of(handle: str) -> threading.Event:
    """The event of an explicit run, which is set when that is terminated."""
    return _events.setdefault(handle, threading.Event())


def terminate_of(answer: Mapping[str, object]) -> tuple[bool, str | None]:
    """Whether an answer of the API says that its run is to stop, and why. The flag stands beside
    the details of what was asked for; the interface of the bulk request leaves open whether it
    may stand in them."""
    details = answer.get("details")
    inner = details.get("control") if isinstance(details, dict) else None
    beside = answer.get("control")
    if beside is None and inner is None:  # of almost every span
        return False, None
    for control in (beside, inner):
        if isinstance(control, dict) and control.get("terminate") is True:
            return True, _text(control.get("reason"))
    return False, None


def terminated_instance(answer: Mapping[str, object]) -> tuple[bool, str | None]:
    """The same of an answer that shows the run itself."""
    details = answer.get("details")
    if not isinstance(details, dict) or details.get("status") != "terminated":
        return terminate_of(answer)
    return True, _text(details.get("termination_reason"))


def current_task() -> Task | None:
    """The asyncio task that the caller runs in."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return None
    return ref(task) if task is not None else None


def stop_here(run: TerminatedRun, reaction: OnTerminate | None) -> None:
    """Stop the agent in the thread that is about to begin a step of a terminated run: raise
    ``PrefactorTerminatedError``, or cancel the task that it runs in."""
    if reaction == "raise":
        raise error_of(run)
    if reaction == "cancel":
        task = current_task()
        if task is None:
            raise error_of(run)
        cancel([task])


def error_of(run: TerminatedRun) -> PrefactorTerminatedError:
    """What is raised to stop the agent. Where LangGraph is in use it is also what that lets through
    to the graph's caller: any other error it may try again, or tell a model as a tool's."""
    errors = sys.modules.get("langgraph.errors")
    through: object = getattr(errors, "GraphBubbleUp", None)
    is_class = isinstance(through, type) and issubclass(through, Exception)
    kind = _getting_through(through) if is_class else PrefactorTerminatedError
    return kind(run.id, run.reason)


@cache
def _getting_through(base: type[Exception]) -> type[PrefactorTerminatedError]:
    """The same error, of this class too; elsewhere, after pickling, it is the plain one."""
    plain = PrefactorTerminatedError
    members = {
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
        "__reduce__": lambda error: (plain, (error.run_id, error.reason)),
    }
    return type(plain.__name__, (plain, base), members)


def announce(
    run: TerminatedRun,
    reaction: OnTerminate | None,
    tasks: Iterable[Task],
    warn: Callable[[str], None],
) -> None:
    """Tell the application at once, without waiting for it: call its function in a thread of its
    own, or cancel the tasks of the run's roots. Never raises."""
    if reaction == "cancel":
        cancel(tasks)
    elif callable(reaction):
        try:
            in_daemon(lambda: _call(reaction, run, warn), "prefactor-on-terminate")
        except RuntimeError:  # the interpreter ends, and takes the agent along
            return


def cancel(tasks: Iterable[Task]) -> None:
    """Cancel tasks, from any thread."""
    for reference in tasks:
        task = reference()
        if task is None or task.done():
            continue
        try:
            task.get_loop().call_soon_threadsafe(task.cancel)
        except RuntimeError:  # its loop has closed
            continue


def _call(
    reaction: Callable[[TerminatedRun, str | None], object],
    run: TerminatedRun,
    warn: Callable[[str], None],
) -> None:
    try:
        reaction(run, run.reason)
    except Exception as error:
        warn(f"on_terminate raised {type(error).__name__}")


def _text(reason: object) -> str | None:
    return reason if isinstance(reason, str) and reason else None
