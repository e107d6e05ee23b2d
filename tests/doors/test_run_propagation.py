"""One run over many processes: what is called goes on with the run of whoever calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import prefactor_otel
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from prefactor_otel.doors.propagation import RunPropagator
from prefactor_otel_transport import pfid
from tests.devserver.calls import Caller
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import Ended, localhost, run_script, started_script

PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), RunPropagator()])

CALLEE = """
from opentelemetry import context, propagate, trace
import prefactor_otel

prefactor_otel.configure(run_propagation=True, OPTIONS)
tracer = trace.get_tracer("callee")
for name in NAMES:
    token = context.attach(propagate.extract(CARRIER))
    with tracer.start_as_current_span(name):
        tracer.start_span(f"step of {name}").end()
    context.detach(token)
"""

Carrier = dict[str, str]


@contextmanager
def caller(api: DevServer, **options: Any) -> Iterator[Tracer]:
    """An agent whose runs go on in whatever it calls."""
    processor = PrefactorSpanProcessor(api.url, api.token, run_propagation=True, **options)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    yield provider.get_tracer("caller")
    provider.shutdown()


def told() -> Carrier:
    """What a call from here carries."""
    carrier: Carrier = {}
    PROPAGATOR.inject(carrier)
    return carrier


def known_account(api: DevServer, tracer: Tracer) -> None:
    """Let the caller learn whose account it is: from the answer to its first registration."""
    tracer.start_span("before").end()
    assert comes_true(lambda: "before" in names(api))


def called(
    api: DevServer, carrier: Carrier, *spans: str, options: str = "", **variables: str
) -> Ended:
    """Another process does something for the caller, and ends."""
    source = CALLEE.replace("CARRIER", repr(carrier)).replace("NAMES", repr(spans or ("work",)))
    ended = run_script(source.replace("OPTIONS", options), localhost(api), api.token, **variables)
    assert (ended.code, ended.stderr) == (0, "")
    return ended


def names(api: DevServer) -> dict[str, dict[str, Any]]:
    return {row["payload"]["name"]: row for row in api.spans()}


@pytest.mark.parametrize("run_scope", ["provider", "trace"])
def test_what_is_called_adds_its_spans_to_the_run_under_the_span_that_calls(
    api: DevServer, run_scope: str
) -> None:
    with caller(api, run_scope=run_scope) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("ask"), tracer.start_as_current_span("call"):
            called(api, told())
    spans = names(api)
    assert spans["work"]["parent_span_id"] == spans["call"]["id"]
    assert spans["step of work"]["parent_span_id"] == spans["work"]["id"]
    assert spans["work"]["agent_instance_id"] == spans["ask"]["agent_instance_id"]
    assert len(api.instances()) == (1 if run_scope == "provider" else 2)
    assert {run["status"] for run in api.instances()} == {"complete"}
    assert (
        spans["work"]["payload"]["metadata"]["continued_from"]
        == (spans["ask"]["agent_instance_id"])
    )


def test_it_neither_registers_nor_finishes_a_run_of_its_own(api: DevServer) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            called(api, told(), "one", "two")
            assert [run["status"] for run in api.instances()] == ["active"]
    assert {names(api)[each]["agent_instance_id"] for each in ("one", "two")} == {
        api.instances()[0]["id"]
    }


def test_an_explicit_run_goes_on_from_its_first_moment(api: DevServer) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with prefactor_otel.run("explicit"), tracer.start_as_current_span("call"):
            called(api, told())
    spans = names(api)
    assert spans["work"]["agent_instance_id"] == spans["call"]["agent_instance_id"]
    assert spans["work"]["agent_instance_id"] != spans["before"]["agent_instance_id"]


def test_a_callee_may_call_in_turn(api: DevServer) -> None:
    with caller(api, run_scope="trace") as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            middle = CALLEE.replace("CARRIER", repr(told())).replace("NAMES", "['middle']")
            middle = middle.replace("OPTIONS", "").replace(
                'tracer.start_span(f"step of {name}").end()',
                "carrier = {}; propagate.inject(carrier); print(carrier)",
            )
            ended = run_script(middle, localhost(api), api.token)
            assert (ended.code, ended.stderr) == (0, "")
            called(api, eval(ended.stdout), "last")
    spans = names(api)
    assert spans["last"]["parent_span_id"] == spans["middle"]["id"]
    assert spans["middle"]["parent_span_id"] == spans["call"]["id"]
    assert len({spans[each]["agent_instance_id"] for each in ("call", "middle", "last")}) == 1


def test_a_call_is_recorded_whatever_the_filter_says_because_others_hang_on_it(
    api: DevServer,
) -> None:
    with caller(api, span_filter="agent") as tracer:
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "a"}
        tracer.start_span("before", attributes=agent).end()
        assert comes_true(lambda: api.spans())
        with tracer.start_as_current_span("GET /"):
            called(api, told())
        tracer.start_span("nobody hangs on this").end()
    spans = names(api)
    assert spans["work"]["parent_span_id"] == spans["GET /"]["id"]
    assert "nobody hangs on this" not in spans


def test_without_the_option_nobody_is_told_and_nobody_listens(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    tracer = provider.get_tracer("silent")
    known_account(api, tracer)
    with tracer.start_as_current_span("call"):
        assert set(told()) == {"traceparent"}
    provider.shutdown()
    header = {"prefactor-run": f"{api.instances()[0]['id']}-{api.spans()[0]['id']}"}
    source = CALLEE.replace("CARRIER", repr(header)).replace("NAMES", "['work']")
    source = source.replace("run_propagation=True, OPTIONS", "")
    assert run_script(source, localhost(api), api.token).code == 0
    assert len(api.instances()) == 2


def test_the_header_holds_two_ids_and_nothing_else(api: DevServer) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("secret name"):
            header = told()["prefactor-run"]
    run, span = header.split("-")
    assert run == api.instances()[0]["id"]
    assert span == names(api)["secret name"]["id"]


def test_nothing_is_told_while_the_run_cannot_be_named(api: DevServer) -> None:
    api.faults.add(path="/agent_instance/register", status=503, times=None)
    with caller(api) as tracer:
        with tracer.start_as_current_span("call"):
            assert set(told()) == {"traceparent"}
        api.faults.clear()


PARTITION = 7


@pytest.mark.parametrize(
    "header",
    [
        f"{pfid.generate(PARTITION)}-{pfid.generate(PARTITION)}",
        "nonsense",
        f"{pfid.generate(1)}-{pfid.generate(2)}",
        "-",
        f"{pfid.generate(1)}-../../agent",
        "x" * 100_000,
    ],
    ids=["made up", "no ids", "two accounts", "empty", "a path", "long"],
)
def test_whatever_a_stranger_sends_costs_a_run_of_ones_own(api: DevServer, header: str) -> None:
    called(api, {"prefactor-run": header})
    (run,) = api.instances()
    spans = names(api)
    assert run["status"] == "complete"
    assert spans["work"]["agent_instance_id"] == run["id"]
    assert spans["work"]["parent_span_id"] is None
    assert spans["step of work"]["parent_span_id"] == spans["work"]["id"]


def test_a_run_that_is_over_is_followed_by_one_that_says_which_it_was(api: DevServer) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            carrier = told()
    called(api, carrier)
    spans = names(api)
    assert spans["work"]["agent_instance_id"] != spans["call"]["agent_instance_id"]
    assert (
        spans["work"]["payload"]["metadata"]["continued_from"]
        == (spans["call"]["agent_instance_id"])
    )
    assert {run["status"] for run in api.instances()} == {"complete"}
    assert len(api.instances()) == 2


PAUSED = """
import sys
from opentelemetry import context, propagate, trace
import prefactor_otel

