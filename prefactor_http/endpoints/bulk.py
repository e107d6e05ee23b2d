"""Many operations in one request."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefactor_http.endpoints.base import EndpointClient, parsed
from prefactor_http.exceptions import PrefactorResponseContractError

if TYPE_CHECKING:
    from prefactor_http.models.bulk import BulkRequest, BulkResponse

_PATH = "/api/v1/bulk"
_OPERATION = "bulk.execute"


class BulkClient(EndpointClient):
    """``/bulk``. A success of the request says nothing of its items: each has its own output,
    processing stops at the first error, and later keys are absent."""

    async def execute(self, request: "BulkRequest") -> "BulkResponse":
        """Send a request; the outputs by idempotency key."""
        from prefactor_http.models.bulk import BulkResponse

        body = request.model_dump(by_alias=True)
        answer = await self._client.request("POST", _PATH, json_data=body)
        return parsed(BulkResponse, _OPERATION, answer)

    async def execute_raw(self, items: Sequence[bytes]) -> dict[str, Any]:
        """Send items that are JSON already; the ``outputs`` of the answer as they came.

        For callers to whom building and checking models costs more than the request. Raises
        ``ValueError`` without items, else as ``execute``.
        """
        if not items:
            raise ValueError("a bulk request needs at least one item")
        body = b'{"items":[' + b",".join(items) + b"]}"
        answer = await self._client.request_raw("POST", _PATH, body)
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):
            raise PrefactorResponseContractError(f"Invalid response payload for {_OPERATION}")
        return outputs
