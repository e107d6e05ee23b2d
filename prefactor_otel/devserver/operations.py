"""Every write of the API as a function from (store, body) to an answer, for REST and bulk alike."""

import hashlib
import sqlite3
from collections.abc import Callable
from typing import Final

import orjson

from prefactor_otel.devserver import rules, summary
from prefactor_otel.devserver.rules import ApiError, Json
from prefactor_otel.devserver.store import Store, now

Operation = Callable[[Store, Json], Json]


def details(document: Json) -> Json:
    """The envelope of one resource."""
    return {"status": "success", "details": document}


def once(store: Store, name: str, operation: Operation, body: Json, header: str | None) -> Json:
    """Run an operation in a transaction; the same key again answers what the first one did,
    and refuses another body. Keys count per operation."""
    key = rules.idempotency_key(_key_of(body) or header)
    if key is None:
        with store.transaction():
            return operation(store, body)
    digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
    before = store.replay(name, key)
    if before is not None:
        if before[0] != digest:
            raise rules.invalid("idempotency_key", "has been used with another body")
        return before[1]
    with store.transaction():
        answer = operation(store, body)
        store.remember(name, key, digest, answer)
    return answer


def _key_of(body: Json) -> object:
    inner = body.get("details")
    return body.get("idempotency_key") or (
        inner.get("idempotency_key") if isinstance(inner, dict) else None
    )


# -- agent instances --------------------------------------------------------------------------


def register(store: Store, body: Json) -> Json:
    """Register a run: ``pending``, with the span types that it declares."""
    agent_id = rules.text(body, "agent_id") or store.agent_id
    if store.get("agent", agent_id) is None:
        raise rules.not_found("the agent", "agent_id")
    environment_id = rules.text(body, "environment_id") or store.environment_id
    if environment_id != store.environment_id:
        raise rules.not_found("the environment", "environment_id")
    version = rules.mapping(body, "agent_version") or {}
    schema_version = rules.mapping(body, "agent_schema_version") or {}
    types = rules.declared_types(schema_version)
    moment = now()
    document: Json = {
        "type": "agent_instance",
        "id": rules.own_id(rules.text(body, "id"), store.partition) or store.new_id(),
        "account_id": store.account_id,
        "agent_id": agent_id,
        "agent_version_id": store.version_id(
            "agent_version", agent_id, rules.text(version, "external_identifier") or "unnamed"
        ),
        "agent_schema_version_id": store.version_id(
            "schema", agent_id, rules.text(schema_version, "external_identifier") or "unnamed"
        ),
        "environment_id": environment_id,
        "agent_deployment_id": store.deployment_id,
        "status": "pending",
        "purpose": rules.choice(body, "purpose", rules.PURPOSES, "live"),
        "external_identifier": rules.text(body, "external_identifier"),
        "agent_version": version,
        "started_at": None,
        "finished_at": None,
        "inserted_at": moment,
        "updated_at": moment,
        "termination_reason": None,
        "quality_payload": None,
        "quality_summary": None,
        "quality_payloads": {},
        "quality_summaries": {},
        "risk_score": None,
    }
    try:
        store.put_instance(document, types)
    except sqlite3.IntegrityError:
        name = "external_identifier" if document["external_identifier"] else "id"
        raise rules.invalid(name, "is taken") from None
    return details(document)


def start(store: Store, body: Json) -> Json:
    """pending -> active."""
    document = _instance(store, body)
    rules.check_instance_transition(document["status"], "start")
    return _changed(
        store, document, status="active", started_at=rules.moment(body, "timestamp") or now()
    )


def finish(store: Store, body: Json) -> Json:
    """pending or active -> complete, failed or cancelled."""
    document = _instance(store, body)
    rules.check_instance_transition(document["status"], "finish")
    status = rules.choice(body, "status", rules.SPAN_FINISHED, "complete")
    return _changed(
        store, document, status=status, finished_at=rules.moment(body, "timestamp") or now()
    )


def terminate(store: Store, body: Json) -> Json:
    """active -> terminated; its spans stay as they are."""
    document = _instance(store, body)
    reason = rules.required_text(body, "reason")
    rules.check_instance_transition(document["status"], "terminate")
    return _changed(
        store, document, status="terminated", termination_reason=reason, finished_at=now()
    )


def record_quality(store: Store, body: Json) -> Json:
    """Set the quality payload of a name; null removes it."""
    document = _instance(store, body)
    name, payload = rules.required_text(body, "name"), rules.mapping(body, "payload")
    payloads = {key: value for key, value in document["quality_payloads"].items() if key != name}
    if payload is not None:
        payloads[name] = payload
    return _changed(store, document, quality_payloads=payloads)


