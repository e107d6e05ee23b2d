"""Agents of the account."""

from typing import Any

from prefactor_http.endpoints.base import (
    EndpointClient,
    check_key,
    given,
    parsed,
    with_key,
)
from prefactor_http.models.agent import Agent, AgentForCreate, AgentForUpdate, AgentSummary
from prefactor_http.models.base import ListResponse
from prefactor_otel_transport.addresses import segment

__all__ = ["AgentClient"]


class AgentClient(EndpointClient):
    """``/agent``. An idempotency key has at most 64 characters, else ``ValueError``."""

    async def create(self, details: AgentForCreate, idempotency_key: str | None = None) -> Agent:
        """Create an agent."""
        body = {"details": details.model_dump(exclude_none=True)}
        return await self._one(
            Agent, "agents.create", "POST", "/agent", with_key(body, idempotency_key)
        )

    async def get(self, agent_id: str) -> Agent:
        """One agent."""
        return await self._one(Agent, "agents.get", "GET", f"/agent/{segment(agent_id)}")

    async def update(
        self, agent_id: str, details: AgentForUpdate, idempotency_key: str | None = None
    ) -> Agent:
        """Change an agent; fields that are None are not sent, so none can be cleared."""
        body = {"details": details.model_dump(exclude_none=True)}
        return await self._one(
            Agent,
            "agents.update",
            "PUT",
            f"/agent/{segment(agent_id)}",
            with_key(body, idempotency_key),
        )

    async def list_agents(
        self,
        risk_profile_id: str | None = None,
        team_id: str | None = None,
        owner_person_id: str | None = None,
        sorting: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
    ) -> list[AgentSummary]:
        """One page of the account's agents. ``offset`` counts from 0, ``page_size`` is 1 to 100."""
        params = given(
            risk_profile_id=risk_profile_id,
            team_id=team_id,
            owner_person_id=owner_person_id,
            sorting=sorting,
        )
        if offset is not None:
            params["pagination[offset]"] = offset
        if page_size is not None:
            params["pagination[page_size]"] = page_size
        answer = await self._client.request("GET", "/api/v1/agent", params=params or None)
        return parsed(ListResponse[AgentSummary], "agents.list", answer).summaries

    async def show(
        self,
        *,
        agent_id: str | None = None,
        external_identifier: str | None = None,
        environment_id: str | None = None,
        include_counts: bool = False,
        include_risk_rollup: bool = False,
    ) -> Agent:
        """One agent, by exactly one of id and external identifier."""
        params: dict[str, Any] = given(
            agent_id=agent_id,
            external_identifier=external_identifier,
            environment_id=environment_id,
        )
        if include_counts:
            params["include_counts"] = "true"
        if include_risk_rollup:
            params["include_risk_rollup"] = "true"
        return await self._one(Agent, "agents.show", "GET", "/agent/show", params=params)

    async def retire(self, agent_id: str, idempotency_key: str | None = None) -> Agent:
        """Retire an agent."""
        return await self._act("retire", "POST", agent_id, "/retire", idempotency_key)

    async def reinstate(self, agent_id: str, idempotency_key: str | None = None) -> Agent:
        """Bring a retired agent back."""
        return await self._act("reinstate", "POST", agent_id, "/reinstate", idempotency_key)

    async def delete(self, agent_id: str, idempotency_key: str | None = None) -> Agent:
        """Delete an agent."""
        return await self._act("delete", "DELETE", agent_id, "", idempotency_key)

    async def _act(
        self, name: str, method: str, agent_id: str, suffix: str, idempotency_key: str | None
    ) -> Agent:
        check_key(idempotency_key)
        body = given(idempotency_key=idempotency_key) or None  # without a key, no body at all
        path = f"/agent/{segment(agent_id)}{suffix}"
        return await self._one(Agent, f"agents.{name}", method, path, body)
