"""One run over a service and a queue, carried by the published instrumentations alone."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.process.scripts import environment_of, free_port, localhost
from tests.process.test_servers import running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("servers")]

CALLER = """
import prefactor_otel
from opentelemetry import trace

prefactor_otel.configure(run_scope="trace", run_propagation=True)
tracer = trace.get_tracer("caller")
tracer.start_span("before").end()
prefactor_otel.flush()
"""
SERVICE = """
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
import prefactor_otel

prefactor_otel.configure(run_scope="trace", run_propagation=True)
app = FastAPI()
FastAPIInstrumentor.instrument_app(app)

@app.get("/seat")
def seat():
    with trace.get_tracer("service").start_as_current_span("find seat"):
        return "a seat"
"""
ASKS = """
import requests
from opentelemetry.instrumentation.requests import RequestsInstrumentor

RequestsInstrumentor().instrument()
with tracer.start_as_current_span("travel"):
    for attempt in range(600):
        try:
            requests.get("http://ADDRESS/docs").raise_for_status()
            break
        except requests.ConnectionError:
            time.sleep(0.1)
    assert requests.get("http://ADDRESS/seat").json() == "a seat"
"""
QUEUE = """
from celery import Celery
from celery.signals import worker_process_init
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
import prefactor_otel

app = Celery("app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": FOLDER, "data_folder_out": FOLDER, "control_folder": FOLDER + "/control",
}

@worker_process_init.connect
def configure(**_):
    prefactor_otel.configure(run_scope="trace", run_propagation=True)
    CeleryInstrumentor().instrument()

@app.task
def book(hotel):
    with trace.get_tracer("worker").start_as_current_span(f"book {hotel}"):
        pass
"""
SENDS = """
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from app import book

CeleryInstrumentor().instrument()
with tracer.start_as_current_span("travel"):
    book.apply_async(("ritz",))
"""


def by_name(api: DevServer) -> dict[str, dict[str, Any]]:
    return {row["payload"]["name"]: row for row in api.spans()}


def line_of(api: DevServer, name: str) -> list[str]:
    """The name of a span, of its parent, and so on."""
    rows = {row["id"]: row for row in api.spans()}
    row: dict[str, Any] | None = by_name(api).get(name)
    line: list[str] = []
    while row is not None:
        line.append(row["payload"]["name"])
        row = rows.get(row["parent_span_id"])
    return line


def calls(api: DevServer, python: Path, folder: Path, source: str, last: str) -> None:
    """Run a caller, which ends when the last span of those whom it has called has arrived."""
    environment = environment_of(localhost(api), api.token)
    environment["PYTHONPATH"] = f"{environments.CHECKOUT}:{folder}"
    process = subprocess.Popen(
        [str(python), "-c", f"{source}\ninput()"],
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    arrived = api.wait_until(lambda api: last in by_name(api) or process.poll() is not None)
    _, said = process.communicate("\n")
    assert (arrived, process.returncode) == (True, 0), said


def test_a_service_that_is_asked_over_http_goes_on_with_the_run(
    api: DevServer, python: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(SERVICE)
    port = str(free_port())
    server = (str(python), "-m", "uvicorn", "app:app", "--port", port)
    with running(api, tmp_path, *server, codes=(0, -signal.SIGTERM)):
        asks = "import time\n" + CALLER + ASKS.replace("ADDRESS", f"127.0.0.1:{port}")
        calls(api, python, tmp_path, asks, "find seat")
    assert line_of(api, "find seat")[:2] == ["find seat", "GET /seat"]
    assert line_of(api, "find seat")[-1] == "travel"
    spans = by_name(api)
    assert spans["find seat"]["agent_instance_id"] == spans["travel"]["agent_instance_id"]
    assert {run["status"] for run in api.instances()} == {"complete"}


def test_a_task_of_a_queue_goes_on_with_the_run_that_has_sent_it(
    api: DevServer, python: Path, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    (tmp_path / "app.py").write_text(QUEUE.replace("FOLDER", repr(str(queue))))
    worker = ("-m", "celery", "-A", "app", "worker", "-c", "1", "--pool", "prefork")
    with running(api, tmp_path, str(python), *worker):
        calls(api, python, tmp_path, CALLER + SENDS, "book ritz")
    assert line_of(api, "book ritz")[-1] == "travel"
    spans = by_name(api)
    assert spans["book ritz"]["agent_instance_id"] == spans["travel"]["agent_instance_id"]
