"""Staying out of the host's way: our own traffic is never traced."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
)
from opentelemetry.sdk.trace import ReadableSpan

OWN_TRACE: Final = int.from_bytes(b"prefactor's own!")
"""The trace of whatever is traced of our own work all the same."""

_UNSAMPLED: Final = trace.NonRecordingSpan(
    trace.SpanContext(OWN_TRACE, 1, False, trace.TraceFlags(0))
)


def is_own(span: ReadableSpan) -> bool:
    """Whether a span is of our own work. The thread on which it ends does not tell: a garbage
    collection on ours may end one of the agent's."""
    try:
        context = span.get_span_context()
    except Exception:  # no span at all; whoever reads it says so
        return False
    return context is not None and context.trace_id == OWN_TRACE


def without_own(spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
    """Those that are not of our own work."""
    try:
        return [s for s in spans if s.context.trace_id != OWN_TRACE]
    except Exception:  # some are no spans at all
        return [span for span in spans if not is_own(span)]


@contextmanager
def untraced() -> Iterator[None]:
    """Suppress every instrumentation for what runs inside, in this task or thread.

    The keys are those that ``opentelemetry.instrumentation.utils`` checks; the API package has
    no public name for them. They are set inside the worker's own tasks because a task keeps the
    context in which it was made, not the one of whoever wakes it. Some instrumentations (that of
    asyncio) do not check; under the unsampled parent the usual samplers drop their spans, and
    those that another sampler keeps are known by their trace.
    """
    values = context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)
    values = context.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, values)
    values = context.set_value("suppress_instrumentation", True, values)
    values = trace.set_span_in_context(_UNSAMPLED, values)
    token = context.attach(values)
    try:
        yield
    finally:
        context.detach(token)
