"""What the tests of servers share."""

from pathlib import Path

import pytest

from tests.http import environments

OURS = ("opentelemetry-sdk>=1.36", "aiohttp>=3.12", "tenacity>=9.0", "orjson>=3.10")
SETTINGS = ("pydantic>=2.9", "pydantic-settings>=2.10")
SERVERS = (
    "celery>=5.4",
    "fastapi>=0.115",
    "gevent>=24",
    "granian>=2",
    "gunicorn>=22",
    "hypercorn>=0.17",
    "uvicorn>=0.30",
    "opentelemetry-instrumentation-celery>=0.57b0",
    "opentelemetry-instrumentation-fastapi>=0.57b0",
    "opentelemetry-instrumentation-requests>=0.57b0",
    "requests>=2.32",
)


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the published servers. Those who use it are of one
    group, so that it is made once."""
    folder = tmp_path_factory.mktemp("servers") / "environment"
    return environments.make(folder, *OURS, *SETTINGS, *SERVERS)
