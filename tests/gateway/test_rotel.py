"""Rotel, a hop of somebody else's, takes OTLP over HTTP and hands it on."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from prefactor_otel.devserver import DevServer
from tests.gateway.process import Gateway, before
from tests.http import environments
from tests.patience import PATIENCE, comes_true
from tests.recorded import readable


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def rotel(binary: Path, gateway: Gateway, folder: Path) -> Iterator[str]:
    """One before the gateway; yields its address."""
    grpc, http = free_port(), free_port()
    options = {
        "otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
        "otlp-http-endpoint": f"127.0.0.1:{http}",
        "otlp-exporter-endpoint": gateway.url,
        "otlp-exporter-protocol": "http",
        "otlp-exporter-compression": "gzip",
        "exporter": "otlp",
        "pid-file": str(folder / "rotel.pid"),
        "log-file": str(folder / "rotel.log"),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with subprocess.Popen([str(binary), "start", *words], stdout=subprocess.DEVNULL) as process:
        try:
            assert comes_true(lambda: listens(http))
            yield f"http://127.0.0.1:{http}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


@pytest.mark.slow
def test_what_a_hop_hands_on_arrives(api: DevServer, tmp_path: Path) -> None:
    python = environments.make(tmp_path / "environment", "rotel")
    binary = next((python.parent.parent / "lib").glob("python*/site-packages/rotel/rotel-agent"))
    spans = readable("pydantic_ai__native_default__tool_ok")
    wanted = {f"{span.context.span_id:016x}" for span in spans if span.context is not None}
    with before(api, tmp_path / "spool") as gateway, rotel(binary, gateway, tmp_path) as url:
        sender = OTLPSpanExporter(f"{url}/v1/traces", timeout=PATIENCE)
        assert sender.export(spans) is SpanExportResult.SUCCESS
        assert api.wait_until(lambda a: wanted == {r["payload"]["span_id"] for r in a.spans()})
