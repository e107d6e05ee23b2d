"""Refusals: one exception that carries what the API's error envelope says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Errors = Mapping[str, list[str]]


@dataclass
class ApiError(Exception):
    """A request that is refused. ``errors`` names the fields at fault, where there are any."""

    status: int
    code: str
    message: str
    errors: Errors = field(default_factory=dict)

    def envelope(self) -> dict[str, Any]:
        """The body that goes over the wire (API contract, error envelope)."""
        body: dict[str, Any] = {"status": "error", "code": self.code, "message": self.message}
        if self.errors:
            body["errors"] = dict(self.errors)
        return body


def invalid(errors: Errors) -> ApiError:
    """A field that cannot be what it is: 422 ``validation_errors``."""
    return ApiError(422, "validation_errors", f"Invalid: {', '.join(errors)}", errors)


def invalid_field(name: str, message: str) -> ApiError:
    """The same, for a single field."""
    return invalid({name: [message]})


def not_found(what: str, name: str | None = None) -> ApiError:
    """A record that is not there: 404, naming the body's field where the id stood in one."""
    errors = {name: ["does not exist"]} if name else {}
    return ApiError(404, "not_found", f"No such {what}", errors)


def invalid_action(message: str, name: str = "status") -> ApiError:
    """A step that the state machine does not have: 409 (API contract, state machines)."""
    return ApiError(409, "invalid_action", message, {name: [message]})
