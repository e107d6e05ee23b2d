"""Whose runs spans belong to: what a header or the configuration says is said of their resource,
where that says nothing itself."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.gateway.settings import Agent
from prefactor_otel.spans.otlp import Describe
from prefactor_otel.spans.view import Attributes

_HEADERS: Final = {
    "prefactor.agent_id": "Prefactor-Agent-Id",
    "prefactor.agent_name": "Prefactor-Agent-Name",
}
"""What a resource says of the agent, and the headers that stand for it."""
_LONGEST: Final = 256
"""Characters of a header that are read."""


class Agents:
    """The agents of one gateway's services."""

    def __init__(self, services: Mapping[str, Agent]) -> None:
        self._services = {
            service: _said(
                {"prefactor.agent_id": agent.agent_id, "prefactor.agent_name": agent.agent_name}
            )
            for service, agent in services.items()
        }

    def describing(self, headers: Mapping[str, str]) -> Describe:
        """What adds the agent to what the resources of one request say."""
        sent = _said({name: headers.get(header) for name, header in _HEADERS.items()})

        def describe(resource: Attributes) -> Attributes:
            if any(name in resource for name in _HEADERS):
                return resource
            said = sent or self._services.get(str(resource.get("service.name")))
            return {**resource, **said} if said else resource

        return describe


def _said(given: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text[:_LONGEST] for name, text in given.items() if text}
