"""What the process environment says about the way to a host: proxies and authorities.

aiohttp could read it (``trust_env``), but does so in a thread, which cannot be had while the
interpreter shuts down, and takes passwords from ``~/.netrc``, which collide with the token.
"""

import logging
import os
import ssl
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from prefactor_otel_transport.addresses import is_host

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that may name certificate authorities, as files or directories."""

logger = logging.getLogger("prefactor_otel.transport")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``authorization`` is the value of the ``Proxy-Authorization`` header; it is
    kept apart from the URL, which errors of the network show."""

    url: str
    authorization: str | None = field(default=None, repr=False)


def proxy_for(url: str) -> Proxy | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` or ``ALL_PROXY`` name for a URL, unless
    ``NO_PROXY`` excepts its host. Lower-case names count as well."""
    target = urlsplit(url)
    proxies = getproxies_environment()
    name = target.scheme if proxies.get(target.scheme) else "all"
    address = proxies.get(name)
    if not address or proxy_bypass(target.netloc) or proxy_bypass(target.hostname or ""):
        return None
    return _parse(address, f"{name.upper()}_PROXY")


def _parse(address: str, variable: str) -> Proxy | None:
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        is_web = parts.scheme in ("http", "https")
        is_usable = is_web and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:  # it would quote the address, and with that perhaps a password
        is_usable = False
    if not is_usable:
        logger.warning(
            "The proxy that %s names is ignored: its address is not that of an HTTP proxy, such as "
            "http://proxy.example:3128",
            variable,
        )
        return None
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if not parts.username:
        return Proxy(url)
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(url, f"Basic {b64encode(credentials.encode()).decode()}")


def tls_context() -> ssl.SSLContext:
    """The system's certificate authorities and those that the environment names. Files are read
    once for each value of the variables."""
    return _tls_context(tuple(os.environ.get(variable, "") for variable in CA_VARIABLES))


@lru_cache(maxsize=4)  # some 50 ms of reading, which a client per request should not repeat
def _tls_context(values: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    for variable, value in zip(CA_VARIABLES, values, strict=True):
        for path in filter(None, value.split(os.pathsep)):
            _trust(context, variable, Path(path))
    return context


def _trust(context: ssl.SSLContext, variable: str, path: Path) -> None:
    """A path that cannot be read is no reason to refuse work: it may belong to another tool."""
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        logger.warning("%s names %s, which cannot be used: %s", variable, path, error)
