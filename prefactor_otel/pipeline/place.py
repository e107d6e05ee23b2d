"""Where a span starts: in which explicit run and session, and whether that run is terminated."""

from opentelemetry import trace
from opentelemetry.context import Context

from prefactor_otel.config.options import Config
from prefactor_otel.host.termination import TerminatedRun, current_task, stop_here
from prefactor_otel.mapping import session_of
from prefactor_otel.pipeline.graphs import note_start
from prefactor_otel.pipeline.off import Off
from prefactor_otel.pipeline.worker import Worker
from prefactor_otel.runs import explicit
from prefactor_otel.runs.caller import Caller, caller_in
from prefactor_otel.runs.events import NOWHERE, Place
from prefactor_otel.runs.naming import UNNAMED
from prefactor_otel.spans.source import Source
from prefactor_otel.spans.view import SpanKey


def place_of(span: object, where: Context | None, worker: Worker | Off) -> Place:
    """Where a span starts. Raises ``PrefactorTerminatedError`` where its run was terminated and the
    agent is to be stopped by that."""
    if isinstance(worker, Off):
        return NOWHERE
    config = worker.config
    source = worker.inbox.reader.source(span)
    if source is None:
        return NOWHERE
    note_start(source)
    is_root = source.parent is None
    place = _place_in(where, config, asks_for_agent=is_root or worker.has_terminated)
    if worker.has_terminated:
        known = place._replace(session=place.session or session_of(source.attributes))
        first = source if is_root else worker.inbox.reader.source(trace.get_current_span(where))
        terminated = worker.terminated_at(source.parent, known, first)
        if terminated is not None:
            stop_here(terminated, config.on_terminate)
    if is_root and config.run_propagation and place.caller is None and place.handle is None:
        place = place._replace(begins=worker.begun.begin(source.key.trace_id))
    cancels = is_root and config.on_terminate == "cancel"
    return place._replace(task=current_task()) if cancels else place


def terminated_in(
    where: Context | None, worker: Worker | Off, graph: Source | None = None
) -> TerminatedRun | None:
    """The run that a span would belong to that started in this context, or in the ``graph`` with
    this span at its top, if it was terminated."""
    if isinstance(worker, Off) or worker.is_closing:
        return None
    place = _place_in(where, worker.config, asks_for_agent=True)
    if graph is not None:
        return worker.terminated_at(graph.key, place, graph)
    span = trace.get_current_span(where)
    named = span.get_span_context()
    is_here = named.is_valid and not named.is_remote
    above = SpanKey(named.trace_id, named.span_id) if is_here else None
    return worker.terminated_at(above, place, worker.inbox.reader.source(span))


def _place_in(where: Context | None, config: Config, *, asks_for_agent: bool) -> Place:
    """What a context tells."""
    opened = explicit.run_in(where)
    session = explicit.session_in_context(where) if config.run_scope == "session" else None
    is_asked = asks_for_agent and config.tenants is not None
    agent = explicit.agent_in_context(where) if is_asked else UNNAMED
    caller = caller_in(where) if config.run_propagation else None
    return Place(opened.key if opened is not None else None, session, None, agent, caller)


def caller_at(where: Context | None, worker: Worker | Off) -> Caller | None:
    """What to tell another process that is called in this context; None where its work is to be no
    part of a run of this process, or where that run cannot be named yet."""
    if isinstance(worker, Off) or worker.is_closing or not worker.config.run_propagation:
        return None
    source = worker.inbox.reader.source(trace.get_current_span(where))
    if source is None:  # nothing of this process lies in between
        return caller_in(where)
    place = _place_in(where, worker.config, asks_for_agent=True)
    return worker.called_from(source, place._replace(begins=worker.begun.of(source.key.trace_id)))
