"""Every call of the client, and what it is to put on the wire."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

from prefactor_http import BulkItem, BulkRequest, PrefactorHttpClient
from prefactor_http.models.agent import AgentForCreate, AgentForUpdate
from tests.http.api import Answer, details
from tests.http.samples import AGENT, ALERT, ALERT_PAGE, INSTANCE, PAGE, SPAN

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ISO = "2026-03-01T12:00:00.123456+00:00"
NO_BODY = object()


class Case(NamedTuple):
    call: Callable[[PrefactorHttpClient], Awaitable[object]]
    method: str
    path: str
    body: object = NO_BODY
    query: dict[str, str] | None = None
    answer: Answer = Answer()


A, I, S = details(**AGENT), details(**INSTANCE), details(**SPAN)  # noqa: E741
L = details(**ALERT)
K = "a-key-of-mine"

CASES = {
    "ping": Case(lambda c: c.validate_token(), "GET", "/ping"),
    "agents.create": Case(
        lambda c: c.agents.create(AgentForCreate(name="x")),
        "POST",
        "/agent",
        {"details": {"name": "x"}},
        answer=A,
    ),
    "agents.create, with a key": Case(
        lambda c: c.agents.create(AgentForCreate(name="x", team_id="t"), K),
        "POST",
        "/agent",
        {"details": {"name": "x", "team_id": "t"}, "idempotency_key": K},
        answer=A,
    ),
    "agents.get": Case(lambda c: c.agents.get("a1"), "GET", "/agent/a1", answer=A),
    "agents.update": Case(
        lambda c: c.agents.update("a1", AgentForUpdate(description="d"), K),
        "PUT",
        "/agent/a1",
        {"details": {"description": "d"}, "idempotency_key": K},
        answer=A,
    ),
    "agents.list": Case(
        lambda c: c.agents.list_agents(), "GET", "/agent", answer=Answer(200, PAGE)
    ),
    "agents.list, with everything": Case(
        lambda c: c.agents.list_agents("r", "t", "o", "-id", 0, 50),
        "GET",
        "/agent",
        query={
            "risk_profile_id": "r",
            "team_id": "t",
            "owner_person_id": "o",
            "sorting": "-id",
            "pagination[offset]": "0",
            "pagination[page_size]": "50",
        },
        answer=Answer(200, PAGE),
    ),
    "agents.show": Case(
        lambda c: c.agents.show(agent_id="a1"),
        "GET",
        "/agent/show",
        query={"agent_id": "a1"},
        answer=A,
    ),
    "agents.show, with everything": Case(
        lambda c: c.agents.show(
            external_identifier="x",
            environment_id="e1",
            include_counts=True,
            include_risk_rollup=True,
        ),
        "GET",
        "/agent/show",
        query={
            "external_identifier": "x",
            "environment_id": "e1",
            "include_counts": "true",
            "include_risk_rollup": "true",
        },
        answer=A,
    ),
    "agents.retire": Case(lambda c: c.agents.retire("a1"), "POST", "/agent/a1/retire", answer=A),
    "agents.retire, with a key": Case(
        lambda c: c.agents.retire("a1", K),
        "POST",
        "/agent/a1/retire",
        {"idempotency_key": K},
        answer=A,
    ),
    "agents.reinstate": Case(
        lambda c: c.agents.reinstate("a1"), "POST", "/agent/a1/reinstate", answer=A
    ),
    "agents.reinstate, with a key": Case(
        lambda c: c.agents.reinstate("a1", K),
        "POST",
        "/agent/a1/reinstate",
        {"idempotency_key": K},
        answer=A,
    ),
    "agents.delete": Case(lambda c: c.agents.delete("a1"), "DELETE", "/agent/a1", answer=A),
    "agents.delete, with a key": Case(
        lambda c: c.agents.delete("a1", K),
        "DELETE",
        "/agent/a1",
        {"idempotency_key": K},
        answer=A,
    ),
    "alerts.raise": Case(
        lambda c: c.alerts.raise_alert("i1", "loop", "warning", {"n": None}),
        "POST",
        "/alerts/raise",
        {
            "agent_instance_id": "i1",
            "name": "loop",
            "severity": "warning",
            "payload": {"n": None},
        },
        answer=L,
    ),
    "alerts.raise, with everything": Case(
        lambda c: c.alerts.raise_alert("i1", "loop", "info", {}, MOMENT, True, K),
        "POST",
        "/alerts/raise",
        {
            "agent_instance_id": "i1",
            "name": "loop",
            "severity": "info",
            "payload": {},
            "raised_at": ISO,
            "payload_sensitive_encoding": True,
            "idempotency_key": K,
        },
        answer=L,
    ),
    "alerts.clear": Case(
        lambda c: c.alerts.clear_alert("i1", "loop"),
        "POST",
        "/alerts/clear",
        {"agent_instance_id": "i1", "name": "loop"},
        answer=L,
    ),
    "alerts.clear, with everything": Case(
        lambda c: c.alerts.clear_alert("i1", "loop", "error", {"n": 1}, MOMENT, False, K),
        "POST",
        "/alerts/clear",
        {
            "agent_instance_id": "i1",
            "name": "loop",
            "severity": "error",
            "payload": {"n": 1},
            "cleared_at": ISO,
            "payload_sensitive_encoding": False,
            "idempotency_key": K,
        },
        answer=L,
    ),
    "alerts.get": Case(lambda c: c.alerts.get("l1"), "GET", "/alerts/l1", answer=L),
    "alerts.list": Case(
        lambda c: c.alerts.list_alerts(), "GET", "/alerts", answer=Answer(200, ALERT_PAGE)
    ),
    "alerts.list, with everything": Case(
        lambda c: c.alerts.list_alerts(
            "i1", "a1", "e1", "raised", "info", "loop", MOMENT, MOMENT, "-id", 0, 50
        ),
        "GET",
        "/alerts",
        query={
            "agent_instance_id": "i1",
            "agent_id": "a1",
            "environment_id": "e1",
            "status": "raised",
            "severity": "info",
            "name": "loop",
            "active_during[start_at]": ISO,
            "active_during[finish_at]": ISO,
            "sorting": "-id",
            "pagination[offset]": "0",
            "pagination[page_size]": "50",
        },
        answer=Answer(200, ALERT_PAGE),
    ),
    "alerts.count": Case(
        lambda c: c.alerts.count(), "GET", "/alerts/count", answer=Answer(200, {"count": 2})
    ),
    "alerts.count, with everything": Case(
        lambda c: c.alerts.count("cleared", "critical"),
        "GET",
        "/alerts/count",
        query={"status": "cleared", "severity": "critical"},
        answer=Answer(200, {"count": 2}),
    ),
    "agent_instances.register": Case(
        lambda c: c.agent_instances.register({}, {}),
        "POST",
        "/agent_instance/register",
        {"agent_version": {}, "agent_schema_version": {}, "update_current_version": True},
        answer=I,
    ),
    "agent_instances.register, with everything": Case(
        lambda c: c.agent_instances.register(
            {"name": None},
            {"span_schemas": {}},
            agent_id="a1",
            environment_id="e1",
            id="i1",
            idempotency_key=K,
            update_current_version=False,
            purpose="eval",
            external_identifier="mine",
        ),
        "POST",
        "/agent_instance/register",
        {
            "agent_version": {"name": None},
            "agent_schema_version": {"span_schemas": {}},
            "agent_id": "a1",
            "environment_id": "e1",
            "id": "i1",
            "idempotency_key": K,
            "update_current_version": False,
            "purpose": "eval",
            "external_identifier": "mine",
        },
        answer=I,
    ),
    "agent_instances.start sends a null timestamp": Case(
        lambda c: c.agent_instances.start("i1"),
        "POST",
        "/agent_instance/i1/start",
        {"timestamp": None},
        answer=I,
    ),
    "agent_instances.start": Case(
        lambda c: c.agent_instances.start("i1", MOMENT, K),
        "POST",
        "/agent_instance/i1/start",
        {"timestamp": ISO, "idempotency_key": K},
        answer=I,
    ),
    "agent_instances.finish, minimal": Case(
        lambda c: c.agent_instances.finish("i1"),
        "POST",
        "/agent_instance/i1/finish",
        {},
        answer=I,
    ),
    "agent_instances.finish": Case(
        lambda c: c.agent_instances.finish("i1", "failed", MOMENT, K),
        "POST",
        "/agent_instance/i1/finish",
        {"status": "failed", "timestamp": ISO, "idempotency_key": K},
        answer=I,
    ),
    "agent_instances.get": Case(
        lambda c: c.agent_instances.get("i1"), "GET", "/agent_instance/i1", answer=I
    ),
    "agent_instances.record_quality sends a null payload": Case(
        lambda c: c.agent_instances.record_quality("i1", "q"),
        "POST",
        "/agent_instance/i1/record_quality",
        {"name": "q", "payload": None},
        answer=I,
    ),
    "agent_instances.record_quality": Case(
        lambda c: c.agent_instances.record_quality("i1", "q", {"score": 1}, K),
        "POST",
        "/agent_instance/i1/record_quality",
        {"name": "q", "payload": {"score": 1}, "idempotency_key": K},
        answer=I,
    ),
    "agent_spans.create": Case(
        lambda c: c.agent_spans.create("i1", "langchain:llm", "active"),
        "POST",
        "/agent_spans",
        {
            "details": {
                "agent_instance_id": "i1",
                "schema_name": "langchain:llm",
                "status": "active",
                "payload": {},
            }
        },
        answer=S,
    ),
    "agent_spans.create keeps nulls in payloads and the key in the details": Case(
        lambda c: c.agent_spans.create(
            "i1",
            "langchain:llm",
            "complete",
            payload={"inputs": None, "list": [None]},
            result_payload={"outputs": None},
            id="s1",
            parent_span_id="s0",
            started_at=MOMENT,
            finished_at=MOMENT,
            idempotency_key=K,
        ),
        "POST",
        "/agent_spans",
        {
            "details": {
                "agent_instance_id": "i1",
                "schema_name": "langchain:llm",
                "status": "complete",
                "payload": {"inputs": None, "list": [None]},
                "result_payload": {"outputs": None},
                "id": "s1",
                "parent_span_id": "s0",
                "started_at": ISO,
                "finished_at": ISO,
                "idempotency_key": K,
            }
        },
        answer=S,
    ),
    "agent_spans.finish, minimal": Case(
        lambda c: c.agent_spans.finish("s1"), "POST", "/agent_spans/s1/finish", {}, answer=S
    ),
    "agent_spans.finish": Case(
        lambda c: c.agent_spans.finish("s1", "complete", {"outputs": None}, MOMENT, K),
        "POST",
        "/agent_spans/s1/finish",
        {
            "status": "complete",
            "result_payload": {"outputs": None},
            "timestamp": ISO,
            "idempotency_key": K,
        },
        answer=S,
    ),
    "bulk.execute keeps extra fields and their nulls": Case(
        lambda c: c.bulk.execute(
            BulkRequest(
                items=[
                    BulkItem.model_validate(
                        {"_type": "agents/list", "idempotency_key": "12345678", "team_id": None}
                    )
                ]
            )
        ),
        "POST",
        "/bulk",
        {"items": [{"_type": "agents/list", "idempotency_key": "12345678", "team_id": None}]},
        answer=Answer(200, {"status": "success", "outputs": {}}),
    ),
}
