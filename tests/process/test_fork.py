"""A forked child has a run of its own and sends its own spans; the parent's are sent once."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE
from tests.process.dead import refusing
from tests.process.scripts import localhost, run_script, started_script

FORK = """
import warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import os
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider

provider = TracerProvider(span_processors=[DOOR])
tracer = provider.get_tracer("agent")
for number in range(20):
    tracer.start_span(f"parent {number}").end()
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        for number in range(25):
            tracer.start_span(f"child {child} {number}").end()
        provider.shutdown()
        os._exit(0)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
assert codes == [0, 0, 0, 0], codes
"""


@pytest.mark.parametrize(
    "door", ["BatchSpanProcessor(PrefactorExporter())", "PrefactorSpanProcessor()"]
)
def test_four_forked_children_and_their_parent_deliver_each_span_once(
    api: DevServer, door: str
) -> None:
    ended = run_script(FORK.replace("DOOR", door), localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    names = sorted(row["payload"]["name"] for row in api.spans())
    expected = [f"parent {n}" for n in range(20)]
    expected += [f"child {c} {n}" for c in range(4) for n in range(25)]
    assert names == sorted(expected)
    instances = api.instances()
    assert len(instances) == 5
    assert {instance["status"] for instance in instances} == {"complete"}
    counts = sorted(instance["span_counts"]["total"] for instance in instances)
    assert counts == [20, 25, 25, 25, 25]


AFTER_SHUTDOWN = """
import os
import threading
import prefactor_otel

