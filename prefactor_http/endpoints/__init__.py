"""One client a resource."""

from typing import TYPE_CHECKING

from prefactor_http import _lazy

if TYPE_CHECKING:
    from prefactor_http.endpoints.agent import AgentClient
    from prefactor_http.endpoints.agent_instance import AgentInstanceClient
    from prefactor_http.endpoints.agent_span import AgentSpanClient
    from prefactor_http.endpoints.alert import AlertClient
    from prefactor_http.endpoints.bulk import BulkClient

__all__ = ["AgentClient", "AgentInstanceClient", "AgentSpanClient", "AlertClient", "BulkClient"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.loader(
        __name__,
        {
            "agent": ["AgentClient"],
            "agent_instance": ["AgentInstanceClient"],
            "agent_span": ["AgentSpanClient"],
            "alert": ["AlertClient"],
            "bulk": ["BulkClient"],
        },
    )
