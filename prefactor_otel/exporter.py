"""The exporter's door: an OpenTelemetry ``SpanExporter`` under any processor and provider."""

from collections.abc import Sequence
from typing import Unpack

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from prefactor_http.models.types import FinishStatus
from prefactor_otel.config import Options
from prefactor_otel.ledger import Stats, logger
from prefactor_otel.pipeline import Pipeline


class PrefactorExporter(SpanExporter):
    """Sends ended spans to Prefactor as the agent spans of one run.

    The run is registered and started in the background at construction and finished at shutdown.
    Arguments win over environment variables, which win over defaults; ``README`` lists them all.
    Construction does no network I/O and raises only ``PrefactorConfigError``: for an argument
    that cannot be used, and with ``strict=True`` for missing settings.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_token: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._pipeline = Pipeline(api_url, api_token, **options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} run_id={self.run_id}>"

    @property
    def run_id(self) -> str | None:
        """The agent instance's id; None until it is registered."""
        return self._pipeline.run_id

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over ended spans; never raises. SUCCESS: accepted, and while the API is healthy
        also acknowledged. FAILURE: some were refused or dropped, which ``stats`` counts."""
        try:
            delivered = self._pipeline.deliver(spans)
        except Exception as error:
            logger.warning("Export failed: %s", type(error).__name__)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def span_started(self, span: ReadableSpan) -> None:
        """Tell the exporter that a span has started, so that open spans are visible; done by
        ``prefactor_otel.TracerProvider`` and ``SpanStartHook``."""
        try:
            self._pipeline.started(span)
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

    def set_run_status(self, status: FinishStatus) -> None:
        """How the run will be finished: complete, failed or cancelled."""
        self._pipeline.set_run_status(status)

    def stats(self) -> Stats:
        """What became of the spans, in one consistent snapshot."""
        return self._pipeline.stats()

    @property
    def pipeline(self) -> Pipeline:
        """For the processor and provider of this package."""
        return self._pipeline


class SpanStartHook(SpanProcessor):
    """Hands span starts to an exporter that sits behind another processor, which hides them."""

    def __init__(self, exporter: PrefactorExporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK for every span."""
        self._exporter.span_started(span)


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
