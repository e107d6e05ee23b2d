"""Resources as the API shows them, with the fields that it always sends."""

from typing import Any

MOMENT = "2026-03-01T12:00:00.123456Z"

AGENT: dict[str, Any] = {"type": "agent", "id": "a1", "name": "An agent", "status": "active"}

INSTANCE: dict[str, Any] = {
    "type": "agent_instance",
    "id": "i1",
    "account_id": "acc1",
    "agent_id": "a1",
    "agent_version_id": "v1",
    "environment_id": "e1",
    "agent_deployment_id": "d1",
    "status": "active",
    "inserted_at": MOMENT,
    "updated_at": MOMENT,
}

SPAN: dict[str, Any] = {
    "type": "agent_span",
    "id": "s1",
    "agent_instance_id": "i1",
    "schema_name": "langchain:llm",
    "status": "active",
}

ALERT: dict[str, Any] = {
    "type": "alert",
    "id": "l1",
    "agent_instance_id": "i1",
    "name": "loop",
    "severity": "warning",
    "status": "raised",
}

PAGE: dict[str, Any] = {
    "status": "success",
    "summaries": [AGENT],
    "pagination": None,
    "sorting": None,
}

ALERT_PAGE = PAGE | {"summaries": [ALERT]}
