"""A trace through several services, each of which sends its spans to the gateway by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from prefactor_otel.devserver import DevServer
from tests.gateway.process import Gateway, before
from tests.patience import PATIENCE
from tests.serving import serving

W3C = TraceContextTextMapPropagator()


@contextmanager
def service(name: str, gateway: Gateway) -> Iterator[TracerProvider]:
    """The provider of a service, whose spans go out as they end."""
    provider = TracerProvider(resource=Resource({"service.name": name}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{gateway.url}/v1/traces", timeout=PATIENCE)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@contextmanager
def weather(provider: TracerProvider) -> Iterator[str]:
    """The URL of a service that takes part in the traces of those who ask it."""
    tracer = provider.get_tracer("weather")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            where = W3C.extract(self.headers)
            with tracer.start_as_current_span("GET /", where, kind=SpanKind.SERVER):
                tracer.start_span("look out").end()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


def ask(provider: TracerProvider, url: str) -> None:
    """One task of an agent, which asks the service."""
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("task"):
        with tracer.start_as_current_span("GET", kind=SpanKind.CLIENT):
            carrier: dict[str, str] = {}
            W3C.inject(carrier)
            urlopen(Request(url, headers=carrier), timeout=PATIENCE).close()
        tracer.start_span("think").end()


@pytest.mark.parametrize("linger", ["0", "10"])
def test_two_services_of_one_trace_are_one_run_and_what_was_asked_for_is_under_who_asked(
    linger: str, api: DevServer, tmp_path: Path
) -> None:
    with (
        before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER=linger) as gateway,
        service("weather", gateway) as asked,
        service("agent", gateway) as asking,
        weather(asked) as url,
    ):
        ask(asking, url)
        assert gateway.end() == 0
    (run,) = api.instances()
    rows = api.spans()
    called = {row["id"]: row["payload"]["name"] for row in rows}
    parents = {row["payload"]["name"]: called.get(row["parent_span_id"]) for row in rows}
    assert parents == {
        "task": None,
        "GET": "task",
        "GET /": "GET",
        "look out": "GET /",
        "think": "task",
    }
    assert run["status"] == "complete"
