"""The client's settings, checked before any I/O."""

import math
from dataclasses import dataclass, field

from prefactor_otel_transport.addresses import check_url

DEFAULT_RETRY_STATUS_CODES = (429, 500, 502, 503, 504)


@dataclass
class HttpClientConfig:
    """Where and how to reach the API. Times in seconds. The token is left out of ``repr``.

    ``request_timeout`` bounds one attempt. With the default ``retry_on_status_codes`` every 429
    and every status from 500 up is retried, as the published client does; any other value is
    taken literally. ``default_idempotency_key`` is accepted for compatibility and never sent:
    one key for all operations would make the API answer each with the result of the first.

    Raises ``ValueError`` for a value that cannot work.
    """

    api_url: str
    api_token: str = field(repr=False)
    request_timeout: float = 30.0
    connect_timeout: float = 10.0
    max_retries: int = 3
    initial_retry_delay: float = 1.0
    max_retry_delay: float = 60.0
    retry_multiplier: float = 2.0
    retry_on_status_codes: tuple[int, ...] = DEFAULT_RETRY_STATUS_CODES
    default_idempotency_key: str | None = None

    def __post_init__(self) -> None:
        if not self.api_url:
            raise ValueError("api_url is required")
        if not self.api_token:
            raise ValueError("api_token is required")
        _check_positive("request_timeout", self.request_timeout)
        _check_positive("connect_timeout", self.connect_timeout)
        if self.max_retries < 0:
            raise ValueError("max_retries must be non-negative")
        _check_positive("initial_retry_delay", self.initial_retry_delay)
        _check_positive("max_retry_delay", self.max_retry_delay)
        if self.initial_retry_delay > self.max_retry_delay:
            raise ValueError("initial_retry_delay must be <= max_retry_delay")
        if not self.retry_multiplier >= 1:  # so that NaN fails as well
            raise ValueError("retry_multiplier must be >= 1")
        _check_url(self.api_url)
        if not self.api_token.isprintable():
            raise ValueError("api_token must not hold line breaks or control characters")


def _check_positive(name: str, seconds: float) -> None:
    if not math.isfinite(seconds):
        raise ValueError(f"{name} must be a finite number of seconds")
    if seconds <= 0:
        raise ValueError(f"{name} must be positive")


def _check_url(url: str) -> None:
    try:
        check_url(url)
    except ValueError as problem:
        raise ValueError(f"api_url {problem}") from None
