"""What the page is told: runs, one run, its spans in rows, one span whole."""

import gzip
import json
import select
import socket
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import LLM, Caller, creation
from tests.devserver.screen.browser import Browser
from tests.patience import PATIENCE

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def asked(text: str) -> dict[str, Any]:
    return {"name": "chat", "inputs": {"messages": [{"role": "user", "content": text}]}}


def said(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": text}]}


def test_runs_are_listed_newest_first_with_what_they_come_to(
    call: Caller, browser: Browser
) -> None:
    old, new = call.active(purpose="eval"), call.active()
    root = call.span(new, payload=asked("Where is\n my order?")).details["id"]
    done = {"parent_span_id": root, "status": "complete"}
    payload = asked("Which?") | {"token_usage": USAGE | {"cached_tokens": 4}}
    payload["inputs"]["model"] = "gpt-x"
    call.span(new, **done, payload=payload, result_payload={"text": "That one."})
    error = {"error_type": "LookupError", "message": "gone"}
    call.span(new, **done | {"status": "failed"}, payload={"name": "find", "error": error})
    found = browser.opened().read("/page/runs")
    assert [run["id"] for run in found["runs"]] == [new, old]
    assert (found["total"], found["next"]) == (2, None)
    assert found["agents"] == [{"id": call.server.agent_id, "name": "Local agent"}]
    first, second = found["runs"]
    assert first == {
        "id": new,
        "agent_id": call.server.agent_id,
        "agent_name": "Local agent",
        "status": "active",
        "purpose": "live",
        "started_at": first["started_at"],
        "finished_at": None,
        "spans": 3,
        "errors": 1,
        "tokens": {"input": 10, "output": 5, "total": 15},
        "question": "Where is my order?",
        "alerts": 0,
        "termination_reason": None,
    }
    assert (second["purpose"], second["spans"], second["question"]) == ("eval", 0, None)


def test_a_page_of_runs_says_where_the_next_begins(call: Caller, browser: Browser) -> None:
    runs = [call.pending() for _ in range(5)]
    browser.opened()
    seen, cursor = [], ""
    while cursor is not None:
        page = browser.read(
            f"/page/runs?limit=2&before={cursor}" if cursor else "/page/runs?limit=2"
        )
        assert page["total"] == 5
        seen += [run["id"] for run in page["runs"]]
        cursor = page["next"]
    assert seen == runs[::-1]


def test_runs_are_filtered_by_status_purpose_and_agent(call: Caller, browser: Browser) -> None:
    agent = call("POST", "/agent", {"details": {"name": "Other"}}).details["id"]
    mine, other = call.active(purpose="eval"), call.active(agent_id=agent)
    ended = call.active()
    call.terminate(ended, reason="enough")
    browser.opened()

    def found(query: str) -> list[str]:
        return [run["id"] for run in browser.read(f"/page/runs?{query}")["runs"]]

    assert found("status=active") == [other, mine]
    assert found("status=terminated") == [ended]
    assert found("purpose=eval&status=active") == [mine]
    assert found(f"agent={agent}") == [other]
    assert found("status=&purpose=&agent=&q=") == [ended, other, mine]
    assert browser.send("GET", "/page/runs?status=lost")[0] == 422


MANY = 5_000
A_BULK = 1_000
ENOUGH = 5
ATTEMPTS = 20


def answered_while(server: DevServer, path: str) -> int:
    """How many other requests are asked and answered while this one is."""
    host, port = server.url.removeprefix("http://").split(":")
    bearer = f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    with (
        socket.create_connection((host, int(port)), PATIENCE) as long,
        socket.create_connection((host, int(port)), PATIENCE) as short,
    ):
        long.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n".encode() + bearer)
        count = -1  # it may have been before the other one was begun
        while not select.select([long], [], [], 0)[0]:
            short.sendall(f"GET /api/v1/ping HTTP/1.1\r\nHost: {host}\r\n".encode() + bearer)
            assert short.recv(2**16).startswith(b"HTTP/1.1 200")
            count += 1
        assert long.recv(2**10).startswith(b"HTTP/1.1 200")
    return count


def test_who_reads_a_long_run_keeps_nobody_waiting(call: Caller) -> None:
    run = call.active()
    for start in range(0, MANY, A_BULK):
        call.bulk(*(creation(run, f"key-{n:05}") for n in range(start, start + A_BULK)))
    path = f"/page/runs/{run}/spans"
    assert any(answered_while(call.server, path) >= ENOUGH for _ in range(ATTEMPTS))
    found = json.loads(call.raw("GET", path)[1])["spans"]
    assert len({span["id"] for span in found}) == MANY


def test_spans_come_as_they_arrived_whatever_changed_last(call: Caller) -> None:
    run = call.active()
    ids = [call.own_id() for _ in range(3)]
    call.bulk(*(creation(run, f"create-{each}", id=each) for each in ids))
    for each in reversed(ids):
        call.finish_span(each)
    found = json.loads(call.raw("GET", f"/page/runs/{run}/spans")[1])["spans"]
    assert [(span["id"], span["status"]) for span in found] == [(each, "complete") for each in ids]


def test_a_run_is_told_with_its_question_answer_totals_and_quality(
    call: Caller, browser: Browser
) -> None:
    quality = {"name": "helpful", "schema": {"type": "object"}}
    schema = {"span_type_schemas": [LLM], "quality_schemas": [quality]}
    run = call.active(agent_schema_version=schema)
    root = call.span(run, payload=asked("Long? " * 100)).details["id"]
    usage = USAGE | {"reasoning_tokens": 2, "cached_tokens": 4}
    payload = {"name": "chat", "inputs": {"model": "gpt-x"}, "token_usage": usage}
    call.span(run, parent_span_id=root, status="complete", payload=payload)
    call.finish_span(root, result_payload=said("Yes."))
    call("POST", f"/agent_instance/{run}/record_quality", {"name": "helpful", "payload": {"x": 1}})
    found = browser.opened().read(f"/page/runs/{run}")
    assert found["question"] == ("Long? " * 100).strip()
    assert len(found["run"]["question"]) == 200
    assert found["answer"] == "Yes."
    assert found["totals"] == {
        "input": 10,
        "output": 5,
        "cached": 4,
        "reasoning": 2,
        "total": 15,
        "models": ["gpt-x"],
    }
    assert found["qualities"] == [quality | {"title": "helpful"}]
    [record] = found["quality"]
    assert (record["name"], record["payload"]) == ("helpful", {"x": 1})
    assert found["instance"] == call.get(f"/agent_instance/{run}").details
    assert browser.send("GET", "/page/runs/nothing")[0] == 404


def test_alerts_are_counted_while_they_stand_and_listed_always(
    call: Caller, browser: Browser
) -> None:
    run = call.active()
    place = {"agent_instance_id": run, "name": "cost"}
    call("POST", "/alerts/raise", place | {"severity": "warning", "payload": {"usd": 3}})
    browser.opened()
    assert browser.read("/page/runs")["runs"][0]["alerts"] == 1
    assert browser.read(f"/page/runs/{run}")["alerts"][0]["payload"] == {"usd": 3}
    call("POST", "/alerts/clear", place)
    assert browser.read("/page/runs")["runs"][0]["alerts"] == 0
    assert browser.read(f"/page/runs/{run}")["alerts"][0]["status"] == "cleared"


def test_a_span_that_ends_is_counted_once_with_what_it_says_then(
    call: Caller, browser: Browser
) -> None:
    run = call.active()
    span = call.span(run, payload={"name": "chat", "token_usage": USAGE}).details["id"]
    late = {"inputs": {"input": "Late?"}, "token_usage": {"input_tokens": 7, "output_tokens": 1}}
    call.finish_span(span, status="failed", result_payload=late)
    call.finish_span(span, status="failed", result_payload=late)  # refused: it has ended
    found = browser.opened().read("/page/runs")["runs"][0]
    assert (found["spans"], found["errors"], found["question"]) == (1, 1, "Late?")
    assert found["tokens"] == {"input": 7, "output": 1, "total": 8}


def test_a_replay_counts_nothing_again(call: Caller, browser: Browser) -> None:
    run = call.active()
    items = [creation(run, f"key-{n:05}", payload={"token_usage": USAGE}) for n in range(3)]
    for _ in range(2):
        call.bulk(*items)
    found = browser.opened().read("/page/runs")["runs"][0]
    assert (found["spans"], found["tokens"]["total"]) == (3, 45)


def test_what_a_bulk_request_did_before_its_error_counts_and_nothing_else(
    call: Caller, browser: Browser
) -> None:
    run = call.active()
    bad = creation(run, "key-bad00", schema_name="undeclared")
    call.bulk(creation(run, "key-good0"), bad, creation(run, "key-late0"))
    found = browser.opened().read(f"/page/runs/{run}/spans")
    assert len(found["spans"]) == 1 == len(call.server.spans())


def test_spans_come_in_a_row_each_parents_before_children(call: Caller, browser: Browser) -> None:
    run = call.active()
    root = call.span(run, schema_name="test:llm", payload={"name": "plan\nit"}).details["id"]
    child = call.span(run, parent_span_id=root, status="failed", payload={"error": "no\nluck"})
    found = browser.opened().read(f"/page/runs/{run}/spans")
    first, second = found["spans"]
    assert first == {
        "id": root,
        "parent": None,
        "type": "test:llm",
        "name": "plan it",
        "status": "active",
        "started_at": first["started_at"],
        "finished_at": None,
        "tokens": None,
        "error": None,
        "ai": True,
        "mismatches": 0,
    }
    assert second["parent"] == root
    assert second["id"] == child.details["id"]
    assert (second["name"], second["error"]) == ("LLM call", "no luck")
    assert found["seq"] == browser.read("/page/runs")["seq"]
    assert browser.send("GET", "/page/runs/nothing/spans")[0] == 404


def test_a_span_is_told_as_the_api_shows_it(call: Caller, browser: Browser) -> None:
    run = call.active()
    span = call.span(run, payload=asked("?"), status="complete", result_payload=said("!"))
    found = browser.opened().read(f"/page/spans/{span.details['id']}")
    assert found["span"] == span.details
    assert found["agent_instance_id"] == run
    assert browser.send("GET", "/page/spans/nothing")[0] == 404


def test_long_answers_are_packed_for_whom_it_helps(call: Caller, browser: Browser) -> None:
    run = call.active()
    call.bulk(*(creation(run, f"key-{n:05}") for n in range(50)))
    path, packs = f"/page/runs/{run}/spans", {"Accept-Encoding": "gzip"}
    _, packed, headers = browser.opened().send("GET", path, headers=packs)
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed)) == browser.read(path)


