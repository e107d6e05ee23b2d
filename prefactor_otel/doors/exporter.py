"""The exporter's door: an OpenTelemetry ``SpanExporter`` under any processor and provider."""

from collections.abc import Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from prefactor_otel.doors.base import Door, doors_of
from prefactor_otel.doors.propagation import propagate_runs
from prefactor_otel.errors import PrefactorTerminatedError
from prefactor_otel.host.first_use import FirstUses
from prefactor_otel.host.nesting import OF_SPANS
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.spans.sdk import READER, without_own
from prefactor_otel.stats.log import logger


class PrefactorExporter(Door, SpanExporter):
    """Sends ended spans to Prefactor as the agent spans of one run; works under any processor.

    ``Door`` tells what all options and their sources are.
    """

    _has_looked = False
    """Whether this has looked for other doors."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over ended spans; never raises. SUCCESS: accepted, and while the API is healthy
        also acknowledged. FAILURE: some were refused or dropped, which ``stats`` counts."""
        try:
            if not self._has_looked:
                self._look_around()
            delivered = self._pipeline.deliver(without_own(spans))
        except Exception as error:
            logger.warning("Export failed: %s", type(error).__name__)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def _look_around(self) -> None:
        """Say so once where another door of the same provider sends the same."""
        self._has_looked = True
        doors = [door for door in doors_of(trace.get_tracer_provider()) if door is not self]
        if any(door.pipeline.sends_as(self._pipeline) for door in doors):
            logger.warning(
                "The tracer provider hands its spans to Prefactor by two doors, so each arrives "
                "twice: keep one of them"
            )

    def span_started(self, span: ReadableSpan, parent_context: Context | None = None) -> None:
        """Tell the exporter that a span has started, so that open spans are visible; done by
        ``prefactor_otel.TracerProvider`` and ``SpanStartHook``."""
        try:
            self._pipeline.started(span, parent_context)
        except PrefactorTerminatedError:
            raise  # on request: on_terminate="raise"
        except Exception as error:
            logger.warning("A span's start was missed: %s", type(error).__name__)

    def follow(self, provider: SdkTracerProvider) -> None:
        """See the starts of this provider's spans, and its resource; done by
        ``prefactor_otel.TracerProvider``, and for exporters that the SDK's set-up has made."""
        if provider not in self._pipeline.owners:
            self._pipeline.owners.add(provider)
            self._pipeline.bind(provider.resource.attributes)
            provider.add_span_processor(SpanStartHook(self))

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
        exporter.pipeline.see_starts()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK for every span."""
        self._exporter.span_started(span, parent_context)


_DESCRIBED_LATER: Final = READER._replace(described_later=True)


class AutoInstrumentationExporter(PrefactorExporter):
    """The exporter behind ``OTEL_TRACES_EXPORTER=prefactor``, and behind ``prefactor:`` in a
    configuration file (``OTEL_CONFIG_FILE``), whose keys there are the options.

    It sees span starts and the resource without any code in the application, from the first span
    that is made with its provider. What cannot be used of a file is named in one log line, and the
    exporter stays off.
    """

    def __init__(self, /, **options: object) -> None:
        self._pipeline = Pipeline(_DESCRIBED_LATER, in_file=options)
        if not self._pipeline.is_closing:  # it is not off
            self._propagate()
            _FIRST_USES.tell(self, AutoInstrumentationExporter._is_used_by)

    def _is_used_by(self, provider: SdkTracerProvider) -> None:
        self.follow(provider)
        self._propagate()  # a file has set a propagator of its own by now

    def _propagate(self) -> None:
        if self._pipeline.propagates_runs:
            propagate_runs()


_FIRST_USES: Final[FirstUses[AutoInstrumentationExporter, SdkTracerProvider]] = FirstUses(
    SdkTracerProvider, "get_tracer", OF_SPANS
)
