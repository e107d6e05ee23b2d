"""The two open-source readers of the platform, told as the requests that they make."""

from typing import Any

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, Json


def recorded_run(call: Caller) -> str:
    """A run as an exporter leaves it: an agent, an LLM call below it, a failed tool."""
    instance_id: str = call.active(purpose="live")
    root = call.span(instance_id, payload={"name": "agent", "inputs": {"q": 1}}).details["id"]
    llm: Json = {
        "name": "chat",
        "inputs": {"model": "m-1"},
        "outputs": {"stop_reason": "stop"},
        "token_usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        "error": None,
    }
    call.span(instance_id, parent_span_id=root, status="complete", payload=llm)
    tool: Json = {"name": "search", "error": {"error_type": "Timeout", "message": "m"}}
    call.span(
        instance_id, schema_name="test:tool", parent_span_id=root, status="failed", payload=tool
    )
    call.finish_span(root, result_payload={"text": "done"})
    call.finish(instance_id)
    return instance_id


def all_pages(call: Caller, path: str, **query: Any) -> list[Json]:
    """As the evaluator pages: by hundreds, until there is no next offset."""
    rows: list[Json] = []
    offset: int | None = 0
    while offset is not None:
        page = {"pagination[offset]": offset, "pagination[page_size]": 100}
        answer = call("GET", path, query=query | page)
        rows += answer.summaries
        offset = answer.body["pagination"]["next_page_offset"]
    return rows


def test_the_evaluator_reads_runs_whole(call: Caller, server: DevServer) -> None:
    instance_id = recorded_run(call)
    [agent] = all_pages(call, "/agent")
    [run] = all_pages(call, "/agent_instance", agent_id=agent["id"])
    assert (run["id"], run["purpose"], run["status"]) == (instance_id, "live", "complete")
    spans = all_pages(call, "/agent_spans", agent_instance_id=run["id"])
    roots = [span for span in spans if span["parent_span_id"] is None]
    [root] = roots
    assert (root["payload"]["inputs"], root["result_payload"]) == ({"q": 1}, {"text": "done"})
    llm, tool = [span for span in spans if span["parent_span_id"] == root["id"]]
    assert llm["payload"]["token_usage"]["total_tokens"] == 7
    assert tool["payload"]["error"]["error_type"] == "Timeout"
    assert all(span["started_at"].endswith("Z") for span in spans)
    assert all_pages(call, "/agent_instance", agent_id=call.own_id()) == []


def test_the_evaluator_registers_and_scores(call: Caller) -> None:
    schema = {
        "external_identifier": "q1",
        "quality_schema": {"title": "Q", "schema": {"type": "object"}, "template": "{{ score }}"},
    }
    run = call.register(agent_schema_version=schema, agent_version={}, purpose="eval").details
    path = f"/agent_instance/{run['id']}"
    row = call("PUT", path, {"details": {"quality_payload": {"score": 3}}}).details
    assert (row["quality_payload"], row["quality_summary"]) == ({"score": 3}, "3")
    assert call.finish(run["id"], status="cancelled").details["status"] == "cancelled"


def test_the_dashboard_reads_newest_first(call: Caller, server: DevServer) -> None:
    first, second = recorded_run(call), recorded_run(call)
    newest = {
        "pagination[page_size]": 100,
        "sorting[field]": "id",
        "sorting[direction]": "desc",
    }

    def listed(path: str, **query: str) -> list[Json]:
        return call("GET", path, query=query | newest).summaries

    [account] = call.get("/account").summaries
    [agent] = listed("/agent")
    runs = listed("/agent_instance", agent_id=agent["id"])
    assert [run["id"] for run in runs] == [second, first]
    assert runs[0]["account_id"] == account["id"]
    detail = call.get(f"/agent_instance/{first}").details
    assert {"cost_breakdown", "span_counts", "risk_score", "quality_payload"} <= detail.keys()
    spans = listed("/agent_spans", agent_id=agent["id"], include_risk_level="true")
    assert [span["id"] for span in spans] == sorted((s["id"] for s in spans), reverse=True)
    assert all(span["agent_id"] == agent["id"] and span["started_at"] for span in spans)
    assert sum("token_usage" in span["payload"] for span in spans) == 2
    past = newest | {"agent_id": agent["id"], "pagination[offset]": "100"}
    assert call("GET", "/agent_spans", query=past).summaries == []
    assert isinstance(call.get("/alerts/count").body["count"], int)
    assert call("GET", "/risk_profile", query={"account_id": account["id"]}).summaries == []


def test_brackets_may_come_plain_or_percent_encoded(call: Caller, server: DevServer) -> None:
    recorded_run(call)
    for brackets in ("%5Bpage_size%5D", "[page_size]"):
        path = f"/agent_spans?agent_id={server.agent_id}&pagination{brackets}=1"
        assert len(call("GET", path).summaries) == 1
