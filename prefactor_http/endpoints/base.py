"""What every endpoint client does: check the key, send, and read the answer as a model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from prefactor_http.exceptions import PrefactorResponseContractError

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")

MAX_KEY_LENGTH = 64
"""The API's limit on idempotency keys."""

ControlCallback = Callable[[str | None], None]


class Requester(Protocol):
    """What the endpoint clients need of the client that holds them."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """One API call, retried as configured; the JSON object of its answer."""
        ...


class EndpointClient:
    """Base of the endpoint clients."""

    def __init__(self, http_client: Requester) -> None:
        self._client = http_client

    async def _one(
        self,
        model: type[M],
        operation: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        on_control: ControlCallback | None = None,
    ) -> M:
        """The ``details`` of an answer. Raises ``PrefactorResponseContractError`` naming the
        operation when the answer is not what it returns."""
        from prefactor_http.models.base import ApiResponse

        answer = await self._client.request(method, f"/api/v1{path}", params=params, json_data=body)
        if on_control is not None:
            _signal(answer, on_control)
        return parsed(ApiResponse[model], operation, answer).details  # type: ignore[valid-type]


def parsed(model: type[M], operation: str, answer: dict[str, Any]) -> M:
    """The answer as a model, or ``PrefactorResponseContractError`` naming the operation."""
    from pydantic import ValidationError

    try:
        return model.model_validate(answer)
    except ValidationError as cause:
        raise PrefactorResponseContractError(
            f"Invalid response payload for {operation}", cause=cause
        ) from cause


def with_key(body: dict[str, Any], idempotency_key: str | None) -> dict[str, Any]:
    """The body with its key, if there is one. Raises ``ValueError`` for one that is too long."""
    check_key(idempotency_key)
    return body if idempotency_key is None else body | {"idempotency_key": idempotency_key}


def check_key(idempotency_key: str | None) -> None:
    """Raises ``ValueError`` for a key that the API would refuse."""
    if idempotency_key is not None and len(idempotency_key) > MAX_KEY_LENGTH:
        raise ValueError(
            f"Idempotency key must be at most {MAX_KEY_LENGTH} characters, "
            f"got {len(idempotency_key)}"
        )


def given(**values: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _signal(answer: dict[str, Any], on_control: ControlCallback) -> None:
    control = answer.get("control")
    if isinstance(control, dict) and control.get("terminate"):
        on_control(control.get("reason"))
