"""The API client as the exporter uses it: no retries of its own, and a name."""

from prefactor_http import HttpClientConfig, PrefactorHttpClient
from prefactor_otel.config import Config
from prefactor_otel.credential import UNREAD
from prefactor_otel.version import PACKAGE, __version__


def new_client(config: Config) -> PrefactorHttpClient:
    """A client for these settings, still without the token: whoever sends reads that first."""
    settings = HttpClientConfig(
        api_url=config.api_url,
        api_token=UNREAD,
        request_timeout=config.request_timeout,
        connect_timeout=min(10.0, config.request_timeout),
        max_retries=0,
    )
    return PrefactorHttpClient(settings, f"{PACKAGE}@{__version__}")
