"""Operations on alerts: what somebody should look at in a run, raised and cleared by its name.

A run has one open alert of a name at a time. To raise it again changes that one; to raise it after
it was cleared makes another, so that it can be told when which of them stood.
"""

from typing import Any, Final

from prefactor_otel.devserver import views
from prefactor_otel.devserver.account import Account, now
from prefactor_otel.devserver.errors import invalid_action, not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.paging import flattened, listing, read_page
from prefactor_otel.devserver.store import Row

SEVERITIES: Final = ("critical", "error", "warning", "info")
STATUSES: Final = ("raised", "cleared")

_SORTABLE: Final = (
    *("id", "name", "severity", "status", "raised_at", "cleared_at", "inserted_at", "updated_at"),
)
_OWNERS: Final = ("agent_instance_id", "agent_id", "environment_id", "name")


def read(account: Account, target: str, fields: Json) -> Json:
    row = account.store.get("alert", target)
    if row is None:
        raise not_found("alert")
    return {"details": views.alert(account, row)}


def index(account: Account, target: str, fields: Json) -> Json:
    """The alerts that fit, of all runs. ``active_during`` asks for those that stood at any moment
    between its ``start_at`` and ``finish_at``."""
    fields = flattened(fields)
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    where: dict[str, Any] = {f"{name} =": form.text(name) for name in _OWNERS} | _state(form)
    where["raised_at <="] = form.moment("active_during[finish_at]")
    # One that stands was not cleared before any moment; text order is time order.
    where["coalesce(cleared_at, 'Z') >="] = form.moment("active_during[start_at]")
    form.check()
    return listing(account, "alert", _given(where), page, views.alert_summary)


def count(account: Account, target: str, fields: Json) -> Json:
    """How many there are of a status, of a severity, of both or of any."""
    form = Form(fields)
    where = _state(form)
    form.check()
    return {"count": account.store.page("alert", _given(where), span=(0, 0))[0]}


def _state(form: Form) -> dict[str, Any]:
    return {
        "status =": form.choice("status", STATUSES),
        "severity =": form.choice("severity", SEVERITIES),
    }


def _given(where: dict[str, Any]) -> dict[str, Any]:
    return {comparison: value for comparison, value in where.items() if value is not None}


def raise_(account: Account, target: str, fields: Json) -> Json:
    """Opens an alert, or changes the one that is open. A run need not be active for it."""
    form = Form(fields)
    place = _place(account, form)
    severity = form.choice("severity", SEVERITIES, required=True)
    payload = form.mapping("payload", required=True)
    moment = now()
    raised_at = form.moment("raised_at")
    sensitive = bool(form.flag("payload_sensitive_encoding"))
    instance = _instance(account, form, place)
    changes: Row = {"severity": severity, "payload": payload, "updated_at": moment}
    changes["payload_sensitive_encoding"] = sensitive
    open_one = account.store.find("alert", **place, status="raised")
    if open_one is not None:
        changes |= {"raised_at": raised_at} if raised_at else {}
        return _changed(account, open_one, changes)
    row: Row = {"id": account.ids.new(), **place, "status": "raised", "version": 1} | changes
    row |= {name: instance[name] for name in ("agent_id", "environment_id")}
    row |= {"raised_at": raised_at or moment, "inserted_at": moment}
    account.store.insert("alert", row)
    return read(account, row["id"], {})


def clear(account: Account, target: str, fields: Json) -> Json:
    """Closes the open alert of that name; what else is given changes it as well."""
    form = Form(fields)
    place = _place(account, form)
    changes: Row = {
        "severity": form.choice("severity", SEVERITIES),
        "payload": form.mapping("payload"),
        "payload_sensitive_encoding": form.flag("payload_sensitive_encoding"),
        "cleared_at": form.moment("cleared_at") or now(),
    }
    _instance(account, form, place)
    newest = account.store.find("alert", **place)
    if newest is None:
        raise not_found("alert", "name")
    if newest["status"] == "cleared":
        raise invalid_action("the alert is already cleared", "name")
    return _changed(account, newest, _given(changes) | {"status": "cleared", "updated_at": now()})


def _place(account: Account, form: Form) -> dict[str, str | None]:
    return {
        "agent_instance_id": form.identifier("agent_instance_id", account.partition, required=True),
        "name": form.text("name", required=True, limit=255),
    }


def _instance(account: Account, form: Form, place: dict[str, str | None]) -> Row:
    """The run, once the form is in order."""
    form.check()
    row = account.store.get("agent_instance", str(place["agent_instance_id"]))
    if row is None:
        raise not_found("agent instance", "agent_instance_id")
    return row


def _changed(account: Account, row: Row, changes: Row) -> Json:
    account.store.update("alert", row["id"], changes | {"version": row["version"] + 1})
    return read(account, row["id"], {})
