"""The SDK's provider with span starts and an honest flush, and the one-line set-up."""

import atexit
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, Unpack, cast

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
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from prefactor_otel.config.options import Options
from prefactor_otel.config.token import TokenSource
from prefactor_otel.doors.base import Door, Handle, doors_of
from prefactor_otel.doors.exporter import PrefactorExporter
from prefactor_otel.doors.processor import PrefactorSpanProcessor
from prefactor_otel.doors.propagation import propagate_runs
from prefactor_otel.host.exits import milliseconds_to
from prefactor_otel.host.nesting import exporters_in
from prefactor_otel.stats.log import logger


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
                exporter.follow(self)
        if isinstance(span_processor, PrefactorSpanProcessor):
            span_processor.pipeline.bind(self.resource.attributes)
            span_processor.pipeline.owners.add(self)
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
            flushed = exporter.force_flush(milliseconds_to(deadline)) and flushed
        return flushed

    def _flush_processors(self, deadline: float) -> bool:
        if self._flushes_itself:
            return super().force_flush(milliseconds_to(deadline))
        # Not the SDK's own loop: it stops at the first processor whose answer is not true, and
        # in SDKs up to at least 1.41 the batch processor answers None when all is well.
        answers = [each.force_flush(milliseconds_to(deadline)) for each in self._added]
        return all(answer is not False for answer in answers)

    def shutdown(self) -> None:
        """Shut down every processor, and with it the run."""
        with ExitStack() as stack:
            for exporter in self._exporters:
                stack.enter_context(exporter.pipeline.nobody_waits())
            super().shutdown()


class ConfiguredProvider(SdkTracerProvider, Handle):
    """What ``configure`` returns: the global provider, and a handle on the run of the process.

    It is whatever provider it was before, with ``stats``, ``run_id``, ``terminated`` and
    ``set_run_status`` beside the provider's own ``force_flush`` and ``shutdown``.
    """

    # The provider comes first: an object takes the class only if that has its layout.

    def __init_subclass__(cls, **_: object) -> None:
        """Asks nothing of the application's own class, and tells it nothing: what that wants of
        its subclasses is not meant for what is made in here."""


class _SetUp(NamedTuple):
    """What ``configure`` meets, or has made."""

    asked: trace.TracerProvider
    """The global provider, which may be another library's and not the SDK's."""
    provider: SdkTracerProvider
    door: Door | None
    """What the provider sends by; None before there is anything."""


_latest: _SetUp | None = None
"""What the last call of ``configure`` has made: not every provider shows what it holds."""

_NO_EFFECT: Final = (
    "Spans are sent to Prefactor already, by settings that configure() does not change: "
    "no effect of %s"
)


def configure(
    api_url: str | None = None,
    api_token: str | TokenSource | None = None,
    *,
    resource: Resource | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[Options],
) -> ConfiguredProvider:
    """Send every span of this process to Prefactor, live.

    Adds a ``PrefactorSpanProcessor`` to the global provider, or sets a provider where there is
    none, and returns that provider, with a handle on the run. Where spans are sent already, by an
    earlier call, a processor, an exporter or the zero-code entry point, it changes nothing, names
    options that have no effect for that reason, and returns a handle on what is there; where that
    is shut down or off, it begins anew, on the same provider. Content that instrumentations put
    into log records is shown as well, where the SDK's logger provider is set by then. Raises only
    ``PrefactorConfigError``, as the processor does.
    """
    global _latest
    _open_log_door()
    asked = trace.get_tracer_provider()
    found = _found_in(asked)
    if found is not None and found.door is not None and not found.door.pipeline.is_closing:
        ignored = found.door.pipeline.differing(
            api_url, api_token, meter_provider=meter_provider, **options
        )
        if resource is not None and not _says(found.provider.resource, resource):
            ignored.append("resource")
        if ignored:
            logger.warning(_NO_EFFECT, ", ".join(sorted(ignored)))
        return _with_handle(found.provider, found.door)
    processor = PrefactorSpanProcessor(api_url, api_token, meter_provider=meter_provider, **options)
    if processor.pipeline.propagates_runs:
        propagate_runs()
    _latest = _set_up(found, processor, resource)
    return _with_handle(_latest.provider, processor)


def _open_log_door() -> None:
    """Only where the SDK's logs are in use: whoever does not log need not wait for their import."""
    if "opentelemetry.sdk._logs" in sys.modules:
        from prefactor_otel.doors.logs import open_log_door

        open_log_door()


def _found_in(asked: trace.TracerProvider) -> _SetUp | None:
    """What the global provider sends by; of several doors one that is open, if there is any."""
    provider = asked if isinstance(asked, SdkTracerProvider) else None
    doors = doors_of(provider)
    if _latest is not None and _latest.asked is asked:
        provider = _latest.provider
        doors += [_latest.door] if _latest.door is not None else []
    if provider is None:
        return None
    open_first = sorted(doors, key=lambda door: door.pipeline.is_closing)
    return _SetUp(asked, provider, open_first[0] if open_first else None)


def _set_up(
    found: _SetUp | None, processor: PrefactorSpanProcessor, resource: Resource | None
) -> _SetUp:
    """Let a provider send by this processor: a new one, where none was found."""
    if found is None:
        provider = _new_global(processor, resource)
        return _SetUp(trace.get_tracer_provider(), provider, processor)
    door: Door = processor
    if isinstance(found.door, PrefactorSpanProcessor):  # a provider gives no processor back
        found.door.lead_to(processor.pipeline)
        _end_at_exit(found.door)
        door = found.door
    else:
        found.provider.add_span_processor(processor)
    processor.pipeline.bind(found.provider.resource.attributes)
    return found._replace(door=door)


def _says(whole: Resource, part: Resource) -> bool:
    return all(whole.attributes.get(name) == value for name, value in part.attributes.items())


def _new_global(processor: PrefactorSpanProcessor, resource: Resource | None) -> TracerProvider:
    provider = TracerProvider(resource=resource, span_processors=[processor])
    trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        logger.warning(
            "Another library has set a tracer provider of its own; spans made with that one "
            "do not reach Prefactor"
        )
    return provider


def _end_at_exit(processor: PrefactorSpanProcessor) -> None:
    """As its provider did, until that was shut down itself."""
    atexit.unregister(processor.shutdown)
    atexit.register(processor.shutdown)


def _with_handle(provider: SdkTracerProvider, door: Door) -> ConfiguredProvider:
    """The same object, with a handle on the run of this door."""
    try:
        if not isinstance(provider, ConfiguredProvider):
            base = provider.__class__  # the application may have a class of its own for it
            provider.__class__ = type("ConfiguredProvider", (ConfiguredProvider, base), {})
        assert isinstance(provider, ConfiguredProvider)
        provider.lead_to(door.pipeline)
    except Exception as error:  # an object of the application's may refuse anything
        logger.warning(
            "Spans are sent, but configure() cannot add stats(), run_id, terminated and "
            "set_run_status() to a provider of the class %s (%s): they are on a "
            "PrefactorSpanProcessor that you add to it instead of calling configure()",
            *(type(provider).__name__, type(error).__name__),
        )
    return cast(ConfiguredProvider, provider)


def _exporters_behind(processor: SpanProcessor) -> Iterator[PrefactorExporter]:
    return (inner for inner in exporters_in(processor) if isinstance(inner, PrefactorExporter))