handle = prefactor_otel.configure(run_propagation=True, poll_interval=0, OPTIONS)
tracer = trace.get_tracer("callee")
context.attach(propagate.extract(CARRIER))
with tracer.start_as_current_span("first"):
    pass
assert handle.force_flush()
print("joined", flush=True)
sys.stdin.readline()
with tracer.start_as_current_span("second"):
    tracer.start_span("step of second").end()
print(handle.stats().dropped, flush=True)
handle.shutdown()
print(handle.stats().dropped, flush=True)
"""


@contextmanager
def paused(api: DevServer, carrier: Carrier, options: str = "") -> Iterator["Popen[str]"]:
    """Another process that has joined the run of the caller, and goes on when it gets a line."""
    source = PAUSED.replace("CARRIER", repr(carrier)).replace("OPTIONS", options)
    with started_script(source, localhost(api), api.token) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
        yield process


def test_what_a_caller_has_ended_before_it_was_sent_goes_on_in_a_run_of_ones_own(
    api: DevServer,
) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            carrier = told()
            assert comes_true(lambda: "call" in names(api))
            with paused(api, carrier) as process:
                (run,) = api.instances()
                assert Caller(api).finish(run["id"]).status == 200
                out, _ = process.communicate("go on\n", PATIENCE)
    assert (process.returncode, out) == (0, "{}\n{}\n")
    spans = names(api)
    assert spans["first"]["agent_instance_id"] == run["id"]
    assert spans["second"]["agent_instance_id"] != run["id"]
    assert spans["second"]["parent_span_id"] is None
    assert spans["second"]["payload"]["metadata"]["continued_from"] == run["id"]
    assert spans["step of second"]["parent_span_id"] == spans["second"]["id"]
    assert {each["status"] for each in api.instances()} == {"complete"}


def test_what_a_killed_callee_has_left_goes_on_in_a_run_of_its_own_where_the_caller_has_ended(
    api: DevServer, tmp_path: Path
) -> None:
    folder = str(tmp_path / "spool")
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            carrier = told()
            assert comes_true(lambda: "call" in names(api))
            options = f"spool_dir={folder!r}, shutdown_timeout=0.5"
            with paused(api, carrier, options) as process:
                api.stop()
                try:
                    process.communicate("go on\n", PATIENCE)
                finally:
                    api.start()
        (run,) = api.instances()
        assert Caller(api).finish(run["id"]).status == 200
        heir = PrefactorSpanProcessor(localhost(api), api.token, spool_dir=folder)
        assert comes_true(lambda: "step of second" in names(api))
        heir.shutdown()
    assert heir.stats().dropped == {}
    spans = names(api)
    assert spans["first"]["agent_instance_id"] == run["id"]
    assert spans["second"]["agent_instance_id"] != run["id"]
    assert spans["step of second"]["parent_span_id"] == spans["second"]["id"]
    assert {each["status"] for each in api.instances()} <= {"complete", "failed"}


def test_a_terminated_run_stops_those_who_were_called(api: DevServer) -> None:
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            carrier = told()
            api.terminate(api.instances()[0]["id"], "enough")
            source = f"""
