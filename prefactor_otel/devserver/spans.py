"""Operations on agent spans."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from prefactor_otel.devserver import rules, views
from prefactor_otel.devserver.account import Account, now
from prefactor_otel.devserver.declared import SpanType, span_types
from prefactor_otel.devserver.errors import invalid, not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.mismatch import mismatches
from prefactor_otel.devserver.paging import flattened, listing, read_page
from prefactor_otel.devserver.store import Row
from prefactor_otel.devserver.template import render

_SORTABLE: Final = (
    *("id", "status", "schema_name", "started_at", "finished_at"),
    *("inserted_at", "updated_at"),
)


def create(account: Account, target: str, fields: Json) -> Json:
    """A span, open or already finished (API contract, spans)."""
    form = Form(fields)
    row = _read_create(account, form, fields)
    form.check()
    instance = account.store.get("agent_instance", row["agent_instance_id"])
    if instance is None:
        raise not_found("agent instance", "agent_instance_id")
    declared = _types(account, instance["agent_schema_version_id"]).get(row["schema_name"])
    if declared is None:
        form.refuse("schema_name", "is not among the span types that the run declared")
    _check_place(account, form, row)
    form.check()
    rules.may_take_spans(instance["status"])
    assert declared is not None
    row |= _derived(row, instance, declared)
    row["id"] = row["id"] or account.ids.new()
    account.store.insert("agent_span", row)
    return {"details": views.span(account, row)}


def _read_create(account: Account, form: Form, fields: Json) -> Row:
    partition, moment = account.partition, now()
    status = form.choice("status", rules.SPAN_STATUSES, required=True)
    started_at, finished_at = form.moment("started_at"), form.moment("finished_at")
    never_begun = account.lenient_cancel or rules.never_begun(started_at, finished_at)
    if status == "cancelled" and not never_begun:
        form.refuse("finished_at", "must be started_at: only what never began is cancelled")
    if finished_at and status not in rules.FINISHED:
        form.refuse("finished_at", "belongs to a finished span only")
    if fields.get("id") is not None and not account.client_ids:
        form.refuse("id", "is made by the server")
    return {
        "id": form.identifier("id", partition),
        "agent_instance_id": form.identifier("agent_instance_id", partition, required=True),
        "parent_span_id": form.identifier("parent_span_id", partition),
        "schema_name": form.text("schema_name", required=True),
        "status": status,
        "payload": form.mapping("payload") or {},
        "result_payload": form.mapping("result_payload"),
        "sensitive_encoding": bool(form.flag("sensitive_encoding")),
        "started_at": started_at or moment,
        "finished_at": finished_at or (moment if status in rules.FINISHED else None),
        "inserted_at": moment,
        "updated_at": moment,
    }


def _check_place(account: Account, form: Form, row: Row) -> None:
    """The id is free, and the parent is there, in the same run."""
    if row["id"] and account.store.holds("agent_span", row["id"]):
        form.refuse("id", "has already been taken")
    if row["parent_span_id"] is None:
        return
    parent = account.store.value("agent_span", row["parent_span_id"], "agent_instance_id")
    if parent is None:
        form.refuse("parent_span_id", "does not exist")
    elif parent != row["agent_instance_id"]:
        form.refuse("parent_span_id", "belongs to another agent instance")


def _derived(row: Row, instance: Row, declared: SpanType) -> Row:
    payload = row["payload"]
    found = [*mismatches(declared.params_schema, payload, "payload")]
    if row["result_payload"] is not None:
        found += mismatches(declared.result_schema, row["result_payload"], "result_payload")
    return {
        "agent_id": instance["agent_id"],
        "purpose": instance["purpose"],
        "schema_title": declared.title,
        "payload_bytes": len(orjson.dumps(payload)),
        "summary": render(declared.template, payload) if declared.template else None,
        "mismatches": found,
    }


def finish(account: Account, target: str, fields: Json) -> Json:
    """Ends an open span. Its payload stays as it was created (API contract)."""
    row = account.store.get("agent_span", target)
    if row is None:
        raise not_found("agent span")
    form = Form(fields)
    status = form.choice("status", rules.FINISHED) or "complete"
    result = form.mapping("result_payload")
    moment = now()
    changes: dict[str, Any] = {"status": status, "updated_at": moment}
    changes["finished_at"] = form.moment("timestamp") or moment
    if form.flag("sensitive_encoding"):
        changes["sensitive_encoding"] = True
    form.check()
    lenient = account.lenient_cancel
    rules.may_finish("span", row["status"], status, lenient_cancel=lenient)
    if status == "cancelled" and not lenient:
        changes["started_at"] = changes["finished_at"]  # it has never begun (API contract)
    if result is not None:
        changes |= {"result_payload": result, "mismatches": _with_result(account, row, result)}
    account.store.update("agent_span", target, changes)
    return {"details": views.span(account, row | changes)}


def _with_result(account: Account, row: Row, result: Json) -> list[str]:
    schema_id = account.store.value(
        "agent_instance", row["agent_instance_id"], "agent_schema_version_id"
    )
    declared = _types(account, schema_id)[row["schema_name"]]
    kept = [text for text in row["mismatches"] if not text.startswith("result_payload")]
    return [*kept, *mismatches(declared.result_schema, result, "result_payload")]


def index(account: Account, target: str, fields: Json) -> Json:
    """The spans of an instance or an agent; of an unknown one none."""
    fields = flattened(fields)
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    names = ("agent_instance_id", "agent_id")
    where = {f"{name} =": form.text(name) for name in names if fields.get(name) is not None}
    if not where:
        raise invalid({name: ["one of agent_instance_id, agent_id is required"] for name in names})
    where |= {"started_at >=": form.moment("start_time"), "started_at <=": form.moment("end_time")}
    for flag in ("include_summaries", "include_risk_level"):
        form.flag(flag)
    form.check()
    given = {comparison: value for comparison, value in where.items() if value is not None}
    return listing(account, "agent_span", given, page, views.span)


def control(account: Account, answer: Json) -> Json:
    """The answer, with the word to stop where its run has been terminated."""
    store, instance_id = account.store, answer["details"]["agent_instance_id"]
    if store.value("agent_instance", instance_id, "status") != "terminated":
        return answer
    reason = store.value("agent_instance", instance_id, "termination_reason")
    return answer | {"control": {"terminate": True, "reason": reason}}


def _types(account: Account, schema_id: str) -> Mapping[str, SpanType]:
    known = account.span_types.get(schema_id)
    if known is None:
        version = account.store.get("agent_schema_version", schema_id)
        known = span_types(version["definition"]) if version else {}
        account.span_types[schema_id] = known
    return known
