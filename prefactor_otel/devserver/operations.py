"""Every operation of the API, and the one way in which each is carried out.

REST and bulk differ only in where an operation's fields stand; what happens is the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from prefactor_otel.devserver import agents, alerts, instances, registration, spans
from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.errors import invalid_field
from prefactor_otel.devserver.form import KEY_LIMIT, Json, refuse_depth

Run = Callable[[Account, str, Json], Json]


@dataclass(frozen=True, slots=True)
class Operation:
    """``name`` is the ``_type`` in bulk, ``target`` the field that there holds the path's id.
    ``wrapped``: over REST the fields stand in ``details``. ``controlled``: the answer tells the
    agent to stop when its run has been terminated."""

    name: str
    method: str
    path: str
    run: Run
    wrapped: bool = False
    controlled: bool = False

    @property
    def target(self) -> str:
        return self.path.partition("{")[2].partition("}")[0]


_AGENT: Final = "/agent/{agent_id}"
_INSTANCE: Final = "/agent_instance/{agent_instance_id}"

# Fixed paths stand before those with an id: the first that fits is taken.
OPERATIONS: Final = (
    Operation("ping", "GET", "/ping", agents.ping),
    Operation("accounts/list", "GET", "/account", agents.account_list),
    Operation("accounts/show", "GET", "/account/{account_id}", agents.account_read),
    Operation("accounts/update", "PUT", "/account/{account_id}", agents.account_update, True),
    Operation("agents/list", "GET", "/agent", agents.index),
    Operation("agents/create", "POST", "/agent", agents.create, wrapped=True),
    Operation("agents/show", "GET", "/agent/show", agents.show),
    Operation("agents/read", "GET", _AGENT, agents.read),
    Operation("agents/update", "PUT", _AGENT, agents.update, wrapped=True),
    Operation("agents/delete", "DELETE", _AGENT, agents.delete),
    Operation("agents/retire", "POST", f"{_AGENT}/retire", agents.retire),
    Operation("agents/reinstate", "POST", f"{_AGENT}/reinstate", agents.reinstate),
    Operation(
        "agent_instances/register", "POST", "/agent_instance/register", registration.register
    ),
    Operation("agent_instances/list", "GET", "/agent_instance", instances.index),
    Operation("agent_instances/show", "GET", _INSTANCE, instances.read),
    Operation("agent_instances/update", "PUT", _INSTANCE, instances.update, wrapped=True),
    Operation("agent_instances/start", "POST", f"{_INSTANCE}/start", instances.start),
    Operation("agent_instances/finish", "POST", f"{_INSTANCE}/finish", instances.finish),
    Operation("agent_instances/terminate", "POST", f"{_INSTANCE}/terminate", instances.terminate),
    Operation(
        "agent_instances/record_quality",
        "POST",
        f"{_INSTANCE}/record_quality",
        instances.record_quality,
    ),
    Operation("agent_spans/list", "GET", "/agent_spans", spans.index),
    Operation("agent_spans/create", "POST", "/agent_spans", spans.create, True, True),
    Operation(
        "agent_spans/finish",
        "POST",
        "/agent_spans/{agent_span_id}/finish",
        spans.finish,
        controlled=True,
    ),
    Operation("alerts/list", "GET", "/alerts", alerts.index),
    Operation("alerts/count", "GET", "/alerts/count", alerts.count),
    Operation("alerts/raise", "POST", "/alerts/raise", alerts.raise_),
    Operation("alerts/clear", "POST", "/alerts/clear", alerts.clear),
    Operation("alerts/show", "GET", "/alerts/{alert_id}", alerts.read),
    Operation("risk_profiles/list", "GET", "/risk_profile", agents.risk_profiles),
    Operation("pfids/generate", "POST", "/pfid/generate", agents.generate_pfids),
)

BY_NAME: Final[Mapping[str, Operation]] = {each.name: each for each in OPERATIONS}


def perform(account: Account, operation: Operation, target: str, fields: Json, key: Any) -> Json:
    """The answer, all of the work done or none. ``key`` is the idempotency key or None: with one
    that was used before, the first answer again (scope: account and operation). A refusal is not
    kept, so the same key may try again."""
    refuse_depth(fields)
    with account.store.transaction():
        if key is None or operation.method == "GET":
            answer = _done(account, operation, target, fields)
        else:
            answer = _once(account, operation, target, fields, key)
        if operation.controlled:
            answer = spans.control(account, answer)
    if operation.method != "GET":
        account.on_change()
    return {"status": "success", **answer}


def _done(account: Account, operation: Operation, target: str, fields: Json) -> Json:
    answer = operation.run(account, target, fields)
    if operation.method != "GET":
        account.store.note(answer.get("details", {}))
    return answer


def _once(account: Account, operation: Operation, target: str, fields: Json, key: Any) -> Json:
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_LIMIT or not key.isprintable():
        raise invalid_field("idempotency_key", f"must be a text of 1 to {KEY_LIMIT} characters")
    body = orjson.dumps([target, fields], option=orjson.OPT_SORT_KEYS)
    digest = blake2b(body, digest_size=16).digest()
    known = account.store.answered(operation.name, key)
    if known is None:
        answer: Json = _done(account, operation, target, fields)
        row = {"operation": operation.name, "key": key, "digest": digest, "answer": answer}
        account.store.insert("idempotency", row)
        return answer
    first, answer = known
    if first == digest:
        return answer
    # Not 409: clients take any 409 of a finish for "already done", and this is not.
    raise invalid_field("idempotency_key", "was used before, with another body")


def rest_fields(operation: Operation, body: Json) -> tuple[Json, Any]:
    """The fields and the idempotency key of a REST body: the key may stand at the top or, as
    the published client sends it, inside ``details``."""
    key = body.get("idempotency_key")
    if not operation.wrapped:
        if "details" in body:
            raise invalid_field("details", "this operation takes its fields at the top level")
        return {name: value for name, value in body.items() if name != "idempotency_key"}, key
    details = body.get("details")
    if not isinstance(details, dict):
        raise invalid_field("details", "is required" if details is None else "must be an object")
    inner_key = details.get("idempotency_key")
    fields = {name: value for name, value in details.items() if name != "idempotency_key"}
    return fields, inner_key if key is None else key


def bulk_fields(operation: Operation, item: Json) -> tuple[str, Json]:
    """The path's id and the fields of a bulk item, which may stand flat or in ``details``."""
    details = item.get("details")
    if details is not None and not isinstance(details, dict):
        raise invalid_field("details", "must be an object")
    own = ("_type", "idempotency_key", "details", operation.target)
    fields = {name: value for name, value in item.items() if name not in own}
    fields |= details or {}
    fields.pop("idempotency_key", None)
    if not operation.target:
        return "", fields
    target = item.get(operation.target) or fields.pop(operation.target, None)
    if not isinstance(target, str):
        raise invalid_field(operation.target, "is required")
    return target, fields
