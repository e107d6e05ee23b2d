"""Servers that fork their workers, and gevent, in an environment with the published packages."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import environment_of, free_port, localhost

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("servers")]

DOORS = ["BatchSpanProcessor(PrefactorExporter())", "PrefactorSpanProcessor()"]
SET_UP = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor

provider = TracerProvider()
provider.add_span_processor(DOOR)
trace.set_tracer_provider(provider)

def work(name):
    for number in range(100):
        trace.get_tracer("agent").start_span(f"{name} {number}").end()
"""


@contextmanager
def running(
    api: DevServer, folder: Path, *command: str, codes: tuple[int, ...] = (0,)
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that is asked to stop at the end, and does, with one of these codes."""
    environment = environment_of(localhost(api), api.token)
    environment["PYTHONPATH"] = os.pathsep.join([str(environments.CHECKOUT), str(folder)])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process
            process.terminate()
            assert process.wait(PATIENCE) in codes, (folder / "log").read_text()
        finally:
            process.kill()
            process.wait()


def names(api: DevServer) -> list[str]:
    return sorted(row["payload"]["name"] for row in api.spans())


def runs_of_work(api: DevServer) -> list[tuple[object, object]]:
    runs = [run for run in api.instances() if run["span_counts"]["total"]]
    return sorted((run["span_counts"]["total"], run["status"]) for run in runs)


CELERY = """
from celery import Celery

app = Celery("app", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": FOLDER, "data_folder_out": FOLDER, "control_folder": FOLDER + "/control",
}
app.conf.worker_max_tasks_per_child = 1

@app.task
def run(number):
    work(f"task {number}")

if __name__ == "__main__":
    for number in range(4):
        run.apply_async((number,))
"""


@pytest.mark.parametrize("door", DOORS)
def test_celery_tasks_are_delivered_by_children_that_are_recycled(
    api: DevServer, python: Path, tmp_path: Path, door: str
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    source = SET_UP.replace("DOOR", door) + CELERY.replace("FOLDER", repr(str(queue)))
    (tmp_path / "app.py").write_text(source)
    worker = ("-m", "celery", "-A", "app", "worker", "-c", "2", "--pool", "prefork")
    with running(api, tmp_path, str(python), *worker):
        environments.run(
            python,
            str(tmp_path / "app.py"),
            PYTHONPATH=str(environments.CHECKOUT),
            PREFACTOR_API_URL="",
        )
        done = [(100, "complete")] * 4
        arrived = api.wait_until(lambda api: runs_of_work(api) == done)
        assert arrived, (runs_of_work(api), (tmp_path / "log").read_text())
    assert names(api) == sorted(f"task {t} {n}" for t in range(4) for n in range(100))


GUNICORN = """
import os

def application(environ, start_response):
    work(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("preload", [("--preload",), ()])
def test_gunicorn_workers_deliver_what_they_have_served(
    api: DevServer, python: Path, tmp_path: Path, door: str, preload: tuple[str, ...]
) -> None:
    (tmp_path / "app.py").write_text(SET_UP.replace("DOOR", door) + GUNICORN)
    address = f"127.0.0.1:{free_port()}"
    command = ("-m", "gunicorn", "app:application", "--bind", address, "--workers", "2")
    with running(api, tmp_path, str(python), *command, *preload):
        assert comes_true(lambda: answers(address, "/first"))
        for number in range(3):
            assert answers(address, f"/{number}")
    served = ["/first", "/0", "/1", "/2"]
    assert names(api) == sorted(f"{path} {n}" for path in served for n in range(100))
    assert {status for _, status in runs_of_work(api)} == {"complete"}


def answers(address: str, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE) as response:
            return bool(response.status == 200)
    except OSError:
        return False


GEVENT = """
from gevent import monkey; monkey.patch_all(PATCHED)
import asyncio, time
PREPARED
assert provider.force_flush()
while exporter.run_id is None:
    time.sleep(0.01)
took = []
for number in range(1000):
    span = trace.get_tracer("agent").start_span(f"span {number}")
    begun = time.perf_counter()
    span.end()
    took.append(time.perf_counter() - begun)

async def main():
    loop = asyncio.get_running_loop()
    for _ in range(20):
        await asyncio.sleep(0.02)
        assert asyncio.get_running_loop() is loop

asyncio.run(main())
provider.shutdown()
assert sorted(took)[900] < 0.005, sorted(took)[900]  # a machine may be busy meanwhile
print(exporter.stats().acknowledged)
"""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("patched", ["", "thread=False, queue=False"])
def test_a_process_under_gevent_delivers_and_runs_its_own_event_loop(
    api: DevServer, python: Path, door: str, patched: str
) -> None:
    prepared = SET_UP.replace("DOOR", door.replace("Prefactor", "exporter := Prefactor"))
    printed = environments.run(
        python,
        "-c",
        GEVENT.replace("PATCHED", patched).replace("PREPARED", prepared),
        PYTHONPATH=str(environments.CHECKOUT),
        PREFACTOR_API_URL=localhost(api),
        PREFACTOR_API_TOKEN=api.token,
    )
    assert printed == "1000\n"
    assert len(api.spans()) == 1000


SAYING = """
from gevent import monkey; monkey.patch_all(PATCHED)
import gevent
PREPARED
trace.get_tracer("agent").start_span("step").end()
assert provider.force_flush()
turns = []

def others():
    while not all(saying.ready() for saying in sayings):
        turns.append(gevent.sleep(0.001))

run_id = exporter.run_id
sayings = [gevent.spawn(prefactor_otel.feedback, run_id, rating="up") for _ in range(3)]
gevent.joinall([*sayings, gevent.spawn(others)], raise_error=True)
assert turns
trace.get_tracer("agent").start_span("step").end()
provider.shutdown()
prefactor_otel.raise_alert(run_id, "loop", "info")
print(exporter.stats().acknowledged)
"""


@pytest.mark.parametrize("patched", ["", "thread=False, queue=False"])
def test_greenlets_say_something_of_a_run_while_others_go_on(
    api: DevServer, python: Path, patched: str
) -> None:
    door = "exporter := PrefactorExporter()"
    prepared = "import prefactor_otel" + SET_UP.replace("DOOR", f"BatchSpanProcessor({door})")
    printed = environments.run(
        python,
        "-c",
        SAYING.replace("PATCHED", patched).replace("PREPARED", prepared),
        PYTHONPATH=str(environments.CHECKOUT),
        PREFACTOR_API_URL=localhost(api),
        PREFACTOR_API_TOKEN=api.token,
    )
    assert printed == "2\n"
    names = sorted(row["payload"]["name"] for row in api.spans())
    assert names == [*["feedback"] * 3, *["step"] * 2]