provider = prefactor_otel.TracerProvider(span_processors=[prefactor_otel.PrefactorSpanProcessor()])
provider.get_tracer("agent").start_span("parent").end()
provider.shutdown()
pid = os.fork()
if pid == 0:
    with prefactor_otel.run("later"):
        prefactor_otel.raise_if_terminated()
        provider.get_tracer("agent").start_span("later").end()
    os._exit(len(threading.enumerate()) - 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_what_was_shut_down_before_the_fork_stays_so_in_the_child(api: DevServer) -> None:
    ended = run_script(AFTER_SHUTDOWN, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert [run["status"] for run in api.instances()] == ["complete"]


SCOPED = FORK.replace("DOOR", "PrefactorSpanProcessor(run_scope='trace')").replace(
    "for number in range(25)", "for number in range(5)"
)


def test_forked_children_have_runs_of_their_own_for_their_traces(api: DevServer) -> None:
    ended = run_script(SCOPED, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert len(api.instances()) == len(api.spans()) == 20 + 4 * 5
    assert {instance["status"] for instance in api.instances()} == {"complete"}


IMPORTS = """
import sys, threading

class Watch:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            print(threading.current_thread().name, "imports", name)

sys.meta_path.insert(0, Watch())
from prefactor_otel import PrefactorSpanProcessor, TracerProvider

processor = PrefactorSpanProcessor(schedule_delay=0.01, spool_dir=SPOOL)
provider = TracerProvider(span_processors=[processor])
for number in range(3):
    with provider.get_tracer("agent").start_as_current_span("step") as span:
        span.record_exception(ValueError("no"))
    provider.force_flush(500)
provider.shutdown()
"""


@pytest.mark.parametrize("with_spool", [False, True])
@pytest.mark.parametrize("is_up", [True, False])
def test_no_module_is_imported_by_a_thread_of_ours(
    api: DevServer, tmp_path: Path, with_spool: bool, is_up: bool
) -> None:
    """A child that is forked amid an import in another thread waits for that for ever."""
    with refusing() as nowhere:
        ended = run_script(
            IMPORTS.replace("SPOOL", repr(str(tmp_path / "spool") if with_spool else None)),
            localhost(api) if is_up else nowhere,
            api.token,
            PREFACTOR_SHUTDOWN_TIMEOUT="1",
        )
    assert (ended.code, ended.stdout) == (0, "")


MASTER = """
import os, time
import prefactor_otel
from opentelemetry import trace

prefactor_otel.configure(OPTIONS)
time.sleep(IMPORTS)

def serve():
    children = []
    for child in range(2):
        pid = os.fork()
        if pid == 0:
            trace.get_tracer("agent").start_span(f"child {child}").end()
            os._exit(0 if prefactor_otel.shutdown() else 1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
"""
SERVE = """
import sys, warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
sys.path.insert(0, FOLDER)
import application
application.serve()
"""


@pytest.mark.parametrize("options", ["", "agent_name='a', agent_version='1'"])
@pytest.mark.parametrize("imports", [0, 1.5])
def test_a_process_that_only_makes_others_has_no_run(
    api: DevServer, tmp_path: Path, options: str, imports: float
) -> None:
    source = MASTER.replace("OPTIONS", options).replace("IMPORTS", str(imports))
    (tmp_path / "application.py").write_text(source)
    for _ in range(4):  # on a busy machine, it may come to the fork half a second late
        before = len(api.instances())
        ended = run_script(SERVE.replace("FOLDER", repr(str(tmp_path))), localhost(api), api.token)
        assert (ended.code, ended.stderr) == (0, "")
        runs = api.instances()[before:]
        if len(runs) == 2:
            break
    assert [run["span_counts"]["total"] for run in runs] == [1, 1]
    assert {run["status"] for run in runs} == {"complete"}


LATE_WORK = """
import application
application.serve()
trace = application.trace
trace.get_tracer("agent").start_span("own").end()
"""


def test_a_process_that_has_made_others_has_a_run_once_it_works_itself(
    api: DevServer, tmp_path: Path
) -> None:
    source = MASTER.replace("OPTIONS", "").replace("IMPORTS", "0")
    (tmp_path / "application.py").write_text(source)
    script = SERVE.split("import application")[0].replace("FOLDER", repr(str(tmp_path)))
    ended = run_script(script + LATE_WORK, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert [run["span_counts"]["total"] for run in api.instances()] == [1, 1, 1]
    assert {run["status"] for run in api.instances()} == {"complete"}


AT_REST = """
import sys
import prefactor_otel
prefactor_otel.configure()
sys.stdin.readline()
"""


@pytest.mark.parametrize("is_imported", [True, False])
def test_a_program_without_any_span_is_seen_once_it_has_begun(
    api: DevServer, tmp_path: Path, is_imported: bool
) -> None:
    (tmp_path / "application.py").write_text(AT_REST.replace("sys.stdin.readline()", ""))
    imported = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import application; "
    script = imported + "sys.stdin.readline()" if is_imported else AT_REST
    process = started_script(script, localhost(api), api.token)
    try:
        assert api.wait_until(lambda api: [r["status"] for r in api.instances()] == ["active"])
    finally:
        output = process.communicate("\n", timeout=PATIENCE)
    assert (process.returncode, *output) == (0, "", "")
    assert [run["status"] for run in api.instances()] == ["complete"]


AMID_STATS = """
import os, signal, sys, threading, warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import prefactor_otel

processor = prefactor_otel.PrefactorSpanProcessor()
provider = prefactor_otel.TracerProvider(span_processors=[processor], shutdown_on_exit=False)
tracer = provider.get_tracer("agent")
tracer.start_span("parent").end()
CLOSE

def held_at(step):
    "A thread that is held up at this step of its look at the counters, if that has so many."
    is_there, goes_on = threading.Event(), threading.Event()
    taken = 0
    def trace(frame, event, _):
        nonlocal taken
        if event == "line" and "/prefactor_otel/" in frame.f_code.co_filename:
            taken += 1
            if taken == step:
                is_there.set()
                goes_on.wait()
        return trace
    def look():
        sys.settrace(trace)
        processor.stats()
        sys.settrace(None)
        is_there.set()
    thread = threading.Thread(target=look)
    thread.start()
    is_there.wait()
    return thread, goes_on, taken < step

def work():
    "What a child finds that ends a span: nothing of its parent's."
    signal.alarm(PATIENCE)
    before = processor.stats().dropped
    tracer.start_span("child").end()
    after = processor.stats().dropped
    is_lost = not (prefactor_otel.flush() or prefactor_otel.shutdown())
    return (before, sum(after.values()), is_lost) == ({}, 1, True)

is_over, step = False, 0
while not is_over:
    step += 1
    thread, goes_on, is_over = held_at(step)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 3)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    goes_on.set()
    thread.join()
    assert code == 0, (step, code)
print(step)
"""


@pytest.mark.parametrize("close", ["", "processor.shutdown()"])
def test_a_child_forked_amid_a_look_at_the_counters_ends_its_span_where_nothing_is_sent(
    api: DevServer, close: str
) -> None:
    script = AMID_STATS.replace("CLOSE", close).replace("PATIENCE", str(int(PATIENCE / 2)))
    ended = run_script(script, localhost(api), api.token if close else "")
    assert ended.code == 0, ended.stderr
    assert int(ended.stdout) > 10
