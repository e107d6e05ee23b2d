"""``prefactor-otel doctor --gateway URL``: whether a sender of OTLP gets through to a gateway."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import aiohttp
import orjson
from opentelemetry.util.re import parse_env_headers

from prefactor_otel.cli.advice import without
from prefactor_otel.cli.checks import Check, told
from prefactor_otel.cli.tree import Row, object_of
from prefactor_otel_transport.addresses import check_url

HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""The variables in which a sender finds its headers: the first of them that is set."""
_PATIENCE: Final = aiohttp.ClientTimeout(total=10.0)
_NO_SPANS: Final = b'{"resourceSpans":[]}'
Judge = Callable[[str, int, bytes], Check]
"""What an answer of this status and body means, of a gateway at this address."""


def run_gateway_doctor(url: str, *, as_json: bool) -> int:
    """Do what a sender of OTLP does, with its headers and no spans; the exit code is 0 when the
    gateway takes that."""
    said = next(filter(None, map(os.environ.get, HEADERS)), "")
    headers = parse_env_headers(said, liberal=True)
    checks = asyncio.run(_examine(url.rstrip("/").removesuffix("/v1/traces"), headers))
    for header in headers.values():
        secret = header.rpartition(" ")[2]
        checks = [replace(check, found=without(secret, check.found)) for check in checks]
    return told(checks, as_json=as_json)


async def _examine(url: str, headers: Mapping[str, str]) -> list[Check]:
    """The first failure is the last check."""
    try:
        check_url(url)
    except ValueError as error:
        return [Check("address", "failed", f"it {error}", "Give it as http://host:4318.")]
    shown = {**headers, "Content-Type": "application/json"}
    steps: tuple[tuple[Judge, str, str, bytes | None, Mapping[str, str]], ...] = (
        (_reached, "GET", "/healthz", None, {}),
        (_ready, "GET", "/readyz", None, {}),
        (_taken, "POST", "/v1/traces", _NO_SPANS, shown),
    )
    checks: list[Check] = []
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        for judge, method, path, body, with_headers in steps:
            try:
                async with session.request(
                    method, url + path, data=body, headers=with_headers, allow_redirects=False
                ) as answer:
                    checks.append(judge(url, answer.status, await answer.read()))
            except (aiohttp.ClientError, TimeoutError) as error:
                checks.append(_unreached(url, error))
            if checks[-1].outcome == "failed":
                break
    return checks


def _unreached(url: str, error: Exception) -> Check:
    return Check(
        "reachability",
        "failed",
        f"{url} cannot be reached ({type(error).__name__})",
        "Start it with: prefactor-otel gateway. Check host, port and whatever lies in between; "
        "beyond this machine it listens only with --host.",
    )


def _reached(url: str, status: int, body: bytes) -> Check:
    if status == 200:
        return Check("reachability", "ok", f"a gateway answers at {url}")
    return Check(
        "reachability",
        "failed",
        f"{url} answers, and not as a gateway does (HTTP {status})",
        "Give the address without a path: the gateway's, not the Collector's or the API's.",
    )


def _ready(url: str, status: int, body: bytes) -> Check:
    if status == 200:
        return Check("readiness", "ok", "it is ready, and what it acknowledges is on disk")
    state = _told_in(body)
    why, remedy = next((_UNREADY[each] for each in _UNREADY if state.get(each)), _UNKNOWN)
    return Check("readiness", "warning", f"it is not ready (HTTP {status}): {why}", remedy)


_UNREADY: Final = {
    "ending": ("it is ending", "Senders keep what it refuses, and send it again."),
    "not_on_disk": (
        "it cannot write to its spool",
        "Its log says why; senders keep what it refuses, and send it again.",
    ),
    "token_refused": (
        "Prefactor refuses its token",
        "Set PREFACTOR_API_TOKEN anew and start it again; what it takes meanwhile waits on disk.",
    ),
}
"""By what it tells of itself: what that means, and what to do."""
_UNKNOWN: Final = "it does not say why", "See its log."


def _told_in(body: bytes) -> Row:
    """What a gateway tells of itself."""
    try:
        return object_of(orjson.loads(body))
    except ValueError:
        return {}


def _taken(url: str, status: int, body: bytes) -> Check:
    """Whether spans would be taken, as far as can be told without any."""
    if status == 200:
        return Check("spans", "ok", "it takes spans of a sender with these headers")
    remedy = _REMEDIES.get(status, "See its log.")
    return Check("spans", "failed", f"it refuses spans (HTTP {status})", remedy)


_REMEDIES: Final = {
    401: f"Set {HEADERS[1]}=Authorization=Bearer%20KEY to a key that the gateway knows, or to "
    "a token of Prefactor's.",
    429: "It has no room just now: its log says why. Senders keep what it refuses.",
}
"""What to do where spans are refused."""
