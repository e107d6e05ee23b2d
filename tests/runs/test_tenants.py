"""Several agents in one process: each run is of the agent that its first span names."""

import json
import os
import urllib.request
from collections import defaultdict
from queue import Queue
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Tracer

import prefactor_otel
from prefactor_otel import (
    PrefactorConfigError,
    PrefactorExporter,
    PrefactorSpanProcessor,
    PrefactorTerminatedError,
    TracerProvider,
)
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.runs.naming import Named
from prefactor_otel.runs.router import MAX_LASTING
from prefactor_otel.runs.tenants import MAX_TENANTS, Tenants
from prefactor_otel.stats.log import QuietLog
from tests.benchmarks.sink import Sink
from tests.patience import PATIENCE, comes_true
from tests.registrations import registrations

NAME, ID = "prefactor.agent_name", "prefactor.agent_id"
CALL = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": '"how are you"'}


class Process:
    """A process with an agent of its own, and what it sends."""

    def __init__(self, api: DevServer, run_scope: str = "provider", **options: Any) -> None:
        self.api = api
        given: dict[str, Any] = {
            "agent_name": "own",
            "schedule_delay": 0.02,
            "shutdown_timeout": PATIENCE,
            "run_scope": run_scope,
        }
        self.processor = PrefactorSpanProcessor(api.url, api.token, **(given | options))
        self.provider = TracerProvider(span_processors=[self.processor], shutdown_on_exit=False)

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("service")

    def does(self, name: str, **attributes: str) -> None:
        """A task with one step."""
        given = {NAME if key == "agent" else ID: value for key, value in attributes.items()}
        with self.tracer.start_as_current_span(name, attributes=given):
            self.tracer.start_span(f"step of {name}").end()


