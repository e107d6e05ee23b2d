"""What may go wrong in a host process must not become its trouble: no wait, no exception."""

import json
import sys
import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import comes_true, plain_process
from tests.process.scripts import run_script


def printed(api: DevServer, script: str) -> dict[str, Any]:
    ended = run_script(script, api.url, api.token)
    assert ended.code == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found | {"stderr": ended.stderr}


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no interval timers")
def test_a_signal_handler_may_end_spans_amid_the_end_of_another(api: DevServer) -> None:
    found = printed(
        api,
        """
import faulthandler, json, signal, time
from dataclasses import asdict
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
faulthandler.dump_traceback_later(100, exit=True)
processor = PrefactorSpanProcessor(schedule_delay=0.0)
provider = TracerProvider(span_processors=[processor])
tracer = provider.get_tracer("agent")
ended = 0
def handler(*_):
    global ended
    ended += 1
    tracer.start_span("in the handler").end()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
while ended < 300:
    tracer.start_span("in the main thread").end()
    processor.stats()
    ended += processor.stats().waiting < 0
signal.setitimer(signal.ITIMER_REAL, 0)
provider.shutdown()
print(json.dumps(asdict(processor.stats())))
""",
    )
    assert found["accepted"] == found["acknowledged"] + sum(found["dropped"].values()) > 300


def test_the_random_numbers_of_the_application_stay_as_it_has_seeded_them(api: DevServer) -> None:
    found = printed(
        api,
        """
import json, random, threading
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
processor = PrefactorSpanProcessor(
    api_url="http://127.0.0.1:9", schedule_delay=0.0, shutdown_timeout=0.1
)
span = TracerProvider(span_processors=[processor]).get_tracer("agent").start_span("step")
random.seed(1)
seeded = random.getstate()
span.end()
while processor.stats().requests < 3:
    threading.Event().wait(0.01)
print(json.dumps({"is_as_seeded": random.getstate() == seeded}))
""",
    )
    assert found["is_as_seeded"]


def test_a_closed_stderr_hurts_nobody(api: DevServer) -> None:
    found = printed(
        api,
        """
import json, logging, os, sys
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
logging.basicConfig()
sys.stderr.close()
token = os.environ.pop("PREFACTOR_API_TOKEN")
PrefactorSpanProcessor()  # says that there is no token
processor = PrefactorSpanProcessor(api_token=token)
tracer = TracerProvider(span_processors=[processor]).get_tracer("agent")
processor.shutdown()
tracer.start_span("late").end()
print(json.dumps(processor.stats().dropped))
""",
    )
    assert found["after_shutdown"] == 1


NO_THREAD = """
import json, resource, threading
from dataclasses import asdict
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
found_out = Resource.create()  # the SDK makes threads for it
threading.stack_size(1 << 30)
limits = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (900 << 20, limits[1]))
processor = PrefactorSpanProcessor()
exporter = PrefactorExporter()
provider = TracerProvider(
    resource=found_out, span_processors=[processor, SimpleSpanProcessor(exporter)]
)
tracer = provider.get_tracer("agent")
for _ in range(50):
    tracer.start_span("step").end()
flushed = processor.force_flush(500)
before = processor.stats()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of memory")
def test_where_no_thread_can_be_had_spans_wait_until_one_can(api: DevServer) -> None:
    found = printed(
        api,
        NO_THREAD
        + """
resource.setrlimit(resource.RLIMIT_AS, limits)
threading.stack_size(0)
threading.Event().wait(1.1)  # it is tried once a second
tracer.start_span("step").end()
after = processor.force_flush(), exporter.force_flush()
print(json.dumps({"before": [flushed, before.waiting], "after": after,
                  "stats": [asdict(processor.stats()), asdict(exporter.stats())]}))
