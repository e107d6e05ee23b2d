"""However a process ends, its spans are delivered or counted, and it ends in time."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.pipeline.snapshot import STALLED_AFTER
from tests.patience import PATIENCE
from tests.process.dead import never_answering, refusing, unavailable
from tests.process.scripts import LAST_WORDS, Ended, kept, localhost, run_script

TEN_LINES = """
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, TracerProvider

provider = TracerProvider(span_processors=[BatchSpanProcessor(PrefactorExporter())])
tracer = provider.get_tracer("agent")
with tracer.start_as_current_span("root"):
    for number in range(9):
        with tracer.start_as_current_span(f"step {number}"):
            pass
"""
STOCK = TEN_LINES.replace(
    "provider = TracerProvider(span_processors=[BatchSpanProcessor(PrefactorExporter())])",
    "from opentelemetry.sdk.trace import TracerProvider as Stock\n"
    "provider = Stock()\n"
    "provider.add_span_processor(BatchSpanProcessor(PrefactorExporter()))",
)
PROCESSOR = TEN_LINES.replace(
    "BatchSpanProcessor(PrefactorExporter())", "PrefactorSpanProcessor()"
).replace("import PrefactorExporter,", "import PrefactorSpanProcessor,")
CONFIGURE = """
from opentelemetry import trace
from prefactor_otel import configure

configure()
with trace.get_tracer("agent").start_as_current_span("root"):
    for number in range(9):
        with trace.get_tracer("agent").start_as_current_span(f"step {number}"):
            pass
"""
SCRIPTS = {"ours": TEN_LINES, "stock": STOCK, "processor": PROCESSOR, "configure": CONFIGURE}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_that_never_calls_shutdown_delivers_everything_and_prints_nothing(
    api: DevServer, script: str
) -> None:
    ended = run_script(SCRIPTS[script], localhost(api), api.token)
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    [instance] = api.instances()
    assert instance["status"] == "complete"
    assert instance["span_counts"]["complete"] == 10


def test_the_first_connection_may_be_made_at_exit(api: DevServer) -> None:
    api.faults.add(path="/register", drop="before", times=1)
    ended = run_script(TEN_LINES, localhost(api), api.token)
    assert ended.code == 0
    assert api.instances()[0]["span_counts"]["complete"] == 10


@pytest.mark.parametrize(
    ("last_line", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("raise RuntimeError('agent broke')", 1),
        ("import sys; sys.exit()", 0),
    ],
)
def test_the_exit_code_is_the_scripts_own(api: DevServer, last_line: str, code: int) -> None:
    ended = run_script(TEN_LINES + last_line, localhost(api), api.token)
    assert ended.code == code
    assert api.instances()[0]["span_counts"]["complete"] == 10


def ended_within(shutdown_timeout: int, source: str, url: str) -> Ended:
    """How this script ended, whose exit took no longer than the timeout."""

    def attempt() -> tuple[float, Ended]:
        ended = run_script(source, url, PREFACTOR_SHUTDOWN_TIMEOUT=str(shutdown_timeout))
        return ended.exit_took, ended

    return kept(shutdown_timeout, attempt)


@pytest.mark.parametrize("dead_api", [refusing, never_answering, unavailable])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_dead_api_delays_the_exit_by_no_more_than_the_shutdown_timeout(
    dead_api: object, script: str
) -> None:
    assert callable(dead_api)
    with dead_api() as url:
        timed = SCRIPTS[script] + LAST_WORDS + "raise SystemExit(7)"
        ended = ended_within(1, timed, url)
    assert ended.code == 7
    lines = [line for line in ended.stderr.splitlines() if "not delivered" in line]
    assert len(lines) == 1
    assert lines[0].startswith("10 spans not delivered")
    assert "Traceback" not in ended.stderr


SILENT_NAMES = """
import socket, threading

def never(*words, **more):  # a name server that does not answer
    threading.Event().wait()

socket.getaddrinfo = never
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_name_that_is_never_found_delays_the_exit_no_longer(script: str) -> None:
    timed = SILENT_NAMES + SCRIPTS[script] + LAST_WORDS
    url = "http://prefactor.invalid"
    ended = ended_within(1, timed, url)
    assert ended.code == 0
    assert "10 spans not delivered" in ended.stderr


