"""The API client for the settings of an exporter."""

from prefactor_otel.api import ApiClient
from prefactor_otel.config import Config


def new_client(config: Config) -> ApiClient:
    """A client for these settings, still without the token: whoever sends reads that first."""
    return ApiClient(config.api_url, request_timeout=config.request_timeout)
