"""``prefactor-otel doctor``: what is wrong, and what to do about it. Never prints the token."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

import orjson

from prefactor_otel.cli.advice import (
    ADDRESS,
    CORRECT,
    GET_TOKEN,
    NO_TOKEN,
    REACH,
    REDIRECT,
    TROUBLE,
    WHOLE_TOKEN,
    without,
)
from prefactor_otel.cli.checks import Check, told
from prefactor_otel.cli.installed import RESTORE, installed_client
from prefactor_otel.cli.probe import NAME, VERSION, differences, probe
from prefactor_otel.config.options import Config, config_of_tenant, load_config, variable_of
from prefactor_otel.config.token import read_token
from prefactor_otel.config.unread import unread_variables
from prefactor_otel.delivery.client import ApiClient, ApiError
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.payload.encode import encode
from prefactor_otel.runs.run import schema_of
from prefactor_otel_transport.addresses import is_exposed, segment

_PATIENCE: Final = 10.0
"""Seconds that one request may take."""
_REFUSED: Final = (400, 409, 422)
"""How the API may say that something cannot have a status."""

_IDS: Final = (
    "With an account token set PREFACTOR_AGENT_ID and PREFACTOR_ENVIRONMENT_ID; "
    "with a deployment token leave both unset."
)
_SCHEMAS: Final = (
    "Correct what PREFACTOR_SPAN_TYPES, PREFACTOR_TOOL_SPAN_TYPES or PREFACTOR_QUALITY_SCHEMAS "
    "declare: a template that is not Liquid, most often."
)


def run_doctor(*, as_json: bool, with_probe: bool) -> int:
    """Run every check that makes sense; the exit code is 0 when all are well."""
    return told(asyncio.run(_collect(with_probe)), as_json=as_json)


async def _collect(with_probe: bool) -> list[Check]:
    checks: list[Check] = []
    secret = os.environ.get(variable_of("api_token"), "")
    async for check in _examine(with_probe):
        checks.append(replace(check, found=without(secret, check.found)))
        if check.outcome == "failed":
            break
    return checks


async def _examine(with_probe: bool) -> AsyncIterator[Check]:
    if unread := _unread_variables():
        yield unread
    yield _client()
    try:
        config = load_config()
    except PrefactorConfigError as error:
        yield Check("settings", "failed", str(error), CORRECT)
        return
    if config.api_token is None:
        yield Check("settings", "failed", NO_TOKEN, GET_TOKEN)
        return
    yield Check("settings", "ok", f"API at {config.api_url}; a token is set")
    if is_exposed(config.api_url):
        yield Check(
            "encryption",
            "warning",
            f"the token and all spans go to {urlsplit(config.api_url).hostname} unencrypted",
            "Everybody on the way can read them: let PREFACTOR_API_URL begin with https://.",
        )
    token = read_token(config.api_token)
    async with ApiClient(config.api_url, request_timeout=_PATIENCE, token=token) as client:
        ping = await _ping(client, config)
        for check in ping:
            yield check
        if all(check.outcome == "ok" for check in ping):
            yield await _register(client, config)
            for name in config.tenants or ():
                check = await _register(client, config_of_tenant(config, name))
                yield replace(check, name=f"registration of {name!r}")
            if with_probe:
                yield await _probe(client)
                yield await _cancellation(client, config)


def _client() -> Check:
    try:
        return Check("client", "ok", f"prefactor_http is {installed_client()}")
    except ImportError as error:
        return Check(
            "client",
            "warning",
            f"prefactor_http cannot be imported ({error}); the exporter does without it",
            f"Another package has taken it away or broken it. To use it: {RESTORE}",
        )


def _unread_variables() -> Check | None:
    """The variables that look like settings and are none, with those that may be meant."""
    unread = unread_variables()
    if not unread:
        return None
    meant = {name: near for name, near in unread.items() if near is not None}
    remedy = "".join(f"Did you mean {near} in place of {name}? " for name, near in meant.items())
    return Check(
        "variables",
        "warning",
        f"nothing here reads {', '.join(unread)}",
        f"{remedy}Another tool of Prefactor may read what this package does not.",
    )


async def _ping(client: ApiClient, config: Config) -> list[Check]:
    reached = Check("reachability", "ok", "the API answers")
    try:
        await client.get("/ping")
    except ApiError as error:
        if error.status not in (401, 403):
            return [_stranger(error, config)]
        return [
            reached,
            Check(
                "token",
                "failed",
                f"the API refuses the token (HTTP {error.status})",
                WHOLE_TOKEN,
            ),
        ]
    except Exception as error:
        return [
            Check(
                "reachability",
                "failed",
                f"{config.api_url} cannot be reached ({type(error).__name__})",
                REACH,
            )
        ]
    return [reached, Check("token", "ok", "the API accepts the token")]


def _stranger(error: ApiError, config: Config) -> Check:
    """Somebody answers, and not as the API does."""
    found = f"{config.api_url} does not answer like the Prefactor API (HTTP {error.status})"
    remedy = ADDRESS
    if error.redirect is not None:
        found = f"{config.api_url} redirects to {error.redirect} (HTTP {error.status})"
        remedy = REDIRECT
    return Check("reachability", "failed", found, TROUBLE if _passes(error) else remedy)


def _passes(error: ApiError) -> bool:
    return error.status == 429 or error.status >= 500


async def _register(client: ApiClient, config: Config) -> Check:
    """Register a run as the exporter would, marked as a smoke test, and cancel it before it has
    begun, which is what the platform calls cancelled."""
    try:
        run_id = await _registered(client, config)
        await _finish(client, run_id, "cancelled")
    except ApiError as error:
        if error.redirect is not None:
            return _stranger(error, config)
        fields = ", ".join(error.errors)
        return Check(
            "registration",
            "failed",
            f"a run cannot be registered (HTTP {error.status} {error.code}"
            + (f": {fields})" if fields else ")"),
            TROUBLE if _passes(error) else _SCHEMAS if "agent_schema_version" in fields else _IDS,
        )
    except Exception as error:
        return Check(
            "registration",
            "failed",
            f"registering a run failed ({type(error).__name__})",
            "Try again; if it stays, the API does not answer as documented.",
        )
    return Check("registration", "ok", f"a smoke-test run was registered and cancelled: {run_id}")


def _registration(config: Config) -> bytes:
    account = {"agent_id": config.agent_id, "environment_id": config.environment_id}
    return encode(
        {name: id for name, id in account.items() if id is not None}
        | {
            "agent_version": {"name": NAME, "external_identifier": VERSION},
            "agent_schema_version": schema_of(config),
            "update_current_version": False,
            "purpose": "smoke_test",
        }
    )


async def _registered(client: ApiClient, config: Config) -> object:
    return _id_in(await client.post("/agent_instance/register", _registration(config)))


async def _finish(client: ApiClient, run_id: object, status: FinishStatus) -> None:
    body = orjson.dumps({"status": status})
    await client.post(f"/agent_instance/{segment(run_id)}/finish", body)


async def _cancellation(client: ApiClient, config: Config) -> Check:
    """Whether the platform lets a run be cancelled that has begun: its documents differ."""
    try:
        run_id = await _registered(client, config)
        await client.post(f"/agent_instance/{segment(run_id)}/start", b"{}")
        try:
            await _finish(client, run_id, "cancelled")
        except ApiError as error:
            if error.status not in _REFUSED:
                raise
            await _finish(client, run_id, "failed")
            found = "only what never began may be cancelled: cancelled runs and spans arrive as "
            found += "failed, with the error type Cancelled"
            return Check("cancellation", "ok", f"{found} (HTTP {error.status} {error.code})")
    except Exception as error:
        why = str(error) if isinstance(error, ApiError) else type(error).__name__
        found = f"a run that has begun cannot be ended ({why})"
        return Check("cancellation", "failed", found, f"Look for a run of {NAME!r} that is open.")
    found = "what has begun may be cancelled: cancelled runs and spans arrive as cancelled"
    return Check("cancellation", "ok", found)


def _id_in(answer: Mapping[str, object]) -> object:
    """The id of the run that an answer is about. Raises ``LookupError`` where it has none."""
    details = answer.get("details")
    if not isinstance(details, dict):
        raise LookupError("an answer without details")
    return details["id"]


async def _probe(client: ApiClient) -> Check:
    """Send a small run as an agent would, and compare what the platform has of it."""
    try:
        stored = await probe(client)
    except Exception as error:
        code = getattr(error, "status", None)
        return Check(
            "probe",
            "failed",
            f"a run was sent and cannot be read back ({type(error).__name__}"
            + (f", HTTP {code})" if code is not None else ")"),
            "Sending may work all the same: the token may not be allowed to read. Look for a run "
            f"of {NAME!r} on the platform.",
        )
    wrong = differences(stored)
    if wrong:
        remedy = f"Last trouble: {stored.stats.last_error}." if stored.stats.last_error else TROUBLE
        return Check("probe", "failed", "; ".join(wrong), remedy, stored)
    found = f"a smoke-test run of {len(stored.spans)} spans was sent and read back"
    return Check("probe", "ok", found, stored=stored)
