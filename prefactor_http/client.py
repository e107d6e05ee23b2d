"""The client: one session, one retry policy, and an endpoint client for each resource."""

import asyncio
from types import TracebackType
from typing import Any, Self

import aiohttp

from prefactor_http import transport
from prefactor_http._version import PACKAGE_NAME, PACKAGE_VERSION
from prefactor_http.config import HttpClientConfig
from prefactor_http.endpoints.agent import AgentClient
from prefactor_http.endpoints.agent_instance import AgentInstanceClient
from prefactor_http.endpoints.agent_span import AgentSpanClient
from prefactor_http.endpoints.bulk import BulkClient
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
)
from prefactor_http.retry import RetryHandler, retries_status

DEFAULT_SDK_HEADER = f"{PACKAGE_NAME}@{PACKAGE_VERSION}"


class PrefactorHttpClient:
    """Async client of the Prefactor API, an async context manager.

    The session is opened on entry or by the first request; ``close`` may be called twice, and a
    later request opens a new session. ``sdk_header`` replaces the value of ``X-Prefactor-SDK``.
    """

    def __init__(self, config: HttpClientConfig, sdk_header: str | None = None) -> None:
        self._config = config
        self._sdk_header = sdk_header or DEFAULT_SDK_HEADER  # adapters set it later: read it late
        self._session: aiohttp.ClientSession | None = None
        self._retry = RetryHandler(config)
        self._agents = AgentClient(self)
        self._agent_instances = AgentInstanceClient(self)
        self._agent_spans = AgentSpanClient(self)
        self._bulk = BulkClient(self)

    async def __aenter__(self) -> Self:
        await self._ensure_session()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def agents(self) -> AgentClient:
        """The agents of the account."""
        return self._agents

    @property
    def agent_instances(self) -> AgentInstanceClient:
        """Runs of agents."""
        return self._agent_instances

    @property
    def agent_spans(self) -> AgentSpanClient:
        """Steps of runs."""
        return self._agent_spans

    @property
    def bulk(self) -> BulkClient:
        """Many operations in one request."""
        return self._bulk

    async def close(self) -> None:
        """Close the session; does nothing when it is closed."""
        session, self._session = self._session, None
        if session is not None and not session.closed:
            await session.close()

    async def validate_token(self) -> dict[str, Any]:
        """The answer of ``GET /ping``. Raises ``PrefactorAuthError`` for a token that the API
        does not accept."""
        return await self.request("GET", "/api/v1/ping")

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """One API call, retried as configured; the JSON object of its answer.

        ``idempotency_key`` becomes the ``Idempotency-Key`` header, the same on every attempt.
        Raises ``PrefactorHttpError``, and without retries also ``aiohttp.ClientError`` and
        ``TimeoutError``.
        """
        return await self._retried(
            path,
            method,
            path,
            params=params,
            json_data=json_data,
            idempotency_key=idempotency_key,
        )

    async def request_raw(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """Like ``request``, with a body that is JSON already."""
        return await self._retried(path, method, path, data=body)

    async def _retried(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        attempts = self._config.max_retries + 1
        try:
            result: dict[str, Any] = await self._retry.execute(
                self._make_request, self._is_retryable, *args, **kwargs
            )
        except Exception as error:
            if attempts == 1 or not self._is_retryable(error):
                raise
            raise PrefactorRetryExhaustedError(
                f"Request to {path} failed after {attempts} attempts", error
            ) from error
        return result

    async def _make_request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        data: bytes | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        session = await self._ensure_session()
        reply = await transport.send(
            session,
            method,
            f"{self._config.api_url.rstrip('/')}{path}",
            self._headers(idempotency_key),
            params=params,
            json_data=json_data,
            data=data,
        )
        return transport.parse(reply, path)

    def _headers(self, idempotency_key: str | None) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._config.api_token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Prefactor-SDK": self._sdk_header,
        }
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return headers

    def _is_retryable(self, error: Exception) -> bool:
        if isinstance(error, (PrefactorApiError, PrefactorResponseContractError)):
            status = error.status_code
            return status is not None and retries_status(self._config, status)
        return isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError))

    async def _ensure_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = transport.open_session(self._config)
        return self._session
