"""Staying out of the host's way: our own traffic is never traced."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    _SUPPRESS_INSTRUMENTATION_KEY,
)

OWN_TRACE: Final = int.from_bytes(b"prefactor's own!")
"""The trace of whatever is traced of our own work all the same."""

_UNSAMPLED: Final = trace.NonRecordingSpan(
    trace.SpanContext(OWN_TRACE, 1, False, trace.TraceFlags(0))
)


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
