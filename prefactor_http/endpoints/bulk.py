"""Many operations in one request."""

from typing import TYPE_CHECKING

from prefactor_http.endpoints.base import EndpointClient, parsed

if TYPE_CHECKING:
    from prefactor_http.models.bulk import BulkRequest, BulkResponse


class BulkClient(EndpointClient):
    """``/bulk``. A success of the request says nothing of its items: each has its own output,
    processing stops at the first error, and later keys are absent."""

    async def execute(self, request: "BulkRequest") -> "BulkResponse":
        """Send a request; the outputs by idempotency key."""
        from prefactor_http.models.bulk import BulkResponse

        body = request.model_dump(by_alias=True)
        answer = await self._client.request("POST", "/api/v1/bulk", json_data=body)
        return parsed(BulkResponse, "bulk.execute", answer)