@pytest.mark.parametrize(
    ("payload", "result", "tokens"),
    [
        ({}, {"token_usage": USAGE}, 15),  # another SDK tells them at the end only
        ({"token_usage": {"input_tokens": 3, "output_tokens": 4}}, {}, 7),
        ({"token_usage": {"prompt_tokens": "3", "total_tokens": 5.0}}, {}, 5),
        ({"token_usage": {"total_tokens": 10**30, "prompt_tokens": -1}}, {}, None),
        ({"token_usage": [1, 2]}, {"token_usage": "many"}, None),
        ({"token_usage": {"prompt_tokens": True}}, {}, None),
    ],
    ids=["at the end", "other names", "odd numbers", "impossible", "no object", "no number"],
)
def test_tokens_are_read_wherever_they_are_and_nothing_else_is(
    call: Caller, browser: Browser, payload: Any, result: Any, tokens: int | None
) -> None:
    run = call.active()
    call.span(run, payload=payload, status="complete", result_payload=result)
    [span] = browser.opened().read(f"/page/runs/{run}/spans")["spans"]
    assert span["tokens"] == tokens
    assert browser.read("/page/runs")["runs"][0]["tokens"]["total"] == (tokens or 0)


@pytest.mark.parametrize(
    ("inputs", "question"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "b"),
        ({"messages": [{"type": "human", "content": [{"type": "text", "text": "c"}]}]}, "c"),
        ({"messages": [{"role": "user", "parts": [{"type": "text", "content": "d"}]}]}, "d"),
        ({"input": {"question": "e"}}, "e"),
        ("f", "f"),
        ({"city": "Oslo"}, "Oslo"),
        ({"messages": [{"role": "system", "content": "be good"}]}, None),
        ({"input": {"$sensitive": "string", "value": "g"}}, None),
        ({"n": [None, True, {}]}, None),
        (None, None),
    ],
    ids=[
        *("last", "parts", "genai", "nested", "text", "other", "system", "sensitive", "nothing"),
        "none",
    ],
)
def test_the_question_is_what_a_person_asked(
    call: Caller, browser: Browser, inputs: Any, question: str | None
) -> None:
    run = call.active()
    call.span(run, payload={"inputs": inputs})
    assert browser.opened().read("/page/runs")["runs"][0]["question"] == question


def test_a_root_without_a_question_leaves_it_to_the_spans_below(
    call: Caller, browser: Browser
) -> None:
    run = call.active()
    root = call.span(run, payload={"name": "POST /chat", "inputs": {}}).details["id"]
    for text in ("First?", "Second?"):
        call.span(run, parent_span_id=root, payload=asked(text), result_payload=None)
    for text in ("one", "two"):
        done = {"status": "complete", "result_payload": said(text)}
        call.span(run, parent_span_id=root, payload={"name": "chat"}, **done)
    call.finish_span(root, result_payload={"error_type": "E", "message": "no answer"})
    found = browser.opened().read(f"/page/runs/{run}")
    assert (found["question"], found["answer"]) == ("First?", "two")


def test_two_servers_on_one_file_tell_the_same(tmp_path: Any) -> None:
    with DevServer(tmp_path / "runs.db") as one, DevServer(tmp_path / "runs.db") as two:
        run = Caller(one).active()
        Caller(one).span(run, payload=asked("one?"))
        Caller(two).span(run, payload=asked("two?"))
        told = [Browser(each).opened().read("/page/runs") for each in (one, two)]
        assert told[0] == told[1]
        assert told[0]["runs"][0]["spans"] == 2
