"""Nothing that the exporter does becomes a span or an exported log record."""

import json
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost, run_script

EVERYTHING_ON = """
import warnings
warnings.filterwarnings("ignore", category=DeprecationWarning)
import asyncio, json, logging, sys
from opentelemetry import _logs, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asyncio import AsyncioInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
provider, log_provider = TracerProvider(), LoggerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
log_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger().addHandler(LoggingHandler(logging.DEBUG, log_provider))
AioHttpClientInstrumentor().instrument()
AsyncioInstrumentor().instrument()
LoggingInstrumentor().instrument(enable_log_auto_instrumentation=False)

from prefactor_otel import PrefactorSpanProcessor

processor = PrefactorSpanProcessor(
    schedule_delay=0.05, probe_interval=0.05, shutdown_timeout=2
)
provider.add_span_processor(processor)
trace.get_tracer("agent").start_span("one").end()
processor.force_flush(1000)
logging.getLogger("app").warning("the application's own")
asyncio.run(asyncio.sleep(0))
provider.shutdown()
print(json.dumps({
    "spans": [span.name for span in spans.get_finished_spans()],
    "logs": [str(each.log_record.body) for each in logs.get_finished_logs()],
}))
"""
COROUTINES = "run,wait,_main,_request,_wait,send,write_bytes,resolve,sleep,execute"


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        (None, ""),
        ({"status": 401, "times": 3}, "refuses the API token"),
        ({"status": 503, "times": None}, "cannot be reached"),
    ],
)
def test_neither_traffic_nor_log_lines_are_exported_but_lines_are_shown(
    api: DevServer, fault: dict[str, Any] | None, shown: str
) -> None:
    if fault is not None:
        api.faults.add(path="/register", **fault)
    ended = run_script(
        EVERYTHING_ON,
        localhost(api),
        api.token,
        OTEL_PYTHON_ASYNCIO_COROUTINE_NAMES_TO_TRACE=COROUTINES,
        OTEL_PYTHON_ASYNCIO_FUTURE_TRACE_ENABLED="true",
    )
    assert ended.code == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [name for name in found["spans"] if name != "asyncio coro-sleep"] == ["one"]
    # The loop of the application says two things, in the development mode that this runs in.
    own, selector, close = found["logs"]
    assert own == "the application's own"
    assert selector.startswith("Using selector")
    assert close.startswith("Close <")
    assert shown in ended.stderr
