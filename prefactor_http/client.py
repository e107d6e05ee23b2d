"""The client: one session, one retry policy, and an endpoint client for each resource."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from prefactor_http import _json
from prefactor_http._version import PACKAGE_NAME, PACKAGE_VERSION
from prefactor_http.config import HttpClientConfig
from prefactor_http.endpoints.base import check_key
from prefactor_http.endpoints.bulk import BulkClient
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
    is_transient_http_error,
)
from prefactor_http.replies import parse
from prefactor_http.retry import RetryHandler, retries_status
from prefactor_otel_transport.environment import Proxy, proxy_for
from prefactor_otel_transport.session import Session, exchange, open_session

if TYPE_CHECKING:
    from prefactor_http.endpoints.agent import AgentClient
    from prefactor_http.endpoints.agent_instance import AgentInstanceClient
    from prefactor_http.endpoints.agent_span import AgentSpanClient
    from prefactor_http.endpoints.alert import AlertClient

DEFAULT_SDK_HEADER = f"{PACKAGE_NAME}@{PACKAGE_VERSION}"


class PrefactorHttpClient:
    """Async client of the Prefactor API, an async context manager.

    The session is opened on entry or by the first request; ``close`` may be called twice, and a
    later request opens a new session. ``sdk_header`` replaces the value of ``X-Prefactor-SDK``.
    """

    def __init__(self, config: HttpClientConfig, sdk_header: str | None = None) -> None:
        self.config = config
        self._sdk_header = sdk_header or DEFAULT_SDK_HEADER  # adapters set it later: read it late
        self._session: Session | None = None
        self._proxy: Proxy | None = None
        self._retry_handler = RetryHandler(config)
        self._agents: AgentClient | None = None
        self._agent_instances: AgentInstanceClient | None = None
        self._agent_spans: AgentSpanClient | None = None
        self._alerts: AlertClient | None = None
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
    def agents(self) -> "AgentClient":
        """The agents of the account."""
        if self._agents is None:
            from prefactor_http.endpoints.agent import AgentClient

            self._agents = AgentClient(self)
        return self._agents

    @property
    def agent_instances(self) -> "AgentInstanceClient":
        """Runs of agents."""
        if self._agent_instances is None:
            from prefactor_http.endpoints.agent_instance import AgentInstanceClient

            self._agent_instances = AgentInstanceClient(self)
        return self._agent_instances

    @property
    def agent_spans(self) -> "AgentSpanClient":
        """Steps of runs."""
        if self._agent_spans is None:
            from prefactor_http.endpoints.agent_span import AgentSpanClient

            self._agent_spans = AgentSpanClient(self)
        return self._agent_spans

    @property
    def alerts(self) -> "AlertClient":
        """What somebody should look at in runs."""
        if self._alerts is None:
            from prefactor_http.endpoints.alert import AlertClient

            self._alerts = AlertClient(self)
        return self._alerts

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
        Raises ``PrefactorHttpError``; without retries also ``aiohttp.ClientError`` and
        ``TimeoutError``; ``ValueError`` for a key longer than the API's 64 characters.
        """
        check_key(idempotency_key)
        try:
            answer: dict[str, Any] = await self._retry_handler.execute(
                self._make_request,
                self._is_retryable_error,
                method,
                path,
                params=params,
                json_data=json_data,
                idempotency_key=idempotency_key,
            )
        except PrefactorRetryExhaustedError as error:
            attempts = self.config.max_retries + 1
            raise PrefactorRetryExhaustedError(
                f"Request to {path} failed after {attempts} attempts", error.last_error
            ) from error.last_error
        return answer

    async def _make_request(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """One attempt."""
        await self._ensure_session()
        assert self._session is not None
        token = self.config.api_token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Prefactor-SDK": self._sdk_header,
        }
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        url = f"{self.config.api_url.rstrip('/')}{path}"
        reply = await exchange(
            self._session, method, url, headers, proxy=self._proxy, params=params, json=json_data
        )
        return parse(reply, path, token)

    def _is_retryable_error(self, error: Exception) -> bool:
        if isinstance(error, (PrefactorApiError, PrefactorResponseContractError)):
            status = error.status_code
            return status is not None and retries_status(self.config, status)
        return is_transient_http_error(error)  # of the network

    async def _ensure_session(self) -> None:
        if self._session is None or self._session.closed:
            self._proxy = proxy_for(self.config.api_url)
            self._session = open_session(
                self.config.api_url,
                request_timeout=self.config.request_timeout,
                connect_timeout=self.config.connect_timeout,
                json_serialize=_json.dumps,
            )