""",
    )
    assert found["before"] == [False, 50]
    assert found["after"] == [True, True]
    assert [stats["acknowledged"] for stats in found["stats"]] == [51, 51]
    assert found["stderr"].count("No thread can be had") == 2  # one a door


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs limits of memory")
def test_where_no_thread_can_be_had_the_end_of_the_process_delivers(api: DevServer) -> None:
    found = printed(
        api,
        NO_THREAD + 'provider.shutdown()\nprint(json.dumps({"left": processor.stats().waiting}))',
    )
    assert found["left"] == 0
    assert len(api.spans()) == 100


def test_spans_that_end_on_our_thread_are_the_agents_all_the_same(api: DevServer) -> None:
    """As when a garbage collection there ends one: the token is read on a thread of ours."""

    def token() -> str:
        tracer.start_span("inside").end()
        unfinished.end()
        return api.token

    exporter = PrefactorExporter(api.url, lambda: token())
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    unfinished = tracer.start_span("of the agent")
    tracer.start_span("first").end()
    provider.shutdown()
    names = sorted(row["payload"]["name"] for row in api.spans())
    assert names == ["first", "of the agent"]
    assert exporter.stats().acknowledged == 2


def test_a_token_function_that_hangs_keeps_nobody_waiting(api: DevServer) -> None:
    answer = threading.Event()

    def token() -> str:
        answer.wait()
        return api.token

    exporter = PrefactorExporter(api.url, token, shutdown_timeout=4.0)
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    with plain_process(3.0) as three_seconds, plain_process(4.5) as four_and_a_half:
        for _ in range(3):
            tracer.start_span("step").end()
        assert three_seconds()
        provider.shutdown()
        assert four_and_a_half()
    answer.set()
    assert exporter.stats().dropped == {"shutdown_timeout": 3}


def test_an_api_that_hangs_after_the_registration_keeps_nobody_waiting(api: DevServer) -> None:
    exporter = PrefactorExporter(api.url, api.token, shutdown_timeout=4.0)
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    tracer.start_span("first").end()
    assert exporter.stats().acknowledged == 1
    api.faults.add(path="/bulk", hang=True, times=None)
    with plain_process(3.0) as three_seconds, plain_process(4.5) as four_and_a_half:
        for _ in range(3):
            tracer.start_span("step").end()
        assert three_seconds()
        provider.shutdown()
        assert four_and_a_half()


@pytest.mark.parametrize("provider_class", [SdkTracerProvider, TracerProvider])
def test_a_batch_processor_that_drains_into_a_slow_api_ends_in_time(
    api: DevServer, provider_class: type[SdkTracerProvider]
) -> None:
    api.faults.add(path="/bulk", delay=1.0, times=None)
    exporter = PrefactorExporter(api.url, api.token, shutdown_timeout=3.0, max_batch_size=10)
    provider = provider_class(shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_export_batch_size=10, schedule_delay_millis=600_000)
    )
    tracer = provider.get_tracer("agent")
    for _ in range(100):
        tracer.start_span("step").end()
    assert comes_true(lambda: exporter.run_id)
    with plain_process(3.5) as still_runs:
        provider.shutdown()
        assert still_runs()
    stats = exporter.stats()
    assert stats.accepted == 100
    assert stats.accepted == stats.acknowledged + sum(stats.dropped.values())
    assert stats.acknowledged >= 10


def test_each_span_that_ends_amid_a_shutdown_has_its_account(api: DevServer) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(8):
            processor = PrefactorSpanProcessor(api.url, api.token, schedule_delay=0.0)
            _end_spans_amid_the_shutdown(processor)
            stats = processor.stats()
            assert stats.waiting == 0
            assert stats.accepted == stats.acknowledged + sum(stats.dropped.values())
    finally:
        sys.setswitchinterval(interval)


def _end_spans_amid_the_shutdown(processor: PrefactorSpanProcessor) -> None:
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    tracer, stop = provider.get_tracer("agent"), threading.Event()

    def work() -> None:
        while not stop.is_set():
            tracer.start_span("step").end()
            stop.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not processor.stats().acknowledged:
        stop.wait(0.005)
    processor.shutdown()
    stop.set()
    for thread in threads:
        thread.join()


MEMORY = """
import json, resource
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
processor = PrefactorSpanProcessor(api_url="http://127.0.0.1:9", shutdown_timeout=0.1)
tracer = TracerProvider(span_processors=[processor]).get_tracer("agent")
before, most = resident(), 0
while processor.stats().accepted < 500:  # as many megabytes
    for number in range(20):
        tracer.start_span("step", attributes={"input.value": f"{number}" + "x" * 1_000_000}).end()
    most = max(most, resident())
print(json.dumps({"grown": most - before}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_spans_at_full_speed_are_given_up_before_they_fill_the_memory(
    api: DevServer,
) -> None:
    found = printed(api, MEMORY)
    assert found["grown"] < 200_000_000
