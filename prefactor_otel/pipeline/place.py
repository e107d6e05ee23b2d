"""Where a span starts: in which explicit run and session, and whether that run is terminated."""

from opentelemetry import trace
from opentelemetry.context import Context

from prefactor_otel.config.options import Config
from prefactor_otel.host.termination import TerminatedRun, current_task, stop_here
from prefactor_otel.mapping import session_of
from prefactor_otel.pipeline.off import Off
from prefactor_otel.pipeline.worker import Worker
from prefactor_otel.runs import explicit
from prefactor_otel.runs.events import NOWHERE, Place
from prefactor_otel.spans.view import SpanKey


def place_of(span: object, where: Context | None, worker: Worker | Off) -> Place:
    """Where a span starts. Raises ``PrefactorTerminatedError`` where its run was terminated and the
    agent is to be stopped by that."""
    if isinstance(worker, Off):
        return NOWHERE
    config = worker.config
    handle, session = _named_in(where, config)
    source = worker.inbox.reader.source(span)
    if source is None:
        return NOWHERE
    if worker.has_terminated:
        known = session or session_of(source.attributes)
        terminated = worker.terminated_at(source.parent, known, handle)
        if terminated is not None:
            stop_here(terminated, config.on_terminate)
    cancels = source.parent is None and config.on_terminate == "cancel"
    return Place(handle, session, current_task() if cancels else None)


def terminated_in(where: Context | None, worker: Worker | Off) -> TerminatedRun | None:
    """The run that a span would belong to that started in this context, if it was terminated."""
    if isinstance(worker, Off) or worker.is_closing:
        return None
    handle, session = _named_in(where, worker.config)
    span = trace.get_current_span(where).get_span_context()
    is_here = span.is_valid and not span.is_remote
    above = SpanKey(span.trace_id, span.span_id) if is_here else None
    return worker.terminated_at(above, session, handle)


def _named_in(where: Context | None, config: Config) -> tuple[str | None, str | None]:
    """The explicit run and the session that a context names."""
    opened = explicit.run_in(where)
    session = explicit.session_in_context(where) if config.run_scope == "session" else None
    return opened.key if opened is not None else None, session
