"""Runs of agents."""

from datetime import datetime
from typing import Any

from prefactor_http.endpoints.base import EndpointClient, given, with_key
from prefactor_http.models.agent_instance import AgentInstance
from prefactor_http.models.types import FinishStatus, InstancePurpose
from prefactor_otel_transport.addresses import segment


class AgentInstanceClient(EndpointClient):
    """``/agent_instance``. An idempotency key has at most 64 characters, else ``ValueError``."""

    async def register(
        self,
        agent_version: dict[str, Any],
        agent_schema_version: dict[str, Any],
        agent_id: str | None = None,
        environment_id: str | None = None,
        id: str | None = None,
        idempotency_key: str | None = None,
        update_current_version: bool = True,
        purpose: InstancePurpose | None = None,
        external_identifier: str | None = None,
    ) -> AgentInstance:
        """Register a run; it is ``pending`` until started. With a deployment token agent and
        environment are left out. ``id`` must be a PFID of the account's partition."""
        body = {
            "agent_version": agent_version,
            "agent_schema_version": agent_schema_version,
            "update_current_version": update_current_version,
        } | given(
            agent_id=agent_id,
            environment_id=environment_id,
            id=id,
            purpose=purpose,
            external_identifier=external_identifier,
        )
        return await self._call("register", "/register", with_key(body, idempotency_key))

    async def start(
        self,
        agent_instance_id: str,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AgentInstance:
        """Start a run; without a timestamp, now."""
        body = {"timestamp": timestamp.isoformat() if timestamp is not None else None}
        path = f"/{segment(agent_instance_id)}/start"
        return await self._call("start", path, with_key(body, idempotency_key))

    async def finish(
        self,
        agent_instance_id: str,
        status: FinishStatus | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AgentInstance:
        """Finish a run; without a status, as ``complete``."""
        body = given(
            status=status, timestamp=timestamp.isoformat() if timestamp is not None else None
        )
        path = f"/{segment(agent_instance_id)}/finish"
        return await self._call("finish", path, with_key(body, idempotency_key))

    async def get(self, agent_instance_id: str) -> AgentInstance:
        """One run."""
        return await self._one(
            AgentInstance,
            "agent_instances.get",
            "GET",
            f"/agent_instance/{segment(agent_instance_id)}",
        )

    async def record_quality(
        self,
        agent_instance_id: str,
        name: str,
        payload: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> AgentInstance:
        """Record a quality payload under a name; None removes that name."""
        body = {"name": name, "payload": payload}
        path = f"/{segment(agent_instance_id)}/record_quality"
        return await self._call("record_quality", path, with_key(body, idempotency_key))

    async def _call(self, operation: str, path: str, body: dict[str, Any]) -> AgentInstance:
        return await self._one(
            AgentInstance,
            f"agent_instances.{operation}",
            "POST",
            f"/agent_instance{path}",
            body,
        )
