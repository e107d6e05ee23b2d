"""The registrations of runs that the local API was asked for, each alone or among others."""

from typing import Any

from prefactor_otel.devserver import DevServer


def registrations(api: DevServer) -> list[dict[str, Any]]:
    """Their bodies, in the order in which they came."""
    asked: list[dict[str, Any]] = []
    for request in api.requests:
        if request.path.endswith("/register"):
            asked.append(request.body)
        elif request.path.endswith("/bulk"):
            items = request.body["items"]
            asked += [item for item in items if item["_type"] == "agent_instances/register"]
    return asked