import time
from opentelemetry import context, propagate, trace
import prefactor_otel
handle = prefactor_otel.configure(run_propagation=True, on_terminate="raise")
context.attach(propagate.extract({carrier!r}))
tracer = trace.get_tracer("callee")
try:
    with tracer.start_as_current_span("work"):
        while True:
            tracer.start_span("step").end()
            time.sleep(0.01)
except prefactor_otel.PrefactorTerminatedError as error:
    print("stopped:", error.reason)
"""
            ended = run_script(source, localhost(api), api.token)
    assert ended.code == 0
    assert ended.stdout == "stopped: enough\n"
    assert len(api.instances()) == 1


def test_spans_of_a_part_arrive_after_a_restart_of_the_api_and_of_the_callee(
    api: DevServer, tmp_path: Any
) -> None:
    """With a spool: what the callee could not send is sent by whoever finds its file."""
    with caller(api) as tracer:
        known_account(api, tracer)
        with tracer.start_as_current_span("call"):
            carrier = told()
            assert comes_true(lambda: "call" in names(api))
            folder = str(tmp_path / "spool")
            api.stop()
            try:
                source = CALLEE.replace("CARRIER", repr(carrier)).replace("NAMES", "['work']")
                run_script(
                    source.replace("OPTIONS", f"spool_dir={folder!r}, shutdown_timeout=0.5"),
                    localhost(api),
                    api.token,
                )
            finally:
                api.start()
            assert "work" not in names(api)
            heir = PrefactorSpanProcessor(localhost(api), api.token, spool_dir=folder)
            assert comes_true(lambda: "step of work" in names(api))
            heir.shutdown()
    spans = names(api)
    assert spans["work"]["parent_span_id"] == spans["call"]["id"]
    assert spans["work"]["agent_instance_id"] == spans["call"]["agent_instance_id"]


def test_the_global_propagator_carries_runs_where_configure_is_asked_to(api: DevServer) -> None:
    source = """
from opentelemetry import propagate
import prefactor_otel
before = set(propagate.get_global_textmap().fields)
prefactor_otel.configure(run_propagation=True)
prefactor_otel.configure(run_propagation=True)
print(sorted(set(propagate.get_global_textmap().fields) - before))
"""
    ended = run_script(source, localhost(api), api.token)
    assert (ended.code, ended.stdout) == (0, "['prefactor-run']\n")


def test_the_propagator_can_be_named_in_the_environment(api: DevServer) -> None:
    source = "from opentelemetry import propagate; print(propagate.get_global_textmap().fields)"
    ended = run_script(source, localhost(api), api.token, OTEL_PROPAGATORS="prefactor")
    assert (ended.code, ended.stdout) == (0, "{'prefactor-run'}\n")