HEARS_THREADS = """
import atexit, sys, threading

def ask(event, arguments):  # from Python 3.12 on, the interpreter tells of refused ones as well
    if event.startswith("_thread.start") and not threading.main_thread().is_alive():
        print("asked for a thread at exit:", arguments[0])

def begin(*_):
    sys.setprofile(None)
    print("a thread began at exit:", threading.current_thread().name)

sys.addaudithook(ask)
atexit.register(threading.setprofile, begin)  # called last, so done first
"""
QUIET = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor

provider = TracerProvider()
provider.add_span_processor({processor})
"""
QUIET_SCRIPTS = {
    "exporter": QUIET.format(processor="BatchSpanProcessor(PrefactorExporter())"),
    "processor": QUIET.format(processor="PrefactorSpanProcessor()"),
}


@pytest.mark.parametrize("spools", [False, True])
@pytest.mark.parametrize(("last_line", "code"), [("", 0), ("sys.exit()", 0), ("sys.exit(3)", 3)])
@pytest.mark.parametrize("script", QUIET_SCRIPTS)
def test_a_process_that_ends_at_once_without_a_span_has_a_run_and_asks_for_no_thread(
    api: DevServer, tmp_path: Path, script: str, last_line: str, code: int, spools: bool
) -> None:
    source = QUIET_SCRIPTS[script] + HEARS_THREADS + last_line
    spool = str(tmp_path / "spool") if spools else ""
    variables = {"OTEL_SERVICE_NAME": "brief", "PREFACTOR_SPOOL_DIR": spool}
    ended = run_script(source, localhost(api), api.token, **variables)
    assert (ended.code, ended.stdout, ended.stderr) == (code, "", "")
    assert [instance["status"] for instance in api.instances()] == ["complete"]
    [registration] = [r.body for r in api.requests if "/register" in r.path]
    assert registration["agent_version"]["name"] == "brief"


@pytest.mark.parametrize("dead_api", [refusing, never_answering, unavailable])
def test_nothing_is_waited_for_where_a_dead_api_would_get_nothing(dead_api: object) -> None:
    assert callable(dead_api)
    source = "import prefactor_otel\nprefactor_otel.configure()"
    with dead_api() as url:  # run_script gives up before the shutdown would
        ended = run_script(source, url, PREFACTOR_SHUTDOWN_TIMEOUT=str(2 * PATIENCE))
    assert (ended.code, ended.stdout) == (0, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "Prefactor cannot be reached" in ended.stderr


def test_a_run_without_spans_that_has_been_registered_is_finished_by_a_slow_api(
    api: DevServer,
) -> None:
    api.faults.add(path="/finish", delay=1.5 * STALLED_AFTER, times=1)
    ended = run_script(
        "import prefactor_otel\nprefactor_otel.configure()",
        localhost(api),
        api.token,
        PREFACTOR_SHUTDOWN_TIMEOUT=str(PATIENCE),
    )
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    assert [instance["status"] for instance in api.instances()] == ["complete"]


ASKS_FOR_ITS_TOKEN = """
import os
from opentelemetry.sdk.trace import TracerProvider
from prefactor_otel import PrefactorSpanProcessor

provider = TracerProvider()
provider.add_span_processor(PrefactorSpanProcessor(api_token=lambda: os.environ["TOKEN_OF_TODAY"]))
provider.get_tracer("agent").start_span("root").end()
"""


@pytest.mark.parametrize("script", [*SCRIPTS.values(), ASKS_FOR_ITS_TOKEN])
def test_whoever_connects_anew_at_exit_asks_for_no_thread(api: DevServer, script: str) -> None:
    api.faults.add(path="/register", drop="before", times=2)
    api.faults.add(path="/bulk", drop="after", times=1)
    source = script + HEARS_THREADS
    ended = run_script(source, localhost(api), api.token, TOKEN_OF_TODAY=api.token)
    assert ended.code == 0
    assert ended.stdout == ""
    assert "worker failed" not in ended.stderr
    assert [instance["status"] for instance in api.instances()] == ["complete"]


NAMED = """
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prefactor_otel import PrefactorSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "billing"}))
provider.add_span_processor(PrefactorSpanProcessor())
trace.set_tracer_provider(provider)
"""


def test_a_run_without_spans_is_named_as_the_global_provider_is(api: DevServer) -> None:
    ended = run_script(NAMED, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    [registration] = [r.body for r in api.requests if "/register" in r.path]
    assert registration["agent_version"]["name"] == "billing"