def update_instance(store: Store, body: Json) -> Json:
    """Replace the whole quality payload (the older form of ``record_quality``)."""
    document = _instance(store, body)
    inner = rules.mapping(body, "details", required=True) or {}
    return _changed(store, document, quality_payload=rules.mapping(inner, "quality_payload"))


def _instance(store: Store, body: Json) -> Json:
    instance_id = rules.required_text(body, "agent_instance_id")
    document = store.get("agent_instance", instance_id)
    if document is None:
        raise rules.not_found("the agent instance", "agent_instance_id")
    return document


def _changed(store: Store, document: Json, **changes: object) -> Json:
    changed = document | changes | {"updated_at": now()}
    store.update_instance(changed)
    return details(changed)


# -- agent spans ------------------------------------------------------------------------------


def create_span(store: Store, body: Json) -> Json:
    """Create a span, open or finished. Its fields stand in ``details`` or on the body itself."""
    fields = rules.mapping(body, "details") or body
    instance = _instance(store, fields)
    rules.check_takes_spans(instance["status"])
    declared = store.types_of(instance["id"])
    schema_name = rules.required_text(fields, "schema_name")
    if schema_name not in declared:
        raise rules.invalid("schema_name", "is not declared by the instance's schema version")
    status = rules.required_text(fields, "status")
    if status not in rules.SPAN_STATUSES:
        raise rules.invalid("status", f"must be one of {', '.join(rules.SPAN_STATUSES)}")
    payload = rules.mapping(fields, "payload") or {}
    finished = rules.moment(fields, "finished_at")
    moment = now()
    document: Json = {
        "type": "agent_span",
        "id": rules.own_id(rules.text(fields, "id"), store.partition) or store.new_id(),
        "account_id": store.account_id,
        "agent_id": instance["agent_id"],
        "agent_instance_id": instance["id"],
        "parent_span_id": _parent(store, fields, instance["id"]),
        "schema_name": schema_name,
        "schema_title": declared[schema_name].get("title") or schema_name,
        "status": status,
        "purpose": instance["purpose"],
        "payload": payload,
        "result_payload": rules.mapping(fields, "result_payload"),
        "summary": summary.render(declared[schema_name].get("template"), payload),
        "sensitive_encoding": bool(fields.get("sensitive_encoding", False)),
        "started_at": rules.moment(fields, "started_at") or moment,
        "finished_at": finished or (moment if status in rules.SPAN_FINISHED else None),
        "inserted_at": moment,
        "updated_at": moment,
        "risk_level": None,
        "risk_score": None,
        "payload_byte_size_estimate": len(orjson.dumps(payload)),
    }
    try:
        store.put_span(document)
    except sqlite3.IntegrityError:
        raise rules.invalid("id", "is taken") from None
    return _with_control(details(document), instance)


def finish_span(store: Store, body: Json) -> Json:
    """Finish a span: status, time and result; its payload stays as it is."""
    span_id = rules.required_text(body, "agent_span_id")
    document = store.get("agent_span", span_id)
    if document is None:
        raise rules.not_found("the agent span", "agent_span_id")
    rules.check_span_finish(document["status"])
    result = rules.mapping(body, "result_payload")
    changed = document | {
        "status": rules.choice(body, "status", rules.SPAN_FINISHED, "complete"),
        "finished_at": rules.moment(body, "timestamp") or now(),
        "result_payload": result if result is not None else document["result_payload"],
        "sensitive_encoding": bool(body.get("sensitive_encoding", document["sensitive_encoding"])),
        "updated_at": now(),
    }
    store.update_span(changed)
    instance = store.get("agent_instance", document["agent_instance_id"])
    assert instance is not None
    return _with_control(details(changed), instance)


def _parent(store: Store, fields: Json, instance_id: str) -> str | None:
    parent_id = rules.text(fields, "parent_span_id")
    if parent_id is None:
        return None
    parent = store.get("agent_span", parent_id)
    if parent is None:
        raise rules.invalid("parent_span_id", "does not exist")
    if parent["agent_instance_id"] != instance_id:
        raise rules.invalid("parent_span_id", "belongs to another agent instance")
    return parent_id


def _with_control(answer: Json, instance: Json) -> Json:
    if instance["status"] != "terminated":
        return answer
    return answer | {"control": {"terminate": True, "reason": instance["termination_reason"]}}


# -- agents -----------------------------------------------------------------------------------

