"""The exporter's door: an OpenTelemetry ``SpanExporter`` under any processor and provider."""

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from prefactor_otel.doors.base import Door
from prefactor_otel.errors import PrefactorTerminatedError
from prefactor_otel.spans.sdk import without_own
from prefactor_otel.stats.log import logger


class PrefactorExporter(Door, SpanExporter):
    """Sends ended spans to Prefactor as the agent spans of one run; works under any processor.

    ``Door`` tells what all options and their sources are.
    """

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over ended spans; never raises. SUCCESS: accepted, and while the API is healthy
        also acknowledged. FAILURE: some were refused or dropped, which ``stats`` counts."""
        try:
            delivered = self._pipeline.deliver(without_own(spans))
        except Exception as error:
            logger.warning("Export failed: %s", type(error).__name__)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def span_started(self, span: ReadableSpan, parent_context: Context | None = None) -> None:
        """Tell the exporter that a span has started, so that open spans are visible; done by
        ``prefactor_otel.TracerProvider`` and ``SpanStartHook``."""
        try:
            self._pipeline.started(span, parent_context)
        except PrefactorTerminatedError:
            raise  # on request: on_terminate="raise"
        except Exception as error:
            logger.warning("A span's start was missed: %s", type(error).__name__)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True when every span exported before the call is acknowledged within the timeout."""
        return self._pipeline.flush(timeout_millis)

    def shutdown(self, *, timeout_millis: float | None = None) -> None:
        """Deliver what waits and finish the run, within ``timeout_millis`` (default: the option
        ``shutdown_timeout``). What could not be delivered is counted and logged in one line."""
        # Keyword-only on purpose: the SDK's processor passes what is left of its own 30 s to
        # every exporter whose shutdown takes the argument by position.
        self._pipeline.shutdown(timeout_millis)


class SpanStartHook(SpanProcessor):
    """Hands span starts to an exporter that sits behind another processor, which hides them."""

    def __init__(self, exporter: PrefactorExporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK for every span."""
        self._exporter.span_started(span, parent_context)


class AutoInstrumentationExporter(PrefactorExporter):
    """The exporter behind ``OTEL_TRACES_EXPORTER=prefactor``.

    The SDK's configurator sets the global provider before it builds the exporters, so this one
    can hook into span starts and read the resource without any code in the application.
    """

    def __init__(self) -> None:
        super().__init__()
        provider = trace.get_tracer_provider()
        if isinstance(provider, SdkTracerProvider):
            self._pipeline.bind(provider.resource.attributes)
            provider.add_span_processor(SpanStartHook(self))