def by_agent(api: DevServer) -> dict[str, list[list[str]]]:
    """The names of the spans of each run, by the name that its agent is registered with."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for row in api.spans():
        names[row["agent_instance_id"]].append(row["payload"]["name"])
    found: defaultdict[str, list[list[str]]] = defaultdict(list)
    for run, asked in zip(api.instances(), registrations(api), strict=True):
        found[asked["agent_version"]["name"]].append(sorted(names[run["id"]]))
    return dict(found)


def statuses(api: DevServer) -> list[str]:
    return [run["status"] for run in api.instances()]


TASKS = {"own": ["a", "step of a"], "clerk": ["b", "step of b"]}


@pytest.mark.parametrize("scope", ["provider", "trace", "session"])
def test_a_root_that_names_an_agent_is_of_that_agents_run(api: DevServer, scope: str) -> None:
    process = Process(api, scope)
    process.does("a")
    process.does("b", agent="clerk")
    assert process.provider.force_flush()
    process.provider.shutdown()
    assert by_agent(api) == {name: [spans] for name, spans in TASKS.items()}
    assert statuses(api) == ["complete"] * 2


def test_an_agent_has_one_run_in_a_process_and_one_for_each_trace_where_runs_are_traces(
    api: DevServer,
) -> None:
    process = Process(api)
    for name in "abc":
        process.does(name, agent="clerk")
    process.provider.shutdown()
    runs = by_agent(api)
    assert runs["own"] == [[]]
    assert runs["clerk"] == [["a", "b", "c", "step of a", "step of b", "step of c"]]


def test_each_agent_has_its_own_run_of_a_session(api: DevServer) -> None:
    process = Process(api, "session")
    for agent in ("clerk", "cook", "clerk"):
        with process.tracer.start_as_current_span(
            agent, attributes={NAME: agent, "session.id": "anna"}
        ):
            process.tracer.start_span("step", attributes={"session.id": "anna"}).end()
    assert process.provider.force_flush()
    prefactor_otel.end_session("anna")
    assert api.wait_until(lambda api: statuses(api) == ["complete"] * 2)
    process.provider.shutdown()
    assert by_agent(api) == {
        "clerk": [["clerk", "clerk", "step", "step"]],
        "cook": [["cook", "step"]],
    }


def test_an_agent_inside_of_another_is_in_the_run_that_it_is_called_from(api: DevServer) -> None:
    process = Process(api)
    with process.tracer.start_as_current_span("outer", attributes={NAME: "clerk"}):
        process.does("inner", agent="cook")
    process.provider.shutdown()
    assert by_agent(api) == {"own": [[]], "clerk": [["inner", "outer", "step of inner"]]}


@pytest.mark.parametrize("scope", ["provider", "trace"])
def test_a_block_may_be_another_agents_run(api: DevServer, scope: str) -> None:
    process = Process(api, scope, tenants={"clerk": {"agent_version": "7", "purpose": "eval"}})

    @prefactor_otel.run(agent="clerk")
    def work() -> None:
        process.does("b")

    work()
    with prefactor_otel.run("night porter", agent="clerk"):
        process.does("c", agent="nobody")
    process.provider.shutdown()
    runs = by_agent(api)
    assert runs["clerk"] == [["b", "step of b"]]
    assert runs["night porter"] == [["c", "step of c"]]
    said = [
        r for r in registrations(api) if r["agent_version"]["name"] in ("clerk", "night porter")
    ]
    assert [r["agent_version"]["external_identifier"] for r in said] == ["7", "7"]
    assert [r["purpose"] for r in said] == ["eval", "eval"]


def test_baggage_chooses_among_the_agents_that_are_listed_and_makes_no_other(
    api: DevServer,
) -> None:
    process = Process(api, "trace", tenants={"clerk": {}})
    for name, agent in (("b", "clerk"), ("a", "whoever calls from outside")):
        token = attach(baggage.set_baggage(NAME, agent))
        process.does(name)
        detach(token)
    process.provider.shutdown()
    assert by_agent(api) == {name: [spans] for name, spans in TASKS.items()}


def test_what_a_span_says_wins_over_its_context(api: DevServer) -> None:
    process = Process(api, "trace", tenants={"clerk": {}, "cook": {}})
    token = attach(baggage.set_baggage(NAME, "cook", Context()))
    process.does("b", agent="clerk")
    detach(token)
    process.provider.shutdown()
    assert by_agent(api) == {"clerk": [["b", "step of b"]]}


def test_an_id_names_an_agent_too_and_the_listed_one_that_has_it(api: DevServer) -> None:
    own = api.agent_id
    made = api_agent(api)
    tenants = {"clerk": {"agent_id": made}}
    process = Process(api, "trace", agent_id=own, tenants=tenants)
    process.does("a", id=own)
    process.does("b", id=made)
    process.does("c", agent="clerk")
    with prefactor_otel.run(agent_id=made):
        process.does("d")
    process.provider.shutdown()
    asked = registrations(api)
    assert [r["agent_id"] for r in asked] == [own, made, made, made]
    assert [r["agent_version"]["name"] for r in asked] == ["own", "clerk", "clerk", "clerk"]
    assert [run["agent_id"] for run in api.instances()] == [own, made, made, made]


def api_agent(api: DevServer) -> str:
    """Another agent of the account, as the API makes one."""
    found: str = posted(api, "agent", {"details": {"name": "Clerk"}})["details"]["id"]
    return found


def posted(api: DevServer, path: str, body: Any) -> Any:
    """What the API answers to somebody else's request."""
    headers = {"Authorization": f"Bearer {api.token}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{api.url}/api/v1/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def test_whoever_names_the_processs_own_agent_means_its_run(api: DevServer) -> None:
    process = Process(api)
    process.does("a", agent="own")
    process.provider.shutdown()
    assert by_agent(api) == {"own": [["a", "step of a"]]}


def test_a_resource_may_name_the_processs_agent_and_another_provider_has_its_own(
    api: DevServer,
) -> None:
    processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=PATIENCE)
    providers = [
        TracerProvider(
            resource=Resource({NAME: name, "service.name": "both"}),
            span_processors=[processor],
            shutdown_on_exit=False,
        )
        for name in ("own", "clerk")
    ]
    for provider, name in zip(providers, "ab", strict=True):
        provider.get_tracer("x").start_span(name).end()
    processor.shutdown()
    assert by_agent(api) == {"own": [["a"]], "clerk": [["b"]]}


def test_a_stock_provider_has_agents_by_trace_too(api: DevServer) -> None:
    """It shows no starts: the first span of a trace that ends tells whose it is."""
    exporter = PrefactorExporter(
        api.url, api.token, run_scope="trace", agent_name="own", run_linger=0.5
    )
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("x")
    for name, agent in (("a", "own"), ("b", "clerk")):
        with tracer.start_as_current_span(name, attributes={NAME: agent}):
            tracer.start_span(f"step of {name}", attributes={NAME: agent}).end()
    provider.shutdown()
    assert by_agent(api) == {name: [spans] for name, spans in TASKS.items()}


