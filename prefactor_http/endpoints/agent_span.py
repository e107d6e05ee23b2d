"""Steps of runs."""

from datetime import datetime
from typing import Any

from prefactor_http.endpoints.base import (
    ControlCallback,
    EndpointClient,
    check_key,
)
from prefactor_http.models.agent_span import AgentSpan, CreateAgentSpanRequest, FinishSpanRequest
from prefactor_http.models.types import AgentStatus, FinishStatus
from prefactor_otel_transport.addresses import segment


class AgentSpanClient(EndpointClient):
    """``/agent_spans``. An idempotency key has at most 64 characters, else ``ValueError``.

    ``control_signal_callback`` is called with the reason when an answer asks to terminate the
    run, before the rest of it is read.
    """

    async def create(
        self,
        agent_instance_id: str,
        schema_name: str,
        status: AgentStatus,
        payload: dict[str, Any] | None = None,
        result_payload: dict[str, Any] | None = None,
        id: str | None = None,
        parent_span_id: str | None = None,
        started_at: datetime | None = None,
        finished_at: datetime | None = None,
        idempotency_key: str | None = None,
        control_signal_callback: ControlCallback | None = None,
    ) -> AgentSpan:
        """Create a span, open or already finished."""
        check_key(idempotency_key)
        details = CreateAgentSpanRequest(
            agent_instance_id=agent_instance_id,
            schema_name=schema_name,
            status=status,
            payload=payload or {},
            result_payload=result_payload,
            id=id,
            parent_span_id=parent_span_id,
            started_at=_iso(started_at),
            finished_at=_iso(finished_at),
            idempotency_key=idempotency_key,
        )
        return await self._one(
            AgentSpan,
            "agent_spans.create",
            "POST",
            "/agent_spans",
            {"details": _set_fields(details)},
            on_control=control_signal_callback,
        )

    async def finish(
        self,
        agent_span_id: str,
        status: FinishStatus | None = None,
        result_payload: dict[str, Any] | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
        control_signal_callback: ControlCallback | None = None,
    ) -> AgentSpan:
        """Finish a span; without a status, as ``complete``."""
        check_key(idempotency_key)
        request = FinishSpanRequest(
            status=status,
            result_payload=result_payload,
            timestamp=_iso(timestamp),
            idempotency_key=idempotency_key,
        )
        return await self._one(
            AgentSpan,
            "agent_spans.finish",
            "POST",
            f"/agent_spans/{segment(agent_span_id)}/finish",
            _set_fields(request),
            on_control=control_signal_callback,
        )


def _set_fields(request: CreateAgentSpanRequest | FinishSpanRequest) -> dict[str, Any]:
    """The fields that are not None; nulls inside payloads stay."""
    return {name: value for name, value in request.model_dump().items() if value is not None}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
