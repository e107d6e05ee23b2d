"""Rows as the API shows them. Fields without evidence of a value (risk, cost) are null."""

from typing import Any

from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.declared import quality_templates
from prefactor_otel.devserver.form import Json
from prefactor_otel.devserver.rules import FINISHED
from prefactor_otel.devserver.store import Row
from prefactor_otel.devserver.template import render

_INSTANCE = (
    *("id", "agent_id", "agent_version_id", "agent_schema_version_id", "environment_id"),
    *("agent_deployment_id", "status", "purpose", "external_identifier", "started_at"),
    *("finished_at", "termination_reason", "inserted_at", "updated_at"),
)
_SPAN = (
    *("id", "agent_id", "agent_instance_id", "parent_span_id", "schema_name", "schema_title"),
    *("status", "purpose", "payload", "result_payload", "summary", "started_at", "finished_at"),
    *("inserted_at", "updated_at"),
)
_AGENT = (
    *("id", "name", "description", "external_identifier", "owner_person_id"),
    *("risk_profile_id", "team_id", "inserted_at", "updated_at"),
)
_ALERT = (
    *("id", "agent_id", "agent_instance_id", "environment_id", "name", "severity", "status"),
    *("raised_at", "cleared_at", "version", "inserted_at", "updated_at"),
)


def account_summary(row: Row) -> Json:
    shown = {name: row[name] for name in ("id", "name", "inserted_at", "updated_at")}
    return {"type": "account", **shown}


def agent(account: Account, row: Row, *, with_counts: bool = False) -> Json:
    """An agent, in full; ``instance_counts`` only when asked for."""
    counts = account.store.tally("agent_instance", "status", agent_id=row["id"])
    shown: Json = {"type": "agent", "account_id": account.id}
    shown |= {name: row[name] for name in _AGENT}
    shown["status"] = "retired" if row["retired"] else "active" if counts else "pending"
    shown["available_actions"] = {
        "update": not row["retired"],
        "retire": not row["retired"],
        "reinstate": bool(row["retired"]),
        "delete": not counts,
    }
    if with_counts:
        shown["instance_counts"] = _counts(counts, ("pending", "active", *FINISHED, "terminated"))
    return shown


def instance_summary(account: Account, row: Row) -> Json:
    """An instance as lists show it."""
    shown: Json = {"type": "agent_instance", "account_id": account.id, "risk_score": None}
    return shown | {name: row[name] for name in _INSTANCE}


def instance(account: Account, row: Row) -> Json:
    """An instance in full, with its counts and both forms of quality records."""
    by_status = account.store.tally("agent_span", "status", agent_instance_id=row["id"])
    by_type = account.store.tally("agent_span", "schema_name", agent_instance_id=row["id"])
    return instance_summary(account, row) | {
        "span_counts": _counts(by_status, ("pending", "active", *FINISHED)),
        "span_schema_counts": by_type,
        "cost_breakdown": None,
        **_quality(account, row),
    }


def _counts(by_status: dict[str, int], statuses: tuple[str, ...]) -> dict[str, int]:
    counts = {status: by_status.get(status, 0) for status in statuses}
    open_ones = counts["pending"] + counts["active"]
    total = sum(counts.values())
    return {"total": total, **counts, "finished": total - open_ones}


def _quality(account: Account, row: Row) -> Json:
    """A summary exists where the run's own schema version declares a template for it."""
    payloads: dict[str, Any] = row["quality_payloads"]
    older: Any = row["quality_payload"]
    version = None
    if payloads or older is not None:  # of few runs, and a version is long to read
        version = account.store.get("agent_schema_version", row["agent_schema_version_id"])
    definition: Json = version["definition"] if version else {}
    templates = quality_templates(definition)
    older_template = (definition.get("quality_schema") or {}).get("template")
    older_summary = None
    if older is not None and isinstance(older_template, str):
        older_summary = render(older_template, older)
    return {
        "quality_payload": older,
        "quality_summary": older_summary,
        "quality_payloads": payloads,
        "quality_summaries": {
            name: render(template, payloads[name])
            for name, template in templates.items()
            if template and name in payloads
        },
    }


def span(account: Account, row: Row) -> Json:
    """A span, the same in answers and in lists. ``schema_mismatches`` is this server's own."""
    shown: Json = {"type": "agent_span", "account_id": account.id}
    shown |= {name: row[name] for name in _SPAN}
    shown["sensitive_encoding"] = bool(row["sensitive_encoding"])
    shown["payload_byte_size_estimate"] = row["payload_bytes"]
    shown["risk_level"] = shown["risk_score"] = None
    shown["schema_mismatches"] = row["mismatches"]
    return shown


def alert_summary(account: Account, row: Row) -> Json:
    """An alert as lists show it. Nothing declares a title or a summary, so the name is the one."""
    shown: Json = {"type": "alert", "account_id": account.id}
    return shown | {name: row[name] for name in _ALERT} | {"title": row["name"], "summary": None}


def alert(account: Account, row: Row) -> Json:
    """An alert in full."""
    return alert_summary(account, row) | {
        "payload": row["payload"],
        "payload_sensitive_encoding": bool(row["payload_sensitive_encoding"]),
    }
