"""Addresses: which ones a request can be made to, and how an id becomes a part of one. No I/O."""

import ipaddress
import re
from typing import Final, TypeGuard
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_LABEL: Final = r"[a-z0-9_-]{1,63}"
_HOST: Final = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII | re.IGNORECASE)
_PATH: Final = re.compile(r"(?:/(?!\.\.?(?:/|$))(?:[\w\-.~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*)*")
_PORTS: Final = range(1, 65536)


def check_url(url: str) -> None:
    """Raises ``ValueError`` for what is no address of an API. It says what must be different, and
    never quotes the address, which may hold credentials by mistake."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not hold spaces or control characters")
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials; use api_token")
    if not parts.hostname:
        raise ValueError("must name a host")
    if not is_host(parts.hostname):
        raise ValueError("must name a host that can be looked up")
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise ValueError("must not hold a query or a fragment: paths are appended to it")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("must have no path, or one that can be requested")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port  # is parsed, and refused, on access
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if port is not None and port not in _PORTS:
        raise ValueError("must have a port from 1 to 65535")
    return parts


def is_host(host: str) -> bool:
    """Whether this can be the name or the address of a host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _HOST.fullmatch(_ascii(host)) is not None
    return True


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost")


def origin(location: str, base: str) -> str | None:
    """Scheme, host and port of an address that may be relative to another, without anything else
    that it may hold; None where it has no host."""
    try:
        parts = _split(urljoin(base, location))
    except ValueError:
        return None
    if not parts.hostname or not is_host(parts.hostname):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}"


def is_segment(id: object) -> TypeGuard[str]:
    """Whether this can be an id in a path: these few would change it, however they are escaped."""
    return isinstance(id, str) and id not in ("", ".", "..")


def segment(id: object) -> str:
    """An id as one segment of a path; what would end the segment is escaped. Raises ``ValueError``
    for an id that would be none."""
    text = str(id)  # callers also pass UUIDs and the like
    if not is_segment(text):
        raise ValueError(f"{text!r} cannot be an id: it would change the path")
    return quote(text, safe="")
