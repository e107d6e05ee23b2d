"""The live door: a span processor that sees starts and ends, and batches by itself."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from prefactor_otel.doors.base import Door
from prefactor_otel.errors import PrefactorTerminatedError
from prefactor_otel.host.suppress import OWN_TRACE
from prefactor_otel.stats.log import logger


class PrefactorSpanProcessor(Door, SpanProcessor):
    """Sends spans to Prefactor live: a run and its open agents are visible while they work.

    Add it to any SDK ``TracerProvider``. Takes the same options as ``PrefactorExporter``, and
    makes the same promises about construction.
    """

    _is_told_of_starts = True

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK when a span starts; returns at once. Raises only what
        ``on_terminate`` asks for."""
        try:
            self._pipeline.started(span, parent_context)
        except PrefactorTerminatedError:
            raise  # on request: on_terminate="raise"
        except Exception as error:
            logger.warning("A span's start was missed: %s", type(error).__name__)

    def on_end(self, span: ReadableSpan) -> None:
        """Called by the SDK when a span ends; returns at once and never raises."""
        try:
            context = span.context
            if (
                context is not None
                and context.trace_flags.sampled
                and context.trace_id != OWN_TRACE
            ):
                self._pipeline.ended((span,))
        except Exception as error:
            logger.warning("A span was lost: %s", type(error).__name__)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True when every span that ended before the call is acknowledged; False at the
        deadline, or when one of them was lost."""
        return self._pipeline.flush(timeout_millis)

    def shutdown(self) -> None:
        """Finish open spans as cancelled, deliver what waits and finish the run, within the
        option ``shutdown_timeout``."""
        self._pipeline.shutdown()
