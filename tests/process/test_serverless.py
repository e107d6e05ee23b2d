"""A function that is frozen after each invocation, and killed in its sleep, loses nothing."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost, started_script

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
RUNTIME = """
import sys, types

for line in sys.stdin:
    invocation = types.SimpleNamespace(aws_request_id=line.strip())
    print(handler({"question": "Where does anna sleep"}, invocation), flush=True)
"""
TRACES = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
import prefactor_otel

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(prefactor_otel.PrefactorExporter(run_scope="trace")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("porter")

def handler(event, context):
    with tracer.start_as_current_span("porter"), tracer.start_as_current_span("look_up_room"):
        answer = event["question"] + "? Room 12."
    assert prefactor_otel.flush(20_000)
    return answer
"""


def recipe() -> str:
    section = PAGE.read_text().partition("\n## Serverless\n")[2].partition("\n## ")[0]
    blocks: list[str] = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    [code] = blocks
    patient = code.replace("flush(2_000)", "flush(20_000)")  # on a machine that is busy with tests
    assert patient != code
    return patient


FUNCTIONS = {"the recipe": recipe(), "the SDK's own provider": TRACES}


@contextmanager
def function(api: DevServer, source: str) -> Iterator["subprocess.Popen[str]"]:
    process = started_script(source + RUNTIME, localhost(api), api.token)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def invoke(process: "subprocess.Popen[str]", name: str) -> None:
    """One invocation, after which the process is frozen."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.send_signal(signal.SIGCONT)
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "Where does anna sleep? Room 12.\n"
    process.send_signal(signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals that stop a process")
@pytest.mark.parametrize("source", FUNCTIONS.values(), ids=FUNCTIONS)
def test_when_an_invocation_has_been_flushed_its_run_is_over_and_nothing_is_missing(
    api: DevServer, source: str
) -> None:
    with function(api, source) as process:
        for number in range(1, 6):
            invoke(process, f"invocation {number}")
            assert [run["status"] for run in api.instances()] == ["complete"] * number
            spans = [(row["payload"]["name"], row["status"]) for row in api.spans()]
            assert spans.count(("porter", "complete")) == number
            assert spans.count(("look_up_room", "complete")) == number
            assert len(spans) == 2 * number
            # What kept the connection open forgets it while the function sleeps.
            api.faults.add(path="/register", drop="before", times=1)
        process.kill()
    assert {run["status"] for run in api.instances()} == {"complete"}


def test_the_recipes_runs_are_named_by_their_invocations(api: DevServer) -> None:
    with function(api, recipe()) as process:
        invoke(process, "8476a536")
        invoke(process, "c6af9ac6")
    named = [run["external_identifier"] for run in api.instances()]
    assert sorted(named) == ["8476a536", "c6af9ac6"]


def test_an_invocation_that_is_retried_under_its_id_loses_nothing(api: DevServer) -> None:
    with function(api, recipe()) as process:
        for _ in range(3):
            invoke(process, "8476a536")
    assert [run["status"] for run in api.instances()] == ["complete"] * 3
    named = [run["external_identifier"] for run in api.instances()]
    assert named == ["8476a536", None, None]
    assert len(api.spans()) == 6
