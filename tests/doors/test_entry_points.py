"""What the SDK's set-up makes of the name ``prefactor`` sees all that is recorded with its
provider, be that the global one before, afterwards or never."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from threading import Barrier, Thread
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

import prefactor_otel
from prefactor_otel import PrefactorExporter
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE

CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
ASKED = {"content": "Is it raining?"}

pytestmark = pytest.mark.usefixtures("api_environment")


def named(signal: str, **options: Any) -> Any:
    """What a set-up makes of the name ``prefactor``."""
    [entry] = entry_points(group=f"opentelemetry_{signal}_exporter", name="prefactor")
    return entry.load()(**options)


class Passing(SpanExporter):
    """An application's own, around another."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.inner.export(spans)

    def shutdown(self) -> None:
        self.inner.shutdown()


@pytest.fixture(params=[TracerProvider, prefactor_otel.TracerProvider])
def provider(request: pytest.FixtureRequest) -> Iterator[TracerProvider]:
    made = request.param(resource=Resource({"service.name": "weather"}), shutdown_on_exit=False)
    yield made
    made.shutdown()


@contextmanager
def open_agent(provider: TracerProvider) -> Iterator[None]:
    """An agent at its first step."""
    tracer = provider.get_tracer("app")
    root = tracer.start_as_current_span("agent", Context())
    with root, tracer.start_as_current_span("step"):
        yield


@pytest.mark.parametrize(
    "held",
    [
        BatchSpanProcessor,
        SimpleSpanProcessor,
        lambda exporter: BatchSpanProcessor(Passing(exporter)),
    ],
    ids=["batch", "simple", "wrapped"],
)
def test_the_first_span_of_the_provider_is_seen_while_it_is_open(
    api: DevServer, provider: TracerProvider, held: Callable[[SpanExporter], SpanProcessor]
) -> None:
    provider.add_span_processor(held(named("traces")))
    with open_agent(provider):
        assert api.wait_until(lambda api: api.spans())
        assert [row["status"] for row in api.spans()] == ["active"]
    assert names_of(api) == ["weather"]


def test_no_run_is_named_before_the_provider_is_known(api: DevServer) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "weather"}))
    provider.add_span_processor(BatchSpanProcessor(named("traces")))
    other = PrefactorExporter(agent_name="made later")
    assert api.wait_until(lambda api: names_of(api) == ["made later"])
    provider.get_tracer("app")
    assert api.wait_until(lambda api: names_of(api) == ["made later", "weather"])
    provider.shutdown()
    other.shutdown()


def names_of(api: DevServer) -> list[str]:
    """What the agents whose runs are registered are called."""
    bodies = [r.body for r in api.requests if r.path.endswith("/register")]
    return [body["agent_version"]["name"] for body in bodies]


@pytest.mark.parametrize("held", [BatchLogRecordProcessor, SimpleLogRecordProcessor])
def test_the_first_record_of_the_provider_goes_with_its_span(
    api: DevServer, provider: TracerProvider, held: Callable[[Any], LogRecordProcessor]
) -> None:
    provider.add_span_processor(SimpleSpanProcessor(named("traces")))
    loggers = LoggerProvider(shutdown_on_exit=False)
    loggers.add_log_record_processor(held(named("logs")))
    with provider.get_tracer("app").start_as_current_span("chat m", attributes=CALL):
        asked = LogRecord(event_name="gen_ai.user.message", body=ASKED)
        loggers.get_logger("app").emit(asked)
    assert prefactor_otel.flush()
    [row] = api.spans()
    question = {"role": "user", "content": "Is it raining?"}
    assert row["payload"]["inputs"]["messages"] == [question]
    loggers.shutdown()


def test_exporters_that_wait_together_are_told_of_their_own_provider_only(api: DevServer) -> None:
    first, second = named("traces", agent_name="one"), named("traces", agent_name="two")
    providers = [TracerProvider(shutdown_on_exit=False) for _ in "ab"]
    for provider, exporter in zip(providers, (second, first), strict=True):
        provider.add_span_processor(BatchSpanProcessor(exporter))
    with open_agent(providers[0]), open_agent(providers[1]):
        assert api.wait_until(lambda api: len(api.spans()) == 2)
        assert [row["status"] for row in api.spans()] == ["active", "active"]
    for provider in providers:
        provider.shutdown()
    assert len(api.instances()) == 2


def test_the_sdk_is_as_it_was_once_its_providers_are_used() -> None:
    asked = TracerProvider.get_tracer, LoggerProvider.get_logger
    spans, records = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    spans.add_span_processor(SimpleSpanProcessor(named("traces")))
    records.add_log_record_processor(SimpleLogRecordProcessor(named("logs")))
    spans.get_tracer("app"), records.get_logger("app")
    assert asked == (TracerProvider.get_tracer, LoggerProvider.get_logger)
    spans.shutdown()
    records.shutdown()


def test_one_whose_set_up_failed_is_not_waited_for() -> None:
    asked = TracerProvider.get_tracer
    with pytest.raises(ValueError, match="max_queue_size"):
        BatchSpanProcessor(named("traces"), max_queue_size=0)
    gc.collect()
    TracerProvider(shutdown_on_exit=False).get_tracer("app")
    assert asked == TracerProvider.get_tracer


def test_all_threads_that_use_a_provider_first_are_seen(api: DevServer) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(named("traces")))
    together, seen = Barrier(8), Barrier(9)

    def agent() -> None:
        together.wait(PATIENCE)
        with open_agent(provider):
            seen.wait(PATIENCE)

    threads = [Thread(target=agent, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert api.wait_until(lambda api: len(api.spans()) == 8)
    assert {row["status"] for row in api.spans()} == {"active"}
    seen.wait(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
    provider.shutdown()
    assert len(api.spans()) == 16


def test_a_provider_that_cannot_be_followed_works_and_a_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fixed(TracerProvider):
        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            if is_complete:
                raise LookupError
            super().add_span_processor(span_processor)

    is_complete = False
    provider = Fixed(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(named("traces")))
    is_complete = True
    with open_agent(provider):
        assert caplog.messages == ["A provider cannot be followed: LookupError"]
    provider.shutdown()
