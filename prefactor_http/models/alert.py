"""Alerts."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["Alert", "AlertCount", "AlertSeverity", "AlertStatus", "AlertSummary"]

AlertSeverity = Literal["critical", "error", "warning", "info"]
AlertStatus = Literal["raised", "cleared"]


class AlertSummary(BaseModel):
    """An alert as lists show it. ``version`` counts its changes, from 1."""

    type: Literal["alert"]
    id: str
    agent_instance_id: str
    name: str
    severity: AlertSeverity
    status: AlertStatus
    account_id: str | None = None
    agent_id: str | None = None
    environment_id: str | None = None
    title: str | None = None
    summary: str | None = None
    version: int | None = None
    raised_at: datetime | None = None
    cleared_at: datetime | None = None
    inserted_at: datetime | None = None
    updated_at: datetime | None = None


class Alert(AlertSummary):
    """An alert in full."""

    payload: dict[Any, Any] | None = None
    payload_sensitive_encoding: bool = False


class AlertCount(BaseModel):
    """How many alerts there are."""

    count: int
