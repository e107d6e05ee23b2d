"""Addresses: which ones a request can be made to, and how an id becomes a part of one. No I/O."""

import ipaddress
import re
from typing import Final, TypeGuard
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_LABEL: Final = r"[a-z0-9_-]{1,63}"
_HOST: Final = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?", re.ASCII | re.IGNORECASE)
_NUMBERS: Final = re.compile(r"[0-9.]+")
"""An address, or a short form of one (``127.1``), which aiohttp does not take."""
_PATH: Final = re.compile(r"(?:/(?!\.\.?(?:/|$))(?:[\w\-.~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*)*")
_NO_SEGMENT: Final = re.compile("[.]{0,2}|.*[\ud800-\udfff].*", re.DOTALL)
_NO_URL: Final = "must be a URL such as https://app.prefactorai.com"


def check_url(url: str) -> None:
    """Raises ``ValueError`` for what is no address of an API. It says what must be different, and
    never quotes the address, which may hold credentials by mistake."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("must not hold spaces or control characters")
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(_NO_URL)
    if "@" in parts.netloc:
        raise ValueError("must not hold credentials; the token goes into api_token")
    if not is_host(parts.hostname):
        raise ValueError("must name a host that can be looked up")
    if not _has_usable_port(parts):
        raise ValueError("must have a port from 1 to 65535, or none")
    if "?" in url or "#" in url:
        raise ValueError("must not hold a query or a fragment: paths are appended to it")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("must have a path that can be requested, or none")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(_NO_URL) from None


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0  # is parsed, and refused, on access
    except ValueError:
        return False


def is_host(host: str) -> bool:
    """Whether this can be the name or the address of a host."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name = _ascii(host)
        return _HOST.fullmatch(name) is not None and not _NUMBERS.fullmatch(name)
    return True


def _ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""


def is_exposed(url: str) -> bool:
    """Whether what is sent there leaves this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").split(".")[-1] == "localhost"  # RFC 6761, 6.3


def origin(location: str, base: str) -> str | None:
    """Scheme, host and port of an address that may be relative to another, without anything else
    that it may hold; None where it has no host."""
    try:
        parts = urlsplit(urljoin(base, location))
    except ValueError:
        return None
    if not parts.hostname or not is_host(parts.hostname) or not _has_usable_port(parts):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}"


def is_segment(id: object) -> TypeGuard[str]:
    """Whether this can be an id in a path: dots alone would change it, however they are escaped,
    and half a character cannot be written."""
    return isinstance(id, str) and not _NO_SEGMENT.fullmatch(id)


def segment(id: object) -> str:
    """An id as one segment of a path; what would end the segment is escaped. Raises ``ValueError``
    for an id that would be none."""
    text = str(id)  # callers also pass UUIDs and the like
    if not is_segment(text):
        raise ValueError(f"{text!r} cannot be an id: it would change the path")
    return quote(text, safe="")
