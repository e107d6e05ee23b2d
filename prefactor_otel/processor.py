"""The live door: a span processor that sees starts and ends, and batches by itself."""

from typing import Unpack

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from prefactor_http.models.types import FinishStatus
from prefactor_otel.config import Options
from prefactor_otel.ledger import Stats, logger
from prefactor_otel.pipeline import Pipeline


class PrefactorSpanProcessor(SpanProcessor):
    """Sends spans to Prefactor live: a run and its open agents are visible while they work.

    Add it to any SDK ``TracerProvider``. Takes the same options as ``PrefactorExporter``, and
    makes the same promises about construction.
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

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Called by the SDK when a span starts; returns at once and never raises."""
        try:
            self._pipeline.started(span)
        except Exception as error:
            logger.warning("A span's start was missed: %s", type(error).__name__)

    def on_end(self, span: ReadableSpan) -> None:
        """Called by the SDK when a span ends; returns at once and never raises."""
        try:
            if span.context is not None and span.context.trace_flags.sampled:
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

    def set_run_status(self, status: FinishStatus) -> None:
        """How the run will be finished: complete, failed or cancelled."""
        self._pipeline.set_run_status(status)

    def stats(self) -> Stats:
        """What became of the spans, in one consistent snapshot."""
        return self._pipeline.stats()

    @property
    def pipeline(self) -> Pipeline:
        """For the provider of this package."""
        return self._pipeline
