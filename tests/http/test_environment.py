"""Proxies and private certificate authorities, as the environment names them."""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prefactor_http import PrefactorHttpClient, PrefactorRetryExhaustedError
from prefactor_otel_transport.environment import CA_VARIABLES, Proxy, proxy_for
from tests.http.api import TOKEN, RecordingApi, serving


@pytest.fixture
async def proxy() -> AsyncIterator[RecordingApi]:
    """Plays a proxy: it answers whatever it is asked to fetch."""
    async with serving(RecordingApi()) as running:
        yield running


async def ping(api: RecordingApi, **config: int) -> None:
    async with PrefactorHttpClient(api.config(**config)) as client:
        await client.validate_token()


def basic(credentials: str) -> str:
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_proxy_of_the_environment_is_used(
    variable: str, api: RecordingApi, proxy: RecordingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    await ping(api)
    assert proxy.last.target == f"{api.url}/api/v1/ping"
    assert api.received == []


@pytest.mark.parametrize("exception", ["127.0.0.1", "*", "example.com, 127.0.0.1", "host:port"])
async def test_hosts_of_no_proxy_are_reached_directly(
    exception: str, api: RecordingApi, proxy: RecordingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", exception.replace("host:port", api.url.removeprefix("http://")))
    await ping(api)
    assert proxy.received == []
    assert len(api.received) == 1


async def test_a_proxy_gets_its_password_and_the_api_its_token(
    api: RecordingApi, proxy: RecordingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:p%40ss@"))
    await ping(api)
    assert proxy.last.headers["Proxy-Authorization"] == basic("me:p@ss")
    assert proxy.last.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://host:3128", Proxy("http://host:3128")),
        ("host:3128", Proxy("http://host:3128")),
        ("http://me@host", Proxy("http://host", basic("me:"))),
        ("http://me:pass@[::1]:1", Proxy("http://[::1]:1", basic("me:pass"))),
        ("http://host./", Proxy("http://host.")),
        ("socks5://host:1080", None),
        ("http://ho st:3128", None),
        ("ho st:3128", None),
        ("http://host:3128 ", None),
        ("http://host:3128\n", Proxy("http://host:3128")),
        ("http://host:99999", None),
        ("http://host:0", None),
        ("http://${PROXY}:3128", None),
        ("http://a..b:3128", None),
        ("http://[::1", None),
        ("http://:3128", None),
        ("", None),
    ],
)
def test_addresses_of_proxies(
    address: str, found: Proxy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert proxy_for("https://api.example.com") == found
    assert proxy_for("http://api.example.com") is None


@pytest.mark.parametrize("exception", ["::1", "[::1]", "[::1]:8000"])
def test_ipv6_hosts_of_no_proxy(exception: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://host:3128")
    monkeypatch.setenv("NO_PROXY", exception)
    assert proxy_for("http://[::1]:8000") is None
    assert proxy_for("http://[::2]:8000") is not None


def test_the_password_of_a_proxy_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@host")
    shown = repr(proxy_for("https://api.example.com"))
    assert "host" in shown
    assert not any(secret in shown for secret in ("hush", basic("me:hush")))
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:hush@host")
    assert proxy_for("https://api.example.com") is None
    assert "The proxy that HTTPS_PROXY names is ignored" in caplog.text
    assert "hush" not in caplog.text


async def test_a_password_in_netrc_does_not_collide_with_the_token(
    api: RecordingApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hush\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    await ping(api)
    assert api.last.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.fixture
async def secure(certificate: tuple[Path, Path]) -> AsyncIterator[RecordingApi]:
    """The API behind a certificate of a private authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with serving(RecordingApi(), context) as running:
        yield running


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
async def test_an_authority_in_a_file_is_trusted(
    variable: str,
    secure: RecordingApi,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(certificate[0]))
    await ping(secure)
    assert len(secure.received) == 1


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
async def test_an_authority_in_a_directory_is_trusted(
    variable: str,
    secure: RecordingApi,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *("openssl", "x509", "-hash", "-noout", "-in", str(certificate[0])),
        stdout=asyncio.subprocess.PIPE,
    )
    name, _ = await process.communicate()
    (tmp_path / f"{name.decode().strip()}.0").write_bytes(certificate[0].read_bytes())
    monkeypatch.setenv(variable, str(tmp_path))
    await ping(secure)
    assert len(secure.received) == 1


async def test_an_unknown_authority_is_refused_with_the_host_and_the_way_out(
    secure: RecordingApi,
) -> None:
    with pytest.raises(PrefactorRetryExhaustedError) as caught:
        await ping(secure, max_retries=1)
    message = str(caught.value.last_error)
    assert f"The certificate of {secure.url.removeprefix('https://')} is not trusted" in message
    assert all(variable in message for variable in CA_VARIABLES)
    assert secure.received == []


@pytest.mark.parametrize("variable", CA_VARIABLES)
@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_bundle_that_cannot_be_used_is_told_and_left_out(
    variable: str,
    content: str | None,
    secure: RecordingApi,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    other = "CURL_CA_BUNDLE" if variable != "CURL_CA_BUNDLE" else "REQUESTS_CA_BUNDLE"
    monkeypatch.setenv(variable, str(path))
    monkeypatch.setenv(other, str(certificate[0]))
    with caplog.at_level(logging.WARNING, "prefactor_otel.transport"):
        await ping(secure)
    assert f"{variable} names {path}" in caplog.text


class Tunnel:
    """A proxy that does CONNECT and notes for whom."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.targets: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        self.targets.append(head.split()[1].decode())
        host, _, port = self.targets[-1].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def test_https_goes_through_the_tunnel_of_a_proxy(
    secure: RecordingApi, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tunnel = Tunnel()
    server = await asyncio.start_server(tunnel.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hush@127.0.0.1:{port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with server:
        await ping(secure)
    assert tunnel.targets == [secure.url.removeprefix("https://")]
    assert f"Proxy-Authorization: {basic('me:hush')}" in tunnel.heads[0]
    assert TOKEN not in tunnel.heads[0]
    assert "Proxy-Authorization" not in secure.last.headers
    assert secure.last.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_proxy_that_cannot_be_reached_is_named_without_its_password(
    api: RecordingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:hush@127.0.0.1:1")
    with pytest.raises(PrefactorRetryExhaustedError) as caught:
        await ping(api, max_retries=1)
    shown = f"{caught.value.last_error} {caught.value.last_error!r}"
    assert "127.0.0.1" in shown
    assert "hush" not in shown
