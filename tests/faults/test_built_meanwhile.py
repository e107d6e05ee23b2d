"""Other threads may build exporters at any time, amid whatever the application calls: that must not
hear of it."""

import pytest

from tests.process.scripts import run_script

MEANWHILE = """
import gc, logging, sys, threading, time
import prefactor_otel
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prefactor_otel.doors.completion import Completion
from prefactor_otel.doors.propagation import RunPropagator
from prefactor_otel.doors.base import hand_over
from prefactor_otel.spans.view import SpanKey

logging.disable(logging.CRITICAL)  # each of them says that it is off
reader = InMemoryMetricReader()
meters = MeterProvider([reader])
provider = prefactor_otel.TracerProvider()
exporters = []

def build():
    exporters.append(prefactor_otel.PrefactorSpanProcessor(meter_provider=meters))
    provider.add_span_processor(exporters[-1])

def trace(frame, event, _):
    "One more is built amid each step through the weak references that we hold, up to a score."
    code = frame.f_code
    is_among = code.co_name in LOOKS and any(each in code.co_filename for each in AMONG)
    if event == "line" and is_among and len(exporters) < 20:
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    return trace

AMONG = ("/living.py", "/weakref.py", "/_weakrefset.py")
LOOKS = ("__iter__", "keyrefs", "items", "<listcomp>")

def a_run():
    with prefactor_otel.run("run") as run:
        assert run.id is None

def an_approval():
    with prefactor_otel.approval("refund", tracer=provider.get_tracer("agent")) as asked:
        asked.decided(by="a person", answer=True)

def a_record():
    hand_over(Completion(SpanKey(1, 2), 3, ()), None)

def a_call():
    RunPropagator().inject({})

def a_collection():
    [scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
    seen = [len(metric.data.data_points) for metric in scope.metrics]
    assert min(seen) >= 2, seen

build()
build()
assert reader.get_metrics_data() is not None  # imports what it needs
sys.settrace(trace)
try:
    CALL
finally:
    sys.settrace(None)
assert len(exporters) > 2
"""
CALLS = [
    "a_run()",
    "an_approval()",
    "a_record()",
    "a_call()",
    "prefactor_otel.raise_if_terminated()",
    "prefactor_otel.end_session('session')",
    "prefactor_otel.flush(0)",
    "prefactor_otel.shutdown(0)",
    "a_collection()",
]


@pytest.mark.parametrize("call", CALLS)
def test_exporters_that_are_built_amid_a_call_do_it_no_harm(call: str) -> None:
    ended = run_script(MEANWHILE.replace("CALL", call), "", "")
    assert (ended.code, ended.stderr) == (0, "")
