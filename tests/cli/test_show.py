"""``show`` is the whole run, of whichever SDK, from whichever API, and as it grows."""

import json
import re
import signal
from collections.abc import Callable

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.devserver import DevServer
from tests.cli.between import HOSTILE, Json, Query, Refused, between, drives_a_terminal, of
from tests.cli.command import run_command, run_in_terminal
from tests.cli.test_runs import following, unpaged
from tests.devserver.calls import Caller, creation
from tests.patience import PATIENCE

WAITS = {"started_at": "2026-11-30T12:00:00Z"}


def exported(api: DevServer) -> str:
    """A run of the demo's agent, by the exporter."""
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor])
    TravelAgent(provider.get_tracer("travel"), pace=0.0).run(QUESTION)
    provider.shutdown()
    run_id = processor.stats().run_id
    assert run_id is not None
    return run_id


def test_a_run_of_the_exporter_is_shown_as_a_tree_in_a_pipe(api: DevServer) -> None:
    run = exported(api)
    done = run_command("show", run, **of(api))
    lines = [re.sub(r"\d+\.\d\d s", "T s", line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert lines == [
        f"run {run}  complete  6 spans, 336 tokens",
        "└── otel:agent travel agent  T s  complete",
        "    ├── otel:llm   chat scripted-model-1  T s  complete  61 → 14 tokens",
        "    ├── otel:tool  weather  T s  complete",
        "    ├── otel:llm   chat scripted-model-1  T s  complete  92 → 15 tokens",
        "    ├── otel:tool  weather  T s  failed  LookupError: no weather station in Atlantis",
        "    └── otel:llm   chat scripted-model-1  T s  complete  123 → 31 tokens",
    ]


def test_payloads_and_json_hold_what_the_api_has(api: DevServer) -> None:
    run = exported(api)
    assert '"city": "Atlantis"' not in run_command("show", run, **of(api)).stdout
    assert '"city": "Atlantis"' in run_command("show", run, "--payloads", **of(api)).stdout
    plain = json.loads(run_command("show", run, "--json", **of(api)).stdout)
    assert plain["run"]["status"] == "complete"
    assert [span["type"] for span in plain["spans"]].count("otel:llm") == 3
    whole = json.loads(run_command("show", run, "--json", "--payloads", **of(api)).stdout)
    assert {each["id"]: each["payload"] for each in whole["spans"]} == {
        each["id"]: each["payload"] for each in api.spans()
    }


def test_last_is_the_newest_run_of_any_agent(api: DevServer) -> None:
    caller = Caller(api)
    caller.active()
    agent = caller("POST", "/agent", {"details": {"name": "cook"}}).details["id"]
    newest = caller.active(agent_id=agent, environment_id=api.environment_id)
    assert run_command("show", "last", **of(api)).stdout.startswith(f"run {newest}  active")


def test_it_tells_why_a_run_was_stopped_and_what_was_found_of_it(api: DevServer) -> None:
    caller = Caller(api)
    schemas = {"external_identifier": "s2", "span_type_schemas": []}
    quality = {"name": "helpful", "schema": {"type": "object"}}
    run = caller.active(agent_schema_version=schemas | {"quality_schemas": [quality]})
    body = {"name": "helpful", "payload": {"score": 1}}
    caller("POST", f"/agent_instance/{run}/record_quality", body)
    caller.terminate(run, reason="too dear")
    assert run_command("show", run, **of(api)).stdout.splitlines() == [
        f"run {run}  terminated  0 spans, 0 tokens  too dear",
        'helpful: {"score": 1}',
    ]


def grown(caller: Caller, run: str, count: int) -> None:
    """Give a run so many spans, three under each that may have some."""
    ids = [caller.own_id() for _ in range(count)]
    items = [
        creation(
            run,
            f"creation-{number}",
            id=ids[number],
            parent_span_id=ids[(number - 1) // 3] if number else None,
            payload={"name": f"step {number}."},
        )
        for number in range(count)
    ]
    for begin in range(0, count, 1000):
        caller.bulk(*items[begin : begin + 1000])


@pytest.mark.parametrize("count", [230, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("answer", [lambda answer: answer, unpaged], ids=["paged", "unpaged"])
def test_no_span_of_many_is_missing(
    api: DevServer, answer: Callable[[Json], Json], count: int
) -> None:
    caller = Caller(api)
    run = caller.active()
    grown(caller, run, count)
    with between(api, "/agent_spans", answer=answer) as variables:
        done = run_command("show", run, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    shown = [*map(int, re.findall(r"step (\d+)\.", done.stdout))]
    assert shown[:3] == [0, 1, 4]
    assert sorted(shown) == [*range(count)]


def only_in_a_window(query: Query) -> Query:
    if not {"start_time", "end_time"} <= set(query):
        raise Refused
    return query


def of_the_agent(query: Query) -> Query:
    """An API that does not know the parameter, and gives what is in all runs of the agent."""
    others = {name: value for name, value in query.items() if name != "agent_instance_id"}
    return others | {"agent_id": OF_THE_AGENT[0]}


OF_THE_AGENT: list[str] = []


@pytest.mark.parametrize("query", [only_in_a_window, of_the_agent])
def test_the_spans_of_a_run_are_found_however_the_api_wants_to_be_asked(
    api: DevServer, query: Callable[[Query], Query]
) -> None:
    OF_THE_AGENT[:] = [api.agent_id]
    caller = Caller(api)
    other, run = caller.active(), caller.active()
    caller.span(other, payload={"name": "of another run"})
    caller.span(run, payload={"name": "its own"})
    with between(api, "/agent_spans", query) as variables:
        done = run_command("show", run, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "its own" in done.stdout
    assert "of another run" not in done.stdout


FOREIGN = [
    {"payload": None, "schema_title": "a title"},
    {"payload": {"tool_name": "lookup"}, "started_at": None},
    {"payload": {"model_name": "m-1"}, "result_payload": {"token_usage": {"total_tokens": 7}}},
    {"payload": {}, "result_payload": {"error_type": "KeyError", "message": "no such key"}},
    {"payload": {"name": "odd", "error": "it broke", "token_usage": "many"}},
    {"payload": {"name": "open"}, "finished_at": None, "status": None, "schema_name": None},
]


def test_spans_as_other_sdks_write_them_are_shown(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    for _ in FOREIGN:
        caller.span(run, status="complete")

    def rewritten(answer: Json) -> Json:
        rows = zip(answer["summaries"], FOREIGN, strict=True)
        return answer | {"summaries": [row | other for row, other in rows]}

    with between(api, "/agent_spans", answer=rewritten) as variables:
        for words in ([], ["--payloads"], ["--json"], ["--follow", "--json"]):
            if "--follow" in words:
                caller.finish(run)
            done = run_command("show", run, *words, **variables)
            assert (done.returncode, done.stderr) == (0, ""), words
            for told in ("a title", "lookup", "m-1", "KeyError", "no such key", "it broke", "open"):
                assert told in done.stdout, words
        assert "6 spans, 7 tokens" in run_command("show", run, **variables).stdout


def test_a_span_without_a_known_parent_or_under_itself_is_shown_all_the_same(
    api: DevServer,
) -> None:
    caller = Caller(api)
    run = caller.active()
    ids = [caller.span(run, payload={"name": f"step {n}."}).details["id"] for n in range(5)]
    parents = [ids[0], caller.own_id(), ids[3], ids[4], ids[3]]  # itself, unknown, below a circle

    def moved(answer: Json) -> Json:
        rows = zip(answer["summaries"], parents, strict=True)
        return answer | {"summaries": [row | {"parent_span_id": up} for row, up in rows]}

    with between(api, "/agent_spans", answer=moved) as variables:
        done = run_command("show", run, **variables)
    assert sorted(re.findall(r"step (\d)", done.stdout)) == ["0", "1", "2", "3", "4"]


def test_no_content_drives_the_terminal(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    error = {"error_type": HOSTILE, "message": HOSTILE}
    payload = {"name": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "error": error}
    caller.span(run, status="failed", payload=payload)
    caller.terminate(run, reason=f"a{HOSTILE}")
    for words in ([], ["--payloads"], ["--json"], ["--payloads", "--json"], ["--follow"]):
        done = run_command("show", run, *words, **of(api))
        assert (done.returncode, done.stderr) == (0, ""), words
        assert "gnp.exe" in done.stdout, words
        assert not drives_a_terminal(done.stdout), words


def test_a_followed_run_tells_each_span_once_and_ends_with_it(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    agent = caller.span(run, payload={"name": "agent"}).details["id"]
    caller.span(run, status="complete", parent_span_id=agent, payload={"name": "first"})
    with following(api, "show", run, "--follow") as process:
        assert process.stdout is not None
        assert "first" in process.stdout.readline()
        caller.span(run, status="failed", parent_span_id=agent, payload={"name": "second"})
        assert "second" in process.stdout.readline()
        caller.span(run, payload={"name": "never ended"})
        caller.terminate(run, reason="too dear")
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    agent_line, open_line, last = rest.splitlines()
    assert ("agent" in agent_line, "never ended" in open_line) == (True, True)
    assert last == f"run {run}  terminated  4 spans, 0 tokens  too dear"


def test_trouble_on_the_way_does_not_end_following(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    caller.span(run, status="complete", payload={"name": "first"})
    with following(api, "show", "last", "--follow", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["span"]["name"] == "first"
        api.faults.add(path=run, method="GET", status=429, retry_after=0, times=2)
        assert api.wait_until(lambda api: [r.status for r in api.requests].count(429) == 2)
        caller.finish(run)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.count("\n")) == (0, 1)
    assert json.loads(rest)["run"]["status"] == "complete"


def test_who_does_not_wait_for_the_end_is_told_so_by_the_exit_code(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    caller.span(run, status="complete")
    with following(api, "show", run, "--follow") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest, errors) == (130, "", "")


def test_a_followed_run_ends_in_a_terminal_as_the_whole_tree(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    grown(caller, run, 60)
    caller.finish(run)
    code, written = run_in_terminal("show", run, "--follow", columns=100, **of(api))
    whole = written[written.rindex(f"{run}") :]
    assert code == 0
    assert len(re.findall(r"step (\d+)\.", whole)) == 60


def test_a_reader_that_has_gone_ends_it_in_silence(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    caller.span(run)
    caller.finish(run)
    for words in (["show", run], ["show", run, "--json"], ["show", run, "--follow"], ["runs"]):
        with following(api, *words) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert (process.wait(PATIENCE), process.stderr.read()) == (0, "")
