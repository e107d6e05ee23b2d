"""Fixtures of the client's tests: everything goes over real sockets."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import which

import pytest

from prefactor_http import PrefactorHttpClient
from prefactor_otel_transport.environment import CA_VARIABLES
from tests.http.api import RecordingApi, serving

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

OPENSSL = (
    *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=a private authority"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies or authorities of the machine that runs the tests."""
    for variable in (*PROXY_VARIABLES, *CA_VARIABLES):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)


@pytest.fixture
async def api() -> AsyncIterator[RecordingApi]:
    async with serving(RecordingApi()) as running:
        yield running


@pytest.fixture
async def client(api: RecordingApi) -> AsyncIterator[PrefactorHttpClient]:
    async with PrefactorHttpClient(api.config()) as opened:
        yield opened


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of localhost, signed by nobody that this machine knows."""
    if which("openssl") is None:
        pytest.skip("making a private certificate needs the openssl command")
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [*OPENSSL, "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return cert, key
