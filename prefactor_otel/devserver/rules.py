"""What the API accepts: pure checks and state machines. Where the contract is silent, strict."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from prefactor_http import pfid

Json = dict[str, Any]

INSTANCE_FINISHED: Final = ("complete", "failed", "cancelled", "terminated")
SPAN_FINISHED: Final = ("complete", "failed", "cancelled")
SPAN_STATUSES: Final = ("pending", "active", *SPAN_FINISHED)
PURPOSES: Final = ("live", "smoke_test", "eval")
MAX_KEY: Final = 64
MIN_BULK_KEY: Final = 8


@dataclass(eq=False)  # not frozen: Python sets a traceback on what is raised
class ApiError(Exception):
    """A refusal, in the error envelope of the contract."""

    status: int
    code: str
    message: str
    errors: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def envelope(self) -> Json:
        """The body of the answer."""
        body: Json = {"status": "error", "code": self.code, "message": self.message}
        return body | {"errors": dict(self.errors)} if self.errors else body


def invalid(name: str, problem: str) -> ApiError:
    """422 for one field."""
    return ApiError(422, "validation_errors", f"{name} {problem}", {name: [problem]})


def not_found(what: str, name: str | None = None) -> ApiError:
    """404, naming the field that pointed nowhere, if any."""
    errors = {name: ["was not found"]} if name else {}
    return ApiError(404, "not_found", f"{what} was not found", errors)


def invalid_action(message: str) -> ApiError:
    """409 for a transition that the state does not allow."""
    return ApiError(409, "invalid_action", message)


def bad_token() -> ApiError:
    """401."""
    return ApiError(401, "bad_authtoken", "the API token is missing or not valid")


def text(body: Json, name: str, *, required: bool = False) -> str | None:
    """A text field. Raises ``ApiError`` when it is missing or no text."""
    value = body.get(name)
    if value is None:
        if required:
            raise invalid(name, "is required")
        return None
    if not isinstance(value, str):
        raise invalid(name, "must be a text")
    if required and not value.strip():
        raise invalid(name, "must not be blank")
    return value


def moment(body: Json, name: str) -> str | None:
    """An ISO 8601 timestamp, as it was sent."""
    value = text(body, name)
    if value is not None:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise invalid(name, "must be an ISO 8601 timestamp") from None
    return value


def required_text(body: Json, name: str) -> str:
    """A text field that must be there and not blank."""
    value = text(body, name, required=True)
    assert value is not None
    return value


def mapping(body: Json, name: str, *, required: bool = False) -> Json | None:
    """An object field."""
    value = body.get(name)
    if value is None:
        if required:
            raise invalid(name, "is required")
        return None
    if not isinstance(value, dict):
        raise invalid(name, "must be an object")
    return value


def choice(body: Json, name: str, allowed: Collection[str], default: str) -> str:
    """A field with a closed set of values."""
    value = body.get(name)
    if value is None:
        return default
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}")
    return str(value)


def own_id(value: str | None, partition: int, name: str = "id") -> str | None:
    """A client-made id: a PFID of the account's partition (API contract, PFID)."""
    if value is None:
        return None
    if not pfid.is_pfid(value):
        raise invalid(name, "must be a PFID")
    if pfid.partition_of(value) != partition:
        raise invalid(name, "must be a PFID of the account's partition")
    return value


def idempotency_key(value: object, *, shortest: int = 1) -> str | None:
    """A key within the API's limits, or None."""
    if value is None:
        return None
    if not isinstance(value, str) or not shortest <= len(value) <= MAX_KEY:
        raise invalid("idempotency_key", f"must have {shortest} to {MAX_KEY} characters")
    return value


def bulk_items(body: Json) -> list[Json]:
    """The items of a bulk request: at least one, each with a unique key of 8 to 64 characters."""
    items = body.get("items")
    if not isinstance(items, list) or not items:
        raise invalid("items", "must hold at least one item")
    seen: set[str] = set()
    for item in items:
        if not isinstance(item, dict):
            raise invalid("items", "must hold objects")
        if not isinstance(item.get("_type"), str):
            raise invalid("_type", "is required")
        key = idempotency_key(item.get("idempotency_key"), shortest=MIN_BULK_KEY)
        if key is None:
            raise invalid("idempotency_key", "is required")
        if key in seen:
            raise invalid("idempotency_key", "must be unique within the request")
        seen.add(key)
    return items


def declared_types(schema_version: Json) -> dict[str, Json]:
    """The span types that a schema version declares: name to title and template. With
    ``span_type_schemas`` the flat maps are ignored (API contract, schemas)."""
    schemas = schema_version.get("span_type_schemas")
    if schemas is None:
        return {name: {} for name in mapping(schema_version, "span_schemas") or {}}
    if not isinstance(schemas, list):
        raise invalid("span_type_schemas", "must be a list")
    declared: dict[str, Json] = {}
    for schema in schemas:
        if not isinstance(schema, dict):
            raise invalid("span_type_schemas", "must hold objects")
        name = required_text(schema, "name")
        mapping(schema, "params_schema", required=True)
        declared[name] = {
            "title": schema.get("title") or name,
            "template": schema.get("template"),
        }
    return declared


def check_instance_transition(status: str, action: str) -> None:
    """Raises 409 unless the instance may start, finish or be terminated in this status."""
    allowed = {"start": ("pending",), "finish": ("pending", "active"), "terminate": ("active",)}
    if status not in allowed[action]:
        raise invalid_action(f"cannot {action} an agent instance that is {status}")


def check_takes_spans(status: str) -> None:
    """Raises 409 for an instance that has finished. A terminated one takes spans, to tell its
    agent so (API contract, state machines)."""
    if status in SPAN_FINISHED:
        raise invalid_action(f"cannot add spans to an agent instance that is {status}")


def check_span_finish(status: str) -> None:
    """Raises 409 for a span that has finished."""
    if status in SPAN_FINISHED:
        raise invalid_action(f"cannot finish an agent span that is {status}")
