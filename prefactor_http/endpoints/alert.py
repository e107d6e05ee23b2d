"""Alerts of runs."""

from datetime import datetime
from typing import Any

from prefactor_http.endpoints.base import EndpointClient, given, parsed, with_key
from prefactor_http.models.alert import (
    Alert,
    AlertCount,
    AlertSeverity,
    AlertStatus,
    AlertSummary,
)
from prefactor_http.models.base import ListResponse
from prefactor_otel_transport.addresses import segment

__all__ = ["AlertClient"]


class AlertClient(EndpointClient):
    """``/alerts``. An idempotency key has at most 64 characters, else ``ValueError``."""

    async def raise_alert(
        self,
        agent_instance_id: str,
        name: str,
        severity: AlertSeverity,
        payload: dict[str, Any],
        raised_at: datetime | None = None,
        payload_sensitive_encoding: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Alert:
        """Raise an alert of a run under a name; one that stands there is changed."""
        body = given(
            agent_instance_id=agent_instance_id,
            name=name,
            severity=severity,
            payload=payload,
            raised_at=_moment(raised_at),
            payload_sensitive_encoding=payload_sensitive_encoding,
        )
        return await self._act("raise", body, idempotency_key)

    async def clear_alert(
        self,
        agent_instance_id: str,
        name: str,
        severity: AlertSeverity | None = None,
        payload: dict[str, Any] | None = None,
        cleared_at: datetime | None = None,
        payload_sensitive_encoding: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Alert:
        """Clear the alert that stands under a name; what else is given changes it."""
        body = given(
            agent_instance_id=agent_instance_id,
            name=name,
            severity=severity,
            payload=payload,
            cleared_at=_moment(cleared_at),
            payload_sensitive_encoding=payload_sensitive_encoding,
        )
        return await self._act("clear", body, idempotency_key)

    async def get(self, alert_id: str) -> Alert:
        """One alert."""
        return await self._one(Alert, "alerts.get", "GET", f"/alerts/{segment(alert_id)}")

    async def list_alerts(
        self,
        agent_instance_id: str | None = None,
        agent_id: str | None = None,
        environment_id: str | None = None,
        status: AlertStatus | None = None,
        severity: AlertSeverity | None = None,
        name: str | None = None,
        active_from: datetime | None = None,
        active_until: datetime | None = None,
        sorting: str | None = None,
        offset: int | None = None,
        page_size: int | None = None,
    ) -> list[AlertSummary]:
        """One page of the account's alerts. ``active_from`` and ``active_until`` ask for those
        that stood at any moment between. ``offset`` counts from 0, ``page_size`` is 1 to 100."""
        params = given(
            agent_instance_id=agent_instance_id,
            agent_id=agent_id,
            environment_id=environment_id,
            status=status,
            severity=severity,
            name=name,
            sorting=sorting,
        ) | given(
            **{
                "active_during[start_at]": _moment(active_from),
                "active_during[finish_at]": _moment(active_until),
                "pagination[offset]": offset,
                "pagination[page_size]": page_size,
            }
        )
        answer = await self._client.request("GET", "/api/v1/alerts", params=params or None)
        return parsed(ListResponse[AlertSummary], "alerts.list", answer).summaries

    async def count(
        self, status: AlertStatus | None = None, severity: AlertSeverity | None = None
    ) -> int:
        """How many alerts the account has, of a status and a severity or of any."""
        params = given(status=status, severity=severity) or None
        answer = await self._client.request("GET", "/api/v1/alerts/count", params=params)
        return parsed(AlertCount, "alerts.count", answer).count

    async def _act(self, name: str, body: dict[str, Any], idempotency_key: str | None) -> Alert:
        body = with_key(body, idempotency_key)
        return await self._one(Alert, f"alerts.{name}", "POST", f"/alerts/{name}", body)


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
