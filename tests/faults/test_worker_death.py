"""Whatever ends the background thread, it comes back, and no span is lost with it.

In processes of their own: what a killed thread leaves behind would disturb other tests.
"""

import json
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.process.scripts import run_script

PROLOGUE = """
import ctypes, json, threading, time
from dataclasses import asdict
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from tests.patience import plain_process

def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefactor-otel"]

def strike(error=SystemExit):
    for thread in threads():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(error)
        )

def kill():
    "Strike until the thread is gone, whatever it does about it."
    while alive := threads():
        strike()
        alive[0].join(0.001)

def report(**more):
    print(json.dumps(asdict(processor.stats()) | more))

processor = PrefactorSpanProcessor(schedule_delay=DELAY)
provider = TracerProvider(span_processors=[processor])
tracer = provider.get_tracer("agent")
"""


def outcome(api: DevServer, script: str, delay: float = 0.05) -> dict[str, Any]:
    """What the script has printed, and the spans that have arrived (``names``)."""
    prologue = PROLOGUE.replace("DELAY", str(delay))
    # By its number: looking up a name starts a thread, and CPython gives a strike of just then to
    # the new thread, whose beginning `Thread.start` then awaits for ever.
    ended = run_script(prologue + script, api.url, api.token)
    assert ended.code == 0, ended.stderr
    printed: dict[str, Any] = json.loads(ended.stdout)
    return printed | {"names": sorted(row["payload"]["name"] for row in api.spans())}


def test_a_span_that_ends_after_the_threads_death_revives_it_within_a_second(
    api: DevServer,
) -> None:
    found = outcome(
        api,
        """
tracer.start_span("before").end()
assert processor.force_flush()
kill()
with plain_process(1.0) as still_runs:
    tracer.start_span("after").end()
    while processor.stats().acknowledged < 2:
        time.sleep(0.01)
    report(in_time=still_runs())
""",
    )
    assert found["in_time"]
    assert found["worker_restarts"] >= 1
    assert found["names"] == ["after", "before"]


def test_an_export_after_the_threads_death_revives_it(api: DevServer) -> None:
    found = outcome(
        api,
        """
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
processor.shutdown()
exporter = processor = PrefactorExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
assert exporter.force_flush()
kill()
with plain_process(1.0) as still_runs:
    tracer.start_span("one").end()
    report(in_time=still_runs())
""",
    )
    assert found["in_time"]
    assert found["acknowledged"] == 1


def test_what_waited_when_the_thread_died_is_delivered_by_the_next(api: DevServer) -> None:
    api.faults.add(path="/bulk", drop="after", times=2)
    found = outcome(
        api,
        """
for number in range(100):
    tracer.start_span(f"span {number}").end()
while not processor.stats().last_error:
    time.sleep(0.001)
kill()
assert processor.stats().waiting == 100
assert processor.force_flush()
report()
""",
    )
    assert len(set(found["names"])) == len(found["names"]) == 100
    assert (found["accepted"], found["acknowledged"], found["dropped"]) == (100, 100, {})


@pytest.mark.parametrize("error", ["SystemExit", "KeyboardInterrupt", "MemoryError"])
def test_a_thread_that_is_struck_goes_on_by_itself(api: DevServer, error: str) -> None:
    found = outcome(
        api,
        f"""
tracer.start_span("before").end()
assert processor.force_flush()
[first] = threads()
strike({error})
tracer.start_span("while").end()
assert processor.force_flush()
assert threads() == [first]
report()
""",
    )
    assert found["names"] == ["before", "while"]
    assert found["worker_restarts"] == 1


def test_strikes_amid_the_sending_lose_and_repeat_nothing(api: DevServer) -> None:
    api.faults.add(path="/bulk", delay=0.1, times=None)
    found = outcome(
        api,
        """
tracer.start_span("first").end()
assert processor.force_flush()
wakes = 0
for burst in range(10):
    sent = processor.stats().requests
    for number in range(50):
        tracer.start_span(f"span {burst} {number}").end()
    while processor.stats().requests == sent:
        time.sleep(0.001)
    strike()
    while processor.stats().worker_restarts <= burst:  # a thread that waits has to be woken for it
        tracer.start_span(f"wake {(wakes := wakes + 1)}").end()
        time.sleep(0.001)
        if wakes % 500 == 0:  # Python loses one that comes amid a finalizer
            strike()
assert processor.force_flush()
report()
""",
    )
    assert found["worker_restarts"] >= 10
    assert found["dropped"] == {}
    assert len(set(found["names"])) == len(found["names"]) == found["accepted"] > 500
    # A strike between two instructions that settle an entry can cost the count of it, not more.
    assert 0 <= found["accepted"] - found["acknowledged"] <= found["worker_restarts"]


def test_strikes_upon_strikes_lose_and_repeat_nothing(api: DevServer) -> None:
    found = outcome(
        api,
        """
for number in range(200):
    tracer.start_span(f"span {number}").end()
    for _ in range(3):
        strike()
        time.sleep(0.0002)
assert processor.force_flush()
report()
""",
    )
    assert found["worker_restarts"] >= 1
    assert (found["acknowledged"], found["dropped"]) == (found["accepted"], {}) == (200, {})
    assert len(set(found["names"])) == len(found["names"]) == 200


def test_a_span_that_ends_the_thread_whenever_it_is_read_costs_itself_alone(
    api: DevServer,
) -> None:
    found = outcome(
        api,
        """
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

class Deadly(ReadableSpan):
    @property
    def attributes(self):
        raise SystemExit

tracer.start_span("before").end()
processor.on_end(Deadly("deadly", SpanContext(1, 2, False, TraceFlags(1))))
tracer.start_span("after").end()
processor.force_flush()
report()
""",
    )
    assert found["names"] == ["after", "before"]
    assert found["dropped"] == {"unreadable": 1}


def test_shutdown_revives_a_dead_thread_and_delivers(api: DevServer) -> None:
    found = outcome(
        api,
        """
for number in range(10):
    tracer.start_span(f"span {number}").end()
kill()
provider.shutdown()
report()
""",
        delay=5,
    )
    assert (found["acknowledged"], found["dropped"], found["state"]) == (10, {}, "closed")
    assert found["worker_restarts"] >= 1
    [instance] = api.instances()
    assert instance["status"] == "complete"


def test_the_end_of_the_process_delivers_what_a_dead_thread_left(api: DevServer) -> None:
    outcome(api, 'tracer.start_span("one").end()\nkill()\nreport()\n', delay=5)
    [instance] = api.instances()
    assert instance["status"] == "complete"
    assert instance["span_counts"]["complete"] == 1


def test_a_strike_during_the_shutdown_costs_nothing(api: DevServer) -> None:
    api.faults.add(path="/finish", delay=0.5)
    found = outcome(
        api,
        """
tracer.start_span("one").end()
assert processor.force_flush()
sent = processor.stats().requests
closing = threading.Thread(target=provider.shutdown)
closing.start()
while processor.stats().requests == sent:
    time.sleep(0.001)
strike()
closing.join()
report()
""",
    )
    assert (found["acknowledged"], found["dropped"]) == (1, {})
    [instance] = api.instances()
    assert instance["status"] == "complete"