def test_what_may_leave_is_said_for_each_agent(api: DevServer) -> None:
    tenants: dict[str, Any] = {
        "clerk": {"capture_inputs": False},
        "cook": {"mask": lambda path, text: text.replace("how", "HOW")},
    }
    process = Process(api, "trace", tenants=tenants)
    for agent in ("own", "clerk", "cook"):
        process.tracer.start_span(agent, attributes={NAME: agent, **CALL}).end()
    process.provider.shutdown()
    said = {row["payload"]["name"]: str(row["payload"]) for row in api.spans()}
    assert ["how are you" in said[agent] for agent in ("own", "clerk", "cook")] == [1, 0, 0]
    assert "HOW are you" in said["cook"]


def test_which_spans_are_sent_is_said_for_each_agent(api: DevServer) -> None:
    process = Process(api, tenants={"clerk": {"span_filter": "-service"}, "cook": {}})
    process.does("a", agent="clerk")
    process.does("b", agent="cook")
    process.provider.shutdown()
    assert by_agent(api) == {"own": [[]], "cook": [["b", "step of b"]]}
    assert process.processor.stats().dropped == {"filtered": 2}


def test_a_terminated_run_stops_its_own_agent_and_no_other(api: DevServer) -> None:
    process = Process(api, on_terminate="raise", poll_interval=0.05)
    process.does("a")
    process.does("b", agent="clerk")
    assert process.provider.force_flush()
    named = zip(registrations(api), api.instances(), strict=True)
    (clerk,) = [run["id"] for asked, run in named if asked["agent_version"]["name"] == "clerk"]
    api.terminate(clerk, "enough")

    def is_stopped() -> bool:
        try:
            process.does("c", agent="clerk")
        except PrefactorTerminatedError as error:
            return bool(error.run_id == clerk)
        return False

    assert comes_true(is_stopped)
    process.does("d")
    process.does("e", agent="cook")
    assert not process.processor.terminated.is_set()
    process.provider.shutdown()
    runs = by_agent(api)
    assert runs["own"] == [["a", "d", "step of a", "step of d"]]
    assert runs["cook"] == [["e", "step of e"]]
    assert sorted(statuses(api)) == ["complete", "complete", "terminated"]


def test_a_function_is_told_whose_run_was_terminated(api: DevServer) -> None:
    stopped: Queue[str | None] = Queue()
    process = Process(
        api, poll_interval=0.05, on_terminate=lambda run, reason: stopped.put(run.agent)
    )
    process.does("a")
    process.does("b", agent="clerk")
    assert process.provider.force_flush()
    for run in api.instances():
        api.terminate(run["id"], "enough")
    assert {stopped.get(timeout=PATIENCE), stopped.get(timeout=PATIENCE)} == {"own", "clerk"}
    process.provider.shutdown()


def test_the_processs_own_run_is_stopped_alone_as_well(api: DevServer) -> None:
    process = Process(api, on_terminate="raise", poll_interval=0.05)
    process.does("a")
    assert process.provider.force_flush()
    api.terminate(api.instances()[0]["id"], "enough")
    assert process.processor.terminated.wait(PATIENCE)
    with pytest.raises(PrefactorTerminatedError):
        process.does("c")
    process.does("b", agent="clerk")
    process.provider.shutdown()
    assert by_agent(api)["clerk"] == [["b", "step of b"]]


def test_a_run_that_the_platform_has_ended_goes_on_as_one_of_the_same_agent(
    api: DevServer,
) -> None:
    process = Process(api, poll_interval=0.05)
    process.does("a", agent="clerk")
    assert process.provider.force_flush()
    named = zip(registrations(api), api.instances(), strict=True)
    (clerk,) = [run["id"] for asked, run in named if asked["agent_version"]["name"] == "clerk"]
    posted(api, f"agent_instance/{clerk}/finish", {})

    def has_another() -> bool:
        process.does("b", agent="clerk")
        process.provider.force_flush()
        return len(by_agent(api)["clerk"]) == 2

    assert comes_true(has_another)
    process.provider.shutdown()
    assert set(by_agent(api)) == {"own", "clerk"}


def test_a_shutdown_ends_the_runs_of_all_agents(api: DevServer) -> None:
    process = Process(api)
    for agent in ("clerk", "cook"):
        process.tracer.start_span(agent, attributes={NAME: agent}, context=Context()).end()
    left = process.tracer.start_span("left open", attributes={NAME: "cook"}, context=Context())
    process.provider.shutdown()
    left.end()
    assert statuses(api).count("active") == 0
    assert len(statuses(api)) == 3
    assert process.processor.stats().unfinished_runs == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_runs_of_its_own_for_each_agent(api: DevServer) -> None:
    process = Process(api)
    process.does("a", agent="clerk")
    assert process.provider.force_flush()
    child = os.fork()
    if child == 0:
        try:
            process.does("b", agent="clerk")
            process.provider.shutdown()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    process.does("c", agent="clerk")
    process.provider.shutdown()
    assert sorted(by_agent(api)["clerk"]) == [
        ["a", "c", "step of a", "step of c"],
        ["b", "step of b"],
    ]
    assert "active" not in statuses(api)


