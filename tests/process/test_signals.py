"""A signal that ends a process does not cost its spans, where the application wants that."""

import json
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE
from tests.process.dead import never_answering, refusing, unavailable
from tests.process.scripts import kept, localhost, run_script, started_script

AGENT = """
import atexit, signal, sys, time
atexit.register(lambda: print("ended", time.time()))  # the last to run: all others are younger
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider

provider = TracerProvider(span_processors=[DOOR])
tracer = provider.get_tracer("agent")
for number in range(100):
    tracer.start_span(f"span {number}").end()
"""
WAIT = """
try:
    print("ready", flush=True)
    while True:  # one long sleep might begin just after the signal, and sleep on
        time.sleep(0.05)
finally:
    print("finally", time.time(), flush=True)
"""
DOORS = ["BatchSpanProcessor(PrefactorExporter(OPTIONS))", "PrefactorSpanProcessor(OPTIONS)"]


def agent(door: str = DOORS[1], options: str = "handle_sigterm=True") -> str:
    return AGENT.replace("DOOR", door.replace("OPTIONS", options))


def interrupted(script: str, number: signal.Signals, url: str, token: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a script that is sent a signal once it is ready."""
    process = started_script(script, url, token)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -2)])
def test_a_signal_runs_the_finally_blocks_and_loses_nothing(
    api: DevServer, door: str, number: signal.Signals, code: int
) -> None:
    ended, output, _ = interrupted(agent(door) + WAIT, number, localhost(api), api.token)
    assert ended == code
    assert output.startswith("finally")
    [instance] = api.instances()
    assert instance["status"] == "complete"
    assert instance["span_counts"]["complete"] == 100


def test_sigterm_amid_a_request_loses_nothing(api: DevServer) -> None:
    api.faults.add(path="/bulk", delay=1.0)
    script = agent() + "while not provider.force_flush(100):\n    break\n" + WAIT
    ended, _, _ = interrupted(script, signal.SIGTERM, localhost(api), api.token)
    assert ended == 143
    assert api.instances()[0]["span_counts"]["complete"] == 100


@pytest.mark.parametrize("dead_api", [refusing, never_answering, unavailable])
def test_sigterm_with_a_dead_api_ends_within_the_shutdown_timeout(dead_api: object) -> None:
    assert callable(dead_api)
    script = agent(options="handle_sigterm=True, shutdown_timeout=2") + WAIT

    def attempt() -> tuple[float, tuple[int, str]]:
        code, output, errors = interrupted(script, signal.SIGTERM, url, "pf_some_token")
        times = dict(line.split() for line in output.splitlines())
        return float(times["ended"]) - float(times["finally"]), (code, errors)

    with dead_api() as url:
        code, errors = kept(2, attempt)
    assert code == 143
    assert "100 spans not delivered" in errors


def test_without_the_option_sigterm_is_left_alone(api: DevServer) -> None:
    script = agent(options="") + "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    assert run_script(script, localhost(api), api.token).stdout.startswith("True\n")


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "lambda *_: sys.exit(9)"])
def test_what_the_application_has_decided_about_sigterm_stays(api: DevServer, handler: str) -> None:
    script = (
        f"import signal, sys\nhandler = {handler}\nsignal.signal(signal.SIGTERM, handler)\n"
        + agent()
        + "print(signal.getsignal(signal.SIGTERM) is handler)"
    )
    assert run_script(script, localhost(api), api.token).stdout.startswith("True\n")


def test_outside_of_the_main_thread_one_line_says_that_the_option_has_no_effect(
    api: DevServer,
) -> None:
    script = """
import signal, threading
from prefactor_otel import PrefactorSpanProcessor

def build():
    for _ in range(2):
        PrefactorSpanProcessor(handle_sigterm=True).shutdown()

thread = threading.Thread(target=build)
thread.start()
thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""
    ended = run_script(script, localhost(api), api.token)
    assert ended.code == 0
    assert ended.stderr.count("handle_sigterm has no effect") == 1


RAISED = """
import signal
before = signal.BEFORE
signal.signal(signal.SIGTERM, before)
TAKE_UP
theirs = signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
asked = []
print("ready", flush=True)
while not asked:
    time.sleep(0.05)
signal.signal(signal.SIGTERM, theirs)
signal.raise_signal(signal.SIGTERM)
print("alive", flush=True)
"""


def raised(before: str, agent_comes: str) -> str:
    """An agent in a server that puts back what was there before it, and raises the signal."""
    script = "import time\n" + RAISED.replace("BEFORE", before)
    late = "asked = []" if agent_comes == "late" else "TAKE_UP"
    return script.replace(late, agent() + late).replace("TAKE_UP", "")


@pytest.mark.parametrize("agent_comes", ["early", "late"])
def test_who_raises_the_signal_anew_ends_by_it_and_loses_nothing(
    api: DevServer, agent_comes: str
) -> None:
    script = raised("SIG_DFL", agent_comes)
    ended, output, errors = interrupted(script, signal.SIGTERM, localhost(api), api.token)
    assert (ended, output, errors) == (-signal.SIGTERM, "", "")
    [instance] = api.instances()
    assert (instance["status"], instance["span_counts"]["complete"]) == ("complete", 100)


def test_who_raises_a_signal_that_is_ignored_lives_on(api: DevServer) -> None:
    script = raised("SIG_IGN", "late") + "assert provider.force_flush()"
    ended, output, errors = interrupted(script, signal.SIGTERM, localhost(api), api.token)
    assert (ended, output.split()[0], errors) == (0, "alive", "")


HELD_UP = """
import os, signal, time
import prefactor_otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

class Telling(prefactor_otel.PrefactorExporter):
    def export(self, spans):
        print("ready", flush=True)
        return super().export(spans)

def end(*_):
    print(time.time(), flush=True)
    END

signal.signal(signal.SIGTERM, end)
processor = BatchSpanProcessor(Telling(handle_sigterm=True, shutdown_timeout=2))
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(processor)
for number in range(100):
    trace.get_tracer("agent").start_span(f"span {number}").end()
while True:
    processor.force_flush()
    time.sleep(0.05)
"""
OWN_ENDS = {
    "signal.signal(signal.SIGTERM, signal.SIG_DFL); signal.raise_signal(signal.SIGTERM)": -15,
    "os._exit(prefactor_otel.shutdown())": 0,
    "os._exit(prefactor_otel.flush(1000))": 0,
}


@pytest.mark.parametrize("end", OWN_ENDS)
def test_a_handler_of_the_applications_ends_in_time_what_a_flush_holds_up(end: str) -> None:
    def attempt() -> tuple[float, tuple[int, str]]:
        code, output, errors = interrupted(script, signal.SIGTERM, url, "pf_some_token")
        return time.time() - float(output), (code, errors)

    script = HELD_UP.replace("END", end)
    with never_answering() as url:
        code, errors = kept(2, attempt)
    assert code == OWN_ENDS[end]
    assert "spans that it holds may be lost" in errors


THREADS = """
import threading
def wait():
    threading.main_thread().join()
    print("ready", flush=True)
    while True:
        time.sleep(0.05)
threading.Thread(target=wait).start()
"""


def test_a_process_that_only_waits_for_its_threads_ends_by_the_signal_and_loses_nothing(
    api: DevServer,
) -> None:
    process = started_script(agent() + THREADS, localhost(api), api.token)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    while process.poll() is None:  # Python overhears a signal just before it waits for a lock
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(2)
    assert (process.returncode, *process.communicate()) == (-signal.SIGTERM, "", "")
    [instance] = api.instances()
    assert (instance["status"], instance["span_counts"]["complete"]) == ("complete", 100)


AT_EXIT = """
import os, threading
def interrupt():
    threading.main_thread().join()
    print("ready", flush=True)
threading.Thread(target=interrupt, daemon=True).start()
"""


AMID_ANOTHER = """
import json, signal, sys
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from tests.patience import comes_true

STEPS = 72
processors = [
    PrefactorSpanProcessor(schedule_delay=60.0, shutdown_timeout=30.0) for _ in range(STEPS)
]
for processor in processors:
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    assert comes_true(lambda: processor.run_id)
    provider.get_tracer("agent").start_span("step").end()  # and waits for company

def end_amid(processor, step):
    "At this step of the shutdown a handler asks for another one."
    taken = 0
    def trace(frame, event, _):
        nonlocal taken
        if event == "line" and "prefactor_otel/" in frame.f_code.co_filename:
            taken += 1
            if taken == step:
                signal.raise_signal(signal.SIGTERM)
        return trace
    signal.signal(signal.SIGTERM, lambda *_: processor.shutdown())
    sys.settrace(trace)
    processor.shutdown()
    sys.settrace(None)
    return processor.stats().dropped

print(json.dumps([end_amid(processor, n) for n, processor in enumerate(processors, 1)]))
"""


def test_a_shutdown_in_a_handler_amid_any_step_of_another_loses_nothing(api: DevServer) -> None:
    ended = run_script(AMID_ANOTHER, api.url, api.token)
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout) == 72 * [{}]
    assert {row["status"] for row in api.instances()} == {"complete"}


