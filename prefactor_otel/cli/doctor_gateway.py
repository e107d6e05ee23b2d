"""``prefactor-otel doctor --gateway URL``: whether a sender of OTLP gets through to a gateway."""

import asyncio
import os
from collections.abc import Mapping
from typing import Final

import aiohttp
from opentelemetry.util.re import parse_env_headers

from prefactor_otel.cli.checks import Check, told, without
from prefactor_otel_transport.addresses import check_url

HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
"""The variables in which a sender finds its headers: the first of them that is set."""
_PATIENCE: Final = aiohttp.ClientTimeout(total=10.0)
_NO_SPANS: Final = b'{"resourceSpans":[]}'


def run_gateway_doctor(url: str, *, as_json: bool) -> int:
    """Do what a sender of OTLP does, with its headers and no spans; the exit code is 0 when the
    gateway takes that."""
    said = next(filter(None, map(os.environ.get, HEADERS)), "")
    headers = parse_env_headers(said, liberal=True)
    checks = asyncio.run(_examine(url.rstrip("/").removesuffix("/v1/traces"), headers))
    for secret in headers.values():
        checks = [_without(secret.rpartition(" ")[2], check) for check in checks]
    return told(checks, as_json=as_json)


def _without(secret: str, check: Check) -> Check:
    return Check(check.name, check.outcome, without(secret, check.found), check.remedy)


async def _examine(url: str, headers: Mapping[str, str]) -> list[Check]:
    """The first failure is the last check."""
    try:
        check_url(url)
    except ValueError as error:
        return [Check("address", "failed", f"it {error}", "Give it as http://host:4318.")]
    checks: list[Check] = []
    async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
        for examine in (_reached, _ready, _taken):
            try:
                checks.append(await examine(session, url, headers))
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


async def _reached(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> Check:
    async with session.get(f"{url}/healthz", allow_redirects=False) as answer:
        if answer.status == 200:
            return Check("reachability", "ok", f"a gateway answers at {url}")
        return Check(
            "reachability",
            "failed",
            f"{url} answers, and not as a gateway does (HTTP {answer.status})",
            "Give the address without a path: the gateway's, not the Collector's or the API's.",
        )


async def _ready(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> Check:
    async with session.get(f"{url}/readyz", allow_redirects=False) as answer:
        if answer.status == 200:
            return Check("readiness", "ok", "it is ready, and what it acknowledges is on disk")
        return Check(
            "readiness",
            "warning",
            f"it is not ready (HTTP {answer.status}): it is ending, or cannot write to its spool",
            "Its log says which; senders keep what it refuses, and send it again.",
        )


async def _taken(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> Check:
    """Spans would be taken, as far as can be told without any."""
    sent = {**headers, "Content-Type": "application/json"}
    async with session.post(
        f"{url}/v1/traces", data=_NO_SPANS, headers=sent, allow_redirects=False
    ) as answer:
        status = answer.status
    if status == 200:
        return Check("spans", "ok", "it takes spans of a sender with these headers")
    remedies = {
        401: f"Set {HEADERS[1]}=Authorization=Bearer%20KEY to a key that the gateway knows, or to "
        "a token of Prefactor's.",
        429: "It has no room just now: its log says why. Senders keep what it refuses.",
    }
    return Check(
        "spans", "failed", f"it refuses spans (HTTP {status})", remedies.get(status, "See its log.")
    )
