"""``flush``, ``aflush`` and ``shutdown`` for the whole process, and the handle of ``configure``."""

import asyncio

import pytest

import prefactor_otel
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import plain_process
from tests.process.dead import never_answering
from tests.process.scripts import localhost, run_script

NO_PROVIDER = ""
STOCK = """
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""
THEIR_OWN = """
from opentelemetry.sdk.trace import TracerProvider
class Theirs(TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return super().get_tracer(*args, **kwargs)
trace.set_tracer_provider(Theirs())
"""
DEMANDING = """
from opentelemetry.sdk.trace import TracerProvider
class Demanding(TracerProvider):
    known = []
    def __init_subclass__(cls, *, name, **options):
        Demanding.known.append(name)
trace.set_tracer_provider(Demanding())
"""
HANDLE = """
import prefactor_otel
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
BEFORE
before = trace.get_tracer_provider()
provider = prefactor_otel.configure()
assert isinstance(provider, prefactor_otel.ConfiguredProvider)
assert isinstance(provider, sdk.TracerProvider)
assert isinstance(provider, type(before)) or not isinstance(before, sdk.TracerProvider)
assert trace.get_tracer_provider() is provider
assert provider.run_id is None or provider.stats().state == "running"
for number in range(3):
    trace.get_tracer("agent").start_span(f"span {number}").end()
assert provider.force_flush()
stats = provider.stats()
assert (stats.acknowledged, stats.state, stats.run_id) == (3, "running", provider.run_id)
assert not provider.terminated.is_set()
provider.set_run_status("failed")
provider.shutdown()
assert provider.stats().state == "closed"
print(provider.run_id)
"""


@pytest.mark.parametrize("before", [NO_PROVIDER, STOCK, THEIR_OWN, DEMANDING])
def test_configure_returns_the_global_provider_with_a_handle_on_the_run(
    api: DevServer, before: str
) -> None:
    ended = run_script(HANDLE.replace("BEFORE", before), localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    [instance] = api.instances()
    assert (instance["id"], instance["status"]) == (ended.stdout.strip(), "failed")


STANDS_IN = """
from opentelemetry.sdk.trace import TracerProvider
class StandsIn:
    def __init__(self, real):
        self.real = real
    @property
    def __class__(self):
        return type(self.real)
    def __getattr__(self, name):
        return getattr(self.real, name)
before = StandsIn(TracerProvider())
"""
REFUSED = """
import prefactor_otel
from opentelemetry import trace
BEFORE
trace.set_tracer_provider(before)
assert prefactor_otel.configure() is trace.get_tracer_provider() is before
trace.get_tracer("agent").start_span("span").end()
assert prefactor_otel.flush()
"""


@pytest.mark.parametrize("before", [STANDS_IN])
def test_a_provider_that_takes_no_handle_is_configured_all_the_same(
    api: DevServer, before: str
) -> None:
    ended = run_script(REFUSED.replace("BEFORE", before), localhost(api), api.token)
    assert ended.code == 0, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "configure() cannot add stats()" in ended.stderr
    assert [len(api.spans()), len(api.instances())] == [1, 1]


AGAIN = """
import prefactor_otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
FIRST
handle = prefactor_otel.configure()
assert prefactor_otel.configure() is handle
assert first is None or handle.pipeline is first.pipeline
handle.get_tracer("agent").start_span("span").end()
assert prefactor_otel.flush()
"""
FIRST = {
    "configure": "first = prefactor_otel.configure()",
    "processor": "first = prefactor_otel.PrefactorSpanProcessor()\n"
    "trace.set_tracer_provider(TracerProvider())\n"
    "trace.get_tracer_provider().add_span_processor(first)",
    "exporter": "first = prefactor_otel.PrefactorExporter()\n"
    "trace.set_tracer_provider(TracerProvider())\n"
    "trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(first))",
    "provider": "first = prefactor_otel.PrefactorExporter()\n"
    "processors = [BatchSpanProcessor(first)]\n"
    "trace.set_tracer_provider(prefactor_otel.TracerProvider(span_processors=processors))",
}


@pytest.mark.parametrize("first", FIRST)
def test_configure_gives_a_handle_on_what_was_set_up_before(api: DevServer, first: str) -> None:
    ended = run_script(AGAIN.replace("FIRST", FIRST[first]), localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert [len(api.spans()), len(api.instances())] == [1, 1]


API_ALONE = """
class Theirs(trace.TracerProvider):
    def get_tracer(self, *args, **kwargs):
        return trace.NoOpTracer()
before = Theirs()
"""


@pytest.mark.parametrize("before", [STANDS_IN, API_ALONE])
def test_configure_called_again_beside_a_provider_of_others_changes_nothing(
    api: DevServer, before: str
) -> None:
    first = f"{before}\ntrace.set_tracer_provider(before)\nfirst = None"
    ended = run_script(AGAIN.replace("FIRST", first), localhost(api), api.token)
    assert ended.code == 0, ended.stderr
    assert [len(api.spans()), len(api.instances())] == [1, 1]


def test_configure_names_the_options_that_it_does_not_take_any_more(api: DevServer) -> None:
    script = """
import prefactor_otel
from opentelemetry.sdk.resources import Resource
first = prefactor_otel.configure(agent_name="clerk", resource=Resource({"team": "a"}))
for team in "ab":
    resource = Resource({"team": team})
    prefactor_otel.configure(agent_name="clerk", purpose="live", resource=resource)
prefactor_otel.configure(api_token="pf_secret", agent_name="other", max_queue_size=9)
try:
    prefactor_otel.configure(max_queue_size="many")
except prefactor_otel.PrefactorConfigError:
    assert first.pipeline is prefactor_otel.configure().pipeline
"""
    ended = run_script(script, localhost(api), api.token)
    told = (
        "Spans are sent to Prefactor already, by settings that configure() does not change: "
        "no effect of"
    )
    assert ended.code == 0, ended.stderr
    assert ended.stderr.splitlines() == [
        f"{told} resource",
        f"{told} agent_name, api_token, max_queue_size",
    ]


ANEW = """
import prefactor_otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
FIRST
for number in range(3):
    handle = prefactor_otel.configure(agent_version=str(number))
    assert handle is trace.get_tracer_provider()
    trace.get_tracer("agent").start_span(f"span {number}").end()
    if number < 2:
        END
assert handle.force_flush()
stats = handle.stats()
assert (stats.acknowledged, stats.dropped) == (1, {}), stats
"""


@pytest.mark.parametrize("end", ["prefactor_otel.shutdown()", "handle.shutdown()"])
@pytest.mark.parametrize("first", ["", "trace.set_tracer_provider(TracerProvider())"])
def test_configure_begins_anew_after_a_shutdown(api: DevServer, first: str, end: str) -> None:
    script = ANEW.replace("FIRST", first).replace("END", end)
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert [run["status"] for run in api.instances()] == ["complete"] * 3
    assert [row["payload"]["name"] for row in api.spans()] == ["span 0", "span 1", "span 2"]
    assert len({row["agent_instance_id"] for row in api.spans()}) == 3


def test_configure_begins_anew_where_it_had_no_token(api: DevServer) -> None:
    script = """
import os, prefactor_otel
from opentelemetry import trace
token = os.environ.pop("PREFACTOR_API_TOKEN")
prefactor_otel.configure()
prefactor_otel.configure(api_token=token)
trace.get_tracer("agent").start_span("span").end()
"""
    ended = run_script(script, localhost(api), api.token)
    assert ended.code == 0, ended.stderr
    assert ended.stderr.count("stays off: no API token") == 1
    assert [run["status"] for run in api.instances()] == ["complete"]


SET_UPS = {
    "configure": "prefactor_otel.configure()",
    "stock": "trace.set_tracer_provider(Stock())\n"
    "trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(PrefactorExporter()))",
    "not global": "provider = TracerProvider("
    "span_processors=[BatchSpanProcessor(PrefactorExporter())])",
}
SPANS = """
import asyncio, logging
import prefactor_otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as Stock
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prefactor_otel import PrefactorExporter, TracerProvider
provider = None
SET_UP
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine makes callbacks slow
tracer = (provider or trace.get_tracer_provider()).get_tracer("agent")
with tracer.start_as_current_span("root"):
    for number in range(9):
        tracer.start_span(f"span {number}").end()
"""


@pytest.mark.parametrize("set_up", SET_UPS)
@pytest.mark.parametrize(
    "flush", ["prefactor_otel.flush()", "asyncio.run(prefactor_otel.aflush())"]
)
def test_a_flush_delivers_however_prefactor_was_set_up(
    api: DevServer, set_up: str, flush: str
) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up])
    script += f"assert {flush} is True\nimport os; os._exit(0)"
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert api.instances()[0]["span_counts"]["complete"] == 10


@pytest.mark.parametrize("set_up", SET_UPS)
def test_a_shutdown_finishes_the_run_however_prefactor_was_set_up(
    api: DevServer, set_up: str
) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up])
    script += "assert prefactor_otel.shutdown() is True\nimport os; os._exit(0)"
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    [instance] = api.instances()
    assert (instance["status"], instance["span_counts"]["complete"]) == ("complete", 10)


def test_where_nothing_was_set_up_there_is_nothing_to_wait_for() -> None:
    script = "import asyncio, prefactor_otel as p\n"
    script += "print(p.flush(), asyncio.run(p.aflush()), p.shutdown(), p.shutdown(10), p.flush())"
    ended = run_script(script, "http://localhost:1")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "True True True True True\n", "")


@pytest.mark.parametrize("set_up", SET_UPS)
@pytest.mark.parametrize(
    "call", ["flush(300)", "shutdown(300)", "flush(0)", "shutdown(0)", "aflush(300)"]
)
def test_what_is_not_delivered_in_time_is_said(set_up: str, call: str) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up])
    call = f"asyncio.run(prefactor_otel.{call})" if "aflush" in call else f"prefactor_otel.{call}"
    script += (
        "logging.disable()\nimport faulthandler\nfaulthandler.dump_traceback_later(60, exit=True)\n"
    )
    script += f"print({call})\nimport os, sys; sys.stdout.flush(); os._exit(0)"
    with never_answering() as url:
        ended = run_script(script, url)
    assert (ended.code, ended.stdout) == (0, "False\n"), ended.stderr


@pytest.mark.parametrize("set_up", SET_UPS)
def test_who_has_no_time_hears_that_nothing_waits(api: DevServer, set_up: str) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up])
    script += (
        "assert prefactor_otel.flush()\n"
        "print(prefactor_otel.flush(0), asyncio.run(prefactor_otel.aflush(0)))"
    )
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stdout, ended.stderr) == (0, "True True\n", "")


KEEPS = """
class Keeps(BatchSpanProcessor):
    def force_flush(self, timeout_millis=30_000):
        ANSWER
keeps = Keeps(PrefactorExporter())
trace.get_tracer_provider().add_span_processor(keeps)
"""


@pytest.mark.parametrize("answer", ["raise RuntimeError('no')", "return False"])
@pytest.mark.parametrize("end", ["flush()", "shutdown()"])
def test_what_a_processor_has_not_handed_over_is_not_called_delivered(
    api: DevServer, answer: str, end: str
) -> None:
    script = SPANS.replace("SET_UP", SET_UPS["configure"] + KEEPS.replace("ANSWER", answer))
    script += f"print(prefactor_otel.{end}, flush=True)\nimport os; os._exit(0)"
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stdout) == (0, "False\n")
    assert ("A processor could not be flushed: RuntimeError" in ended.stderr) == ("raise" in answer)


@pytest.mark.parametrize("set_up", SET_UPS)
def test_what_the_provider_has_ended_before_was_delivered(api: DevServer, set_up: str) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up])
    script += "(provider or trace.get_tracer_provider()).shutdown()\n"
    script += "assert prefactor_otel.flush() and prefactor_otel.shutdown()"
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")


BESIDE = """
import threading
class Never(BatchSpanProcessor):
    def force_flush(self, timeout_millis=30_000):
        threading.Event().wait()
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
trace.get_tracer_provider().add_span_processor(Never(ConsoleSpanExporter(open("/dev/null", "w"))))
assert prefactor_otel.flush() and prefactor_otel.shutdown()
import os; os._exit(0)
"""


@pytest.mark.parametrize("set_up", ["configure", "stock"])
def test_other_exporters_of_the_provider_are_not_waited_for(api: DevServer, set_up: str) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up]) + BESIDE
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")


async def test_aflush_leaves_the_event_loop_free(api_environment: DevServer) -> None:
    api_environment.faults.add(path="/bulk", delay=1.0)
    provider = TracerProvider(span_processors=[PrefactorSpanProcessor()])
    provider.get_tracer("agent").start_span("span").end()
    flushing = asyncio.create_task(prefactor_otel.aflush())
    turns = 0
    while not flushing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert await flushing is True
    assert turns > 1
    assert len(api_environment.spans()) == 1
    provider.shutdown()


IN_CHILD = """
import warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import os, threading
assert prefactor_otel.flush()
pid = os.fork()
if pid == 0:
    assert prefactor_otel.flush() and prefactor_otel.shutdown()
    os._exit("prefactor-otel" in [each.name for each in threading.enumerate()])
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.mark.parametrize("set_up", SET_UPS)
def test_a_forked_child_that_has_done_nothing_begins_no_run_for_a_flush(
    api: DevServer, set_up: str
) -> None:
    script = SPANS.replace("SET_UP", SET_UPS[set_up]) + IN_CHILD
    ended = run_script(script, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert len(api.instances()) == 1


def one_span() -> PrefactorSpanProcessor:
    """A processor that is kept alive by who asked for it, and has been given a span."""
    processor = PrefactorSpanProcessor()
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    provider.get_tracer("agent").start_span("span").end()
    return processor


def test_a_loss_is_told_once_and_not_of_what_is_set_up_after_it(api_environment: DevServer) -> None:
    api_environment.faults.add(path="/bulk", status=503, times=None)
    lossy = one_span()
    assert not prefactor_otel.shutdown(0)
    api_environment.faults.clear()
    after_it = one_span()
    assert prefactor_otel.flush()
    assert prefactor_otel.shutdown()
    assert lossy.stats().dropped == {"shutdown_timeout": 1}
    assert after_it.stats().acknowledged == 1


@pytest.mark.parametrize("timeout_millis", [None, 2000])
def test_a_shutdown_of_several_exporters_takes_the_timeout_once(
    timeout_millis: float | None,
) -> None:
    with never_answering() as url:
        processors = [PrefactorSpanProcessor(url, "t", shutdown_timeout=2.0) for _ in range(4)]
        for processor in processors:
            provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
            provider.get_tracer("agent").start_span("span").end()
        with plain_process(5.0) as still_runs:
            assert not prefactor_otel.shutdown(timeout_millis)
            assert still_runs()
    assert [each.stats().dropped for each in processors] == 4 * [{"shutdown_timeout": 1}]