def test_a_signal_amid_the_end_does_not_cut_it_short(api: DevServer) -> None:
    api.faults.add(path="/bulk", delay=2.0)
    script = agent() + AT_EXIT
    ended, output, errors = interrupted(script, signal.SIGTERM, localhost(api), api.token)
    assert (ended, output.split()[0], errors) == (0, "ended", "")
    [instance] = api.instances()
    assert (instance["status"], instance["span_counts"]["complete"]) == ("complete", 100)


CHILD = """
import multiprocessing, sys, time
from multiprocessing.util import Finalize
from prefactor_otel import PrefactorSpanProcessor, TracerProvider

provider = TracerProvider(span_processors=[PrefactorSpanProcessor(handle_sigterm=True)])

def work(begun):
    provider.get_tracer("agent").start_span("span").end()
    LAST

if __name__ == "__main__":
    context = multiprocessing.get_context("METHOD")
    begun = context.Event()
    child = context.Process(target=work, args=(begun,))
    child.start()
    begun.wait()
    child.terminate()
    child.join()
    print(child.exitcode)
"""
AT_WORK = "begun.set(); time.sleep(100)"
AT_THE_END = "Finalize(None, begun.set, exitpriority=1)"


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(("last", "code"), [(AT_WORK, 143), (AT_THE_END, 0)])
def test_a_child_that_is_terminated_loses_nothing(
    api: DevServer, tmp_path: Path, method: str, last: str, code: int
) -> None:
    api.faults.add(path="/bulk", delay=1.0)
    script = tmp_path / "script.py"  # spawned children import it
    script.write_text(CHILD.replace("METHOD", method).replace("LAST", last))
    start = f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}])"
    ended = run_script(start, localhost(api), api.token)
    assert (ended.code, ended.stdout, ended.stderr) == (0, f"{code}\n", "")
    assert {run["status"] for run in api.instances()} == {"complete"}
    assert len(api.spans()) == 1
