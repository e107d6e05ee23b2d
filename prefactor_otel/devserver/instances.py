"""Operations on agent instances: one run of an agent, from its registration to its end."""

from typing import Any, Final

from prefactor_otel.devserver import rules, views
from prefactor_otel.devserver.account import Account, now
from prefactor_otel.devserver.declared import quality_templates
from prefactor_otel.devserver.errors import not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.paging import flattened, listing, read_page
from prefactor_otel.devserver.store import Row

_SORTABLE: Final = ("id", "status", "started_at", "finished_at", "inserted_at", "updated_at")


def _row(account: Account, instance_id: str) -> Row:
    row = account.store.get("agent_instance", instance_id)
    if row is None:
        raise not_found("agent instance")
    return row


def read(account: Account, target: str, fields: Json) -> Json:
    return {"details": views.instance(account, _row(account, target))}


def _changed(account: Account, instance_id: str, changes: dict[str, Any]) -> Json:
    account.store.update("agent_instance", instance_id, changes | {"updated_at": now()})
    return read(account, instance_id, {})


def index(account: Account, target: str, fields: Json) -> Json:
    """The instances of one agent; of an unknown one none. ``status`` is ignored, as the live
    API does (API contract)."""
    fields = flattened(fields)
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    where = {"agent_id =": form.text("agent_id", required=True)}
    version = form.text("agent_version_id")
    if version is not None:
        where["agent_version_id ="] = version
    form.check()
    return listing(account, "agent_instance", where, page, views.instance_summary)


def start(account: Account, target: str, fields: Json) -> Json:
    row = _row(account, target)
    form = Form(fields)
    started_at = form.moment("timestamp") or now()
    form.check()
    rules.may_start(row["status"])
    return _changed(account, target, {"status": "active", "started_at": started_at})


def finish(account: Account, target: str, fields: Json) -> Json:
    row = _row(account, target)
    form = Form(fields)
    status = form.choice("status", rules.FINISHED) or "complete"
    finished_at = form.moment("timestamp") or now()
    form.check()
    lenient = account.lenient_cancel
    rules.may_finish("agent instance", row["status"], status, lenient_cancel=lenient)
    changes = {"status": status, "finished_at": finished_at}
    if status == "cancelled" and not lenient:
        changes["started_at"] = finished_at  # it has never begun (API contract)
    return _changed(account, target, changes)


def terminate(account: Account, target: str, fields: Json) -> Json:
    """Spans stay as they are: their own answers tell the agent to stop."""
    row = _row(account, target)
    form = Form(fields)
    reason = form.text("reason", required=True)
    form.check()
    rules.may_terminate(row["status"])
    changes = {"status": "terminated", "termination_reason": reason, "finished_at": now()}
    return _changed(account, target, changes)


def record_quality(account: Account, target: str, fields: Json) -> Json:
    """Sets, or with null removes, the record of one declared quality schema."""
    row = _row(account, target)
    form = Form(fields)
    name = form.text("name", required=True)
    payload = form.mapping("payload")
    version = account.store.get("agent_schema_version", row["agent_schema_version_id"])
    if name is not None and name not in quality_templates(version["definition"] if version else {}):
        form.refuse("name", "is not among the quality schemas that the run declared")
    form.check()
    payloads = {key: value for key, value in row["quality_payloads"].items() if key != name}
    if payload is not None:
        payloads[str(name)] = payload
    return _changed(account, target, {"quality_payloads": payloads})


def update(account: Account, target: str, fields: Json) -> Json:
    """The older way to record quality: replaces the whole payload, declared or not."""
    _row(account, target)
    form = Form(fields)
    payload = form.mapping("quality_payload", required="quality_payload" not in fields)
    form.check()
    return _changed(account, target, {"quality_payload": payload})
