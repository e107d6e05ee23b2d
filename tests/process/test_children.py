"""Children of multiprocessing deliver before they end, though that skips ``atexit``."""

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost, run_script

CHILDREN = """
import warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import multiprocessing
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as Stock
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider

provider = PROVIDER()
provider.add_span_processor(DOOR)
trace.set_tracer_provider(provider)
tracer = provider.get_tracer("agent")

def work(child):
    for number in range(100):
        tracer.start_span(f"child {child} {number}").end()

if __name__ == "__main__":
    context = multiprocessing.get_context("METHOD")
    for number in range(20):
        tracer.start_span(f"parent {number}").end()
    children = [context.Process(target=work, args=(child,)) for child in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
"""
DOORS = ["BatchSpanProcessor(PrefactorExporter())", "PrefactorSpanProcessor()"]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("provider", ["Stock", "TracerProvider"])
@pytest.mark.parametrize("door", DOORS)
def test_four_children_and_their_parent_deliver_each_span_once(
    api: DevServer, method: str, provider: str, door: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = CHILDREN.replace("DOOR", door).replace("METHOD", method)
    script = tmp_path_factory.mktemp("children") / "script.py"  # spawned children import it
    script.write_text(source.replace("PROVIDER", provider))
    start = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
    if method != "fork":
        start = (
            "import subprocess, sys; sys.exit(subprocess.run([sys.executable, "
            f"{str(script)!r}]).returncode)"
        )
    ended = run_script(start, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    names = sorted(row["payload"]["name"] for row in api.spans())
    expected = [f"parent {n}" for n in range(20)]
    expected += [f"child {c} {n}" for c in range(4) for n in range(100)]
    assert names == sorted(expected)
    runs = [run for run in api.instances() if run["span_counts"]["total"]]
    assert sorted(run["span_counts"]["total"] for run in runs) == [20, 100, 100, 100, 100]
    assert {run["status"] for run in api.instances()} == {"complete"}
