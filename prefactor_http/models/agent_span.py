"""Agent spans: the steps of a run."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from prefactor_http.models.types import AgentStatus, FinishStatus


class CreateAgentSpanRequest(BaseModel):
    """The details of a new span. Timestamps are ISO 8601."""

    agent_instance_id: str
    schema_name: str
    status: AgentStatus
    payload: dict[Any, Any] = Field(default_factory=dict)
    result_payload: dict[Any, Any] | None = None
    id: str | None = None
    parent_span_id: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    idempotency_key: str | None = None


class FinishSpanRequest(BaseModel):
    """The body of a span's finish."""

    status: FinishStatus | None = None
    result_payload: dict[Any, Any] | None = None
    timestamp: str | None = None
    idempotency_key: str | None = None


class AgentSpan(BaseModel):
    """A span as the API shows it."""

    type: Literal["agent_span"]
    id: str
    account_id: str | None = None
    agent_id: str | None = None
    agent_instance_id: str
    parent_span_id: str | None = None
    schema_name: str
    schema_title: str | None = None
    status: AgentStatus
    payload: dict[Any, Any] = Field(default_factory=dict)
    result_payload: dict[Any, Any] | None = None
    summary: str | None = None
    started_at: datetime | None = None
    inserted_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
