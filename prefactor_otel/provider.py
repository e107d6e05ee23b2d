"""The SDK's provider with span starts and an honest flush, and the one-line set-up."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Unpack

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from prefactor_otel.config import Options
from prefactor_otel.credential import TokenSource
from prefactor_otel.exporter import PrefactorExporter, SpanStartHook
from prefactor_otel.ledger import logger
from prefactor_otel.processor import PrefactorSpanProcessor

_WRAPPERS_DEEP = 4
"""Processors and exporters inside each other that are searched for ours."""


class TracerProvider(SdkTracerProvider):
    """The SDK's ``TracerProvider`` plus ``span_processors``.

    It hands span starts to every ``PrefactorExporter`` that it finds behind a processor, and its
    ``force_flush`` reaches those exporters: the SDK's own drains the processors and returns True
    whatever became of the spans.
    """

    def __init__(
        self,
        sampler: Sampler | None = None,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        active_span_processor: SynchronousMultiSpanProcessor
        | ConcurrentMultiSpanProcessor
        | None = None,
        id_generator: IdGenerator | None = None,
        span_limits: SpanLimits | None = None,
        *,
        span_processors: Sequence[SpanProcessor] = (),
        **newer: Any,
    ) -> None:
        # ``newer``: keywords that only some versions of the SDK know, such as meter_provider.
        super().__init__(
            sampler,
            resource,
            shutdown_on_exit,
            active_span_processor,
            id_generator,
            span_limits,
            **newer,
        )
        self._exporters: list[PrefactorExporter] = []
        self._added: list[SpanProcessor] = []
        self._flushes_itself = active_span_processor is not None
        for processor in span_processors:
            self.add_span_processor(processor)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Register a processor; a ``PrefactorExporter`` behind it will see span starts."""
        for exporter in _exporters_behind(span_processor):
            if exporter not in self._exporters:
                self._exporters.append(exporter)
                exporter.pipeline.bind(self.resource.attributes)
                exporter.pipeline.ends_with(self.shutdown)
                super().add_span_processor(SpanStartHook(exporter))
        if isinstance(span_processor, PrefactorSpanProcessor):
            span_processor.pipeline.bind(self.resource.attributes)
            span_processor.pipeline.ends_with(self.shutdown)
        self._added.append(span_processor)
        super().add_span_processor(span_processor)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True when every span that ended before the call has left every processor and is
        acknowledged by Prefactor; False at the deadline."""
        deadline = time.monotonic() + timeout_millis / 1000
        with ExitStack() as stack:
            for exporter in self._exporters:
                stack.enter_context(exporter.pipeline.nobody_waits())
            flushed = self._flush_processors(deadline)
        for exporter in self._exporters:
            flushed = exporter.force_flush(_left(deadline)) and flushed
        return flushed

    def _flush_processors(self, deadline: float) -> bool:
        if self._flushes_itself:
            return super().force_flush(_left(deadline))
        # Not the SDK's own loop: it stops at the first processor whose answer is not true, and
        # in SDKs up to at least 1.41 the batch processor answers None when all is well.
        answers = [each.force_flush(_left(deadline)) for each in self._added]
        return all(answer is not False for answer in answers)

    def shutdown(self) -> None:
        """Shut down every processor, and with it the run."""
        with ExitStack() as stack:
            for exporter in self._exporters:
                stack.enter_context(exporter.pipeline.nobody_waits())
            super().shutdown()


def configure(
    api_url: str | None = None,
    api_token: str | TokenSource | None = None,
    *,
    resource: Resource | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[Options],
) -> SdkTracerProvider:
    """Send every span of this process to Prefactor, live.

    Adds a ``PrefactorSpanProcessor`` to the global provider, or sets a provider where there is
    none. Called again, it changes nothing, says so once, and returns the same provider. Raises
    only ``PrefactorConfigError``, as the processor does.
    """
    current = trace.get_tracer_provider()
    if isinstance(current, SdkTracerProvider):
        if _is_configured(current):
            logger.warning("configure() was called twice; the first call stays in force")
            return current
        processor = PrefactorSpanProcessor(
            api_url, api_token, meter_provider=meter_provider, **options
        )
        processor.pipeline.bind(current.resource.attributes)
        current.add_span_processor(processor)
        return current
    processor = PrefactorSpanProcessor(api_url, api_token, meter_provider=meter_provider, **options)
    provider = TracerProvider(resource=resource, span_processors=[processor])
    trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        logger.warning(
            "Another library has set a tracer provider of its own; spans made with that one "
            "do not reach Prefactor"
        )
    return provider


def _left(deadline: float) -> int:
    """Milliseconds until a time of the monotonic clock."""
    return max(0, round((deadline - time.monotonic()) * 1000))


def _is_configured(provider: SdkTracerProvider) -> bool:
    return any(isinstance(inner, PrefactorSpanProcessor) for inner in _inside(provider))


def _exporters_behind(processor: SpanProcessor) -> Iterator[PrefactorExporter]:
    return (inner for inner in _inside(processor) if isinstance(inner, PrefactorExporter))


def _inside(outer: object) -> Iterator[object]:
    """The processors and exporters that an object holds, itself included. There is no public
    way to ask a processor for its exporter, and users wrap both, so attributes are searched."""
    layer, seen = [outer], {id(outer)}
    for _ in range(_WRAPPERS_DEEP):
        yield from layer
        held = [value for holder in layer for value in _held_by(holder) if id(value) not in seen]
        seen.update(map(id, held))
        layer = held


def _held_by(holder: object) -> Iterable[object]:
    for value in vars(holder).values() if hasattr(holder, "__dict__") else ():
        for single in value if isinstance(value, (list, tuple)) else (value,):
            if (
                isinstance(single, (SpanProcessor, SpanExporter))
                or type(single).__name__ == "BatchProcessor"
            ):
                yield single
