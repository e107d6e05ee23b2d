"""The graphs of LangChain and LangGraph, which swallow what the start of a span raises: with
``on_terminate="raise"`` they are stopped by a callback of their own."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Protocol
from weakref import ReferenceType, ref

from prefactor_otel.host.imports import when_imported
from prefactor_otel.host.termination import TerminatedRun, error_of
from prefactor_otel.living import Living
from prefactor_otel.spans.source import Source
from prefactor_otel.stats.log import logger, place_of

_MODULE: Final = "langchain_core.tracers.context"


class Stopping(Protocol):
    """What knows of terminated runs, and whose agents are stopped by an exception."""

    @property
    def is_closing(self) -> bool: ...

    def watch_graphs(self) -> None: ...

    def stopped_in(self, graph: Source | None) -> TerminatedRun | None: ...


class Graph:
    """One run of a graph. ``span`` is the first that has started in it: that of an instrumentation,
    which tells nobody else that it is in there."""

    __slots__ = ("__weakref__", "span")

    def __init__(self) -> None:
        self.span: Source | None = None


_latest: Final[ContextVar[ReferenceType[Graph]]] = ContextVar("prefactor-graph")
"""The graph, or step of one, that has begun last in a context: the next span is its own."""

_stopping: Final[Living[Stopping]] = Living()
_is_watching = False


def watch(stopping: Stopping) -> None:
    """From now on graphs of terminated runs are stopped, as soon as LangChain is in use."""
    global _is_watching
    _stopping.add(stopping)
    if _handlers_are_there:
        stopping.watch_graphs()
    elif not _is_watching:
        _is_watching = True
        when_imported(_MODULE, _add_handlers)


def note_start(span: Source) -> None:
    """A span starts here."""
    latest = _latest.get(None)
    graph = latest() if latest is not None else None
    if graph is not None and graph.span is None:
        graph.span = span


def have_begun() -> bool:
    """Whether there is any graph here that is asked about before each step."""
    return _have_begun


_handlers_are_there = False
_have_begun = False


def _add_handlers() -> None:
    global _handlers_are_there
    from prefactor_otel.pipeline.langchain import add_handlers

    add_handlers(_new_check)
    _handlers_are_there = True
    for each in _stopping:
        each.watch_graphs()


def _new_check() -> Callable[[], None] | None:
    """A graph begins, or a step of one. What is to be called before each of its steps; None where
    nobody is to be stopped any more."""
    global _have_begun
    if all(each.is_closing for each in _stopping):
        return None
    _have_begun = True
    graph = Graph()
    _latest.set(ref(graph))
    return lambda: _check(graph)


def _check(graph: Graph) -> None:
    """Raise ``PrefactorTerminatedError`` where the run that a graph is in has been terminated."""
    for each in _stopping:
        try:
            run = each.stopped_in(graph.span)
        except Exception as error:
            logger.debug("A graph could not be looked at: %s", place_of(error))
            continue
        if run is not None:
            raise error_of(run)