def test_hundreds_of_agents_share_what_is_declared_and_are_forgotten_when_idle(
    api: DevServer,
) -> None:
    process = Process(api, "trace")
    for number in range(1_100):
        process.tracer.start_span("task", attributes={NAME: f"agent {number}"}).end()
        if number % 100 == 0:
            assert process.provider.force_flush(int(PATIENCE * 1000))
    process.provider.shutdown()
    assert len(by_agent(api)) == 1_100
    assert process.processor.stats().dropped == {}


def test_who_was_not_named_for_long_is_forgotten_unless_a_run_is_open() -> None:
    tenants = Tenants(load_config(None, "pf_x", tenants={"clerk": {}}), QuietLog(), dict)
    for number in range(MAX_TENANTS + 200):
        found = tenants.of(Named(name=f"agent {number}"))
        found.open_runs += number % 10 == 0
    known = [tenants.known(Named(name=f"agent {each}")) for each in range(MAX_TENANTS + 200)]
    assert sum(each is not None for each in known) == MAX_TENANTS
    assert all(known[::10])
    assert all(known[-500:])
    assert tenants.known(Named(name="clerk")) is not None


def test_nobody_is_forgotten_whose_run_goes_on(api: DevServer) -> None:
    """In a process in which each agent has one run."""
    process = Process(api)
    first = process.tracer.start_span("first", attributes={NAME: "clerk"}, context=Context())
    for number in range(30):
        process.does("task", agent=f"agent {number % 3}")
    first.end()
    process.does("second", agent="clerk")
    process.provider.shutdown()
    assert by_agent(api)["clerk"] == [["first", "second", "step of second"]]
    assert len(api.instances()) == 5


def test_of_thousands_of_agents_the_runs_end_of_whom_nothing_came_for_longest() -> None:
    agents = MAX_LASTING + 200
    with Sink() as backend:
        processor = PrefactorSpanProcessor(backend.url, "pf_token", shutdown_timeout=PATIENCE)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer = provider.get_tracer("service")
        for number in range(agents):
            tracer.start_span("task", attributes={NAME: f"agent {number}"}).end()
            if number % 100 == 0:
                assert provider.force_flush(int(PATIENCE * 1000))
        assert provider.force_flush(int(PATIENCE * 1000))
        assert comes_true(lambda: processor.stats().runs <= MAX_LASTING)
        processor.shutdown()
    stats = processor.stats()
    assert stats.idle_runs >= 200
    assert (stats.acknowledged, stats.unfinished_runs) == (agents, 0)


def test_a_name_too_long_for_one_is_none(api: DevServer) -> None:
    process = Process(api)
    process.does("a", agent="x" * 256)
    process.provider.shutdown()
    assert by_agent(api) == {"own": [["a", "step of a"]]}


@pytest.mark.parametrize(
    ("tenants", "said"),
    [
        ({"clerk": {"capture_input": False}}, "tenant 'clerk': 'capture_input' is not among "),
        ({"clerk": {"max_input_length": -1}}, "tenant 'clerk': max_input_length must be 0 or more"),
        ({"clerk": {"api_token": "pf_secret"}}, "api_token must be the same for all agents"),
        ({"clerk": 5}, "the settings of tenant 'clerk' must be an object"),
        ("[]", "must give settings by the names of agents"),
    ],
)
def test_a_setting_that_no_agent_has_is_named_with_its_tenant_and_nothing_secret(
    tenants: Any, said: str
) -> None:
    with pytest.raises(PrefactorConfigError) as caught:
        load_config(None, "pf_x", tenants=tenants)
    assert "option tenants (variable PREFACTOR_TENANTS) cannot be used: " in str(caught.value)
    assert said in str(caught.value)
    assert "pf_secret" not in str(caught.value)


def test_the_environment_lists_agents_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PREFACTOR_TENANTS", '{"clerk": {"mask": "emails", "capture_outputs": "false"}}'
    )
    config = load_config(None, "pf_x")
    assert config.tenants is not None
    assert config.tenants["clerk"]["capture_outputs"] is False
