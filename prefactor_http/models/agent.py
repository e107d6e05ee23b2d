"""Agents."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

__all__ = [
    "Agent",
    "AgentAvailableActions",
    "AgentForCreate",
    "AgentForUpdate",
    "AgentInstanceCounts",
    "AgentSummary",
]

_Status = Literal["pending", "active", "dormant", "retired"]


class AgentAvailableActions(BaseModel):
    """What the caller may do with an agent now."""

    update: bool = False
    retire: bool = False
    reinstate: bool = False
    delete: bool = False


class AgentInstanceCounts(BaseModel):
    """How many runs an agent has, by status."""

    total: int = 0
    pending: int = 0
    active: int = 0
    complete: int = 0
    failed: int = 0
    cancelled: int = 0
    terminated: int = 0
    finished: int = 0


class Agent(BaseModel):
    """An agent in full."""

    type: Literal["agent"]
    id: str
    name: str
    description: str | None = None
    external_identifier: str | None = None
    status: _Status
    owner_person_id: str | None = None
    risk_profile_id: str | None = None
    team_id: str | None = None
    instance_counts: AgentInstanceCounts | None = None
    available_actions: AgentAvailableActions | None = None
    inserted_at: datetime | None = None
    updated_at: datetime | None = None


class AgentSummary(BaseModel):
    """An agent as lists show it."""

    type: Literal["agent"]
    id: str
    name: str
    description: str | None = None
    external_identifier: str | None = None
    status: _Status
    owner_person_id: str | None = None
    team_id: str | None = None
    available_actions: AgentAvailableActions | None = None
    inserted_at: datetime | None = None
    updated_at: datetime | None = None


class AgentForCreate(BaseModel):
    """A new agent. ``external_identifier`` is unique per account; ``id`` must be a PFID."""

    name: str
    description: str | None = None
    external_identifier: str | None = None
    id: str | None = None
    owner_person_id: str | None = None
    risk_profile_id: str | None = None
    team_id: str | None = None


class AgentForUpdate(BaseModel):
    """Changes to an agent; what is None stays as it is."""

    name: str | None = None
    description: str | None = None
    owner_person_id: str | None = None
    risk_profile_id: str | None = None
    team_id: str | None = None