_AGENT_FIELDS: Final = ("description", "owner_person_id", "risk_profile_id", "team_id")


def create_agent(store: Store, body: Json) -> Json:
    """Create an agent."""
    fields = rules.mapping(body, "details", required=True) or {}
    moment = now()
    document: Json = {
        "type": "agent",
        "id": rules.own_id(rules.text(fields, "id"), store.partition) or store.new_id(),
        "account_id": store.account_id,
        "name": rules.required_text(fields, "name"),
        "external_identifier": rules.text(fields, "external_identifier"),
        "status": "active",
        "inserted_at": moment,
        "updated_at": moment,
    } | {name: rules.text(fields, name) for name in _AGENT_FIELDS}
    if store.get("agent", document["id"]) is not None:
        raise rules.invalid("id", "is taken")
    identifier = document["external_identifier"]
    if identifier is not None and store.agent_by_identifier(identifier) is not None:
        raise rules.invalid("external_identifier", "is taken")
    store.put_agent(document)
    return details(document)


def update_agent(store: Store, body: Json) -> Json:
    """Change an agent's name, description and owners; its external identifier stays."""
    document = agent(store, body)
    fields = rules.mapping(body, "details", required=True) or {}
    if "external_identifier" in fields:
        raise rules.invalid("external_identifier", "cannot be changed")
    changes = {
        name: rules.text(fields, name) for name in ("name", *_AGENT_FIELDS) if name in fields
    }
    return _saved(store, document | changes)


def retire_agent(store: Store, body: Json) -> Json:
    """active -> retired."""
    return _moved(store, body, "retire", "active", "retired")


def reinstate_agent(store: Store, body: Json) -> Json:
    """retired -> active."""
    return _moved(store, body, "reinstate", "retired", "active")


def delete_agent(store: Store, body: Json) -> Json:
    """Delete an agent; it answers as it was."""
    document = agent(store, body)
    store.put_agent(document, deleted=True)
    return details(document)


def show_agent(store: Store, body: Json) -> Json:
    """One agent, by exactly one of id and external identifier."""
    agent_id, identifier = rules.text(body, "agent_id"), rules.text(body, "external_identifier")
    if (agent_id is None) == (identifier is None):
        raise rules.invalid("agent_id", "or external_identifier must be given, and only one")
    if identifier is not None:
        found = store.agent_by_identifier(identifier)
        if found is None:
            raise rules.not_found("the agent", "external_identifier")
        return details(found)
    return details(agent(store, body))


def agent(store: Store, body: Json) -> Json:
    """The agent that a body names."""
    document = store.get("agent", rules.required_text(body, "agent_id"))
    if document is None:
        raise rules.not_found("the agent", "agent_id")
    return document


def _moved(store: Store, body: Json, action: str, before: str, after: str) -> Json:
    document = agent(store, body)
    if document["status"] != before:
        raise rules.invalid_action(f"cannot {action} an agent that is {document['status']}")
    return _saved(store, document | {"status": after})


def _saved(store: Store, document: Json) -> Json:
    changed = document | {"updated_at": now()}
    store.put_agent(changed)
    return details(changed)


# -- bulk -------------------------------------------------------------------------------------

BULK: Final[dict[str, Operation]] = {
    "agents/create": create_agent,
    "agents/show": show_agent,
    "agent_instances/register": register,
    "agent_instances/start": start,
    "agent_instances/finish": finish,
    "agent_instances/terminate": terminate,
    "agent_instances/record_quality": record_quality,
    "agent_spans/create": create_span,
    "agent_spans/finish": finish_span,
}


def bulk(store: Store, body: Json, intercept: Callable[[int, Json], None]) -> Json:
    """Items in order, each in its own transaction; stops at the first error, and leaves the
    later keys out (API contract, bulk). ``intercept`` may raise in an item's place."""
    outputs: Json = {}
    for index, item in enumerate(rules.bulk_items(body)):
        try:
            intercept(index, item)
            outputs[item["idempotency_key"]] = _bulk_output(store, item)
        except ApiError as error:
            outputs[item["idempotency_key"]] = error.envelope
            break
    return {"status": "success", "outputs": outputs}


def _bulk_output(store: Store, item: Json) -> Json:
    name = item["_type"]
    if name == "agents/list":
        return {"status": "success", "summaries": store.page("agent", {})[0]}
    operation = BULK.get(name)
    if operation is None:
        raise rules.invalid("_type", f"must be one of {', '.join(BULK)}")
    body = {key: value for key, value in item.items() if key != "_type"}
    return once(store, name, operation, body, None)
