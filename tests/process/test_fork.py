"""A forked child has a run of its own and sends its own spans; the parent's are sent once."""

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost, run_script

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


SCOPED = FORK.replace("DOOR", "PrefactorSpanProcessor(run_scope='trace')").replace(
    "for number in range(25)", "for number in range(5)"
)


def test_forked_children_have_runs_of_their_own_for_their_traces(api: DevServer) -> None:
    ended = run_script(SCOPED, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert len(api.instances()) == len(api.spans()) == 20 + 4 * 5
    assert {instance["status"] for instance in api.instances()} == {"complete"}
