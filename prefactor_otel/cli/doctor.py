"""``prefactor-otel doctor``: what is wrong, and what to do about it. Never prints the token."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, Literal

from rich.text import Text

from prefactor_http import HttpClientConfig, PrefactorAuthError, PrefactorHttpClient
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorHttpError,
    PrefactorValidationError,
)
from prefactor_otel.cli.probe import NAME, VERSION, Stored, differences, probe
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.cli.tree import digest, run_tree
from prefactor_otel.config import Config, load_config, option_rows, variable_of
from prefactor_otel.credential import read_token
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.run import schema_of
from prefactor_otel.version import PACKAGE, __version__

Outcome = Literal["ok", "warning", "failed"]
"""A warning is no failure: all may be well."""

_SIGNS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}

PIECE: Final = 6
"""So many characters of a token in a row tell something about it."""

_OURS: Final = "PREFACTOR_"
TROUBLE: Final = "The API has trouble of its own; try again in a minute."
_IDS: Final = (
    "With an account token set PREFACTOR_AGENT_ID and PREFACTOR_ENVIRONMENT_ID; "
    "with a deployment token leave both unset."
)
_SCHEMAS: Final = (
    "Correct what PREFACTOR_SPAN_TYPES, PREFACTOR_TOOL_SPAN_TYPES or PREFACTOR_QUALITY_SCHEMAS "
    "declare: a template that is not Liquid, most often."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was found, and what to do where it is not as it should be."""

    name: str
    outcome: Outcome
    found: str
    remedy: str = ""
    stored: Stored | None = None
    """The run of the probe, as the platform shows it."""


def run_doctor(*, as_json: bool, with_probe: bool) -> int:
    """Run every check that makes sense; the exit code is 0 when all are well."""
    checks = asyncio.run(_collect(with_probe))
    healthy = all(check.outcome != "failed" for check in checks)
    stored = next((check.stored for check in checks if check.stored is not None), None)
    if as_json:
        print(json.dumps(_as_json(checks, stored, healthy=healthy), indent=2))
    else:
        _show(checks, stored)
    return 0 if healthy else 1


async def _collect(with_probe: bool) -> list[Check]:
    checks: list[Check] = []
    secret = os.environ.get(variable_of("api_token"), "")
    async for check in _examine(with_probe):
        checks.append(replace(check, found=without(secret, check.found)))
        if check.outcome == "failed":
            break
    return checks


def without(secret: str, text: str) -> str:
    """The text without any piece of the secret, and without credentials in a URL: values from
    settings and answers may hold them by mistake."""
    text = re.sub(r"//[^/\s]*@", "//***@", text)
    pieces = (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1))
    for piece in pieces:
        text = text.replace(piece, "*" * PIECE)
    return text


async def _examine(with_probe: bool) -> AsyncIterator[Check]:
    if unread := _unread_variables():
        yield unread
    try:
        config = load_config()
    except PrefactorConfigError as error:
        yield Check("settings", "failed", str(error), "Correct the variable that is named.")
        return
    if config.api_token is None:
        yield Check(
            "settings",
            "failed",
            "PREFACTOR_API_TOKEN is not set",
            "Create an API token on the platform and set PREFACTOR_API_TOKEN to it. Without an "
            "account: prefactor-otel devserver serves the API on this machine, and says what to "
            "set.",
        )
        return
    yield Check("settings", "ok", f"API at {config.api_url}; a token is set")
    http = HttpClientConfig(
        config.api_url,
        read_token(config.api_token),
        request_timeout=10.0,
        connect_timeout=5.0,
        max_retries=0,
    )
    async with PrefactorHttpClient(http, f"{PACKAGE}@{__version__}") as client:
        ping = await _ping(client, config)
        for check in ping:
            yield check
        if all(check.outcome == "ok" for check in ping):
            yield await _register(client, config)
            if with_probe:
                yield await _probe(client)


def _unread_variables() -> Check | None:
    """The variables that look like settings and are none, with those that may be meant."""
    known = {f"PREFACTOR_{name.upper()}": variable for name, variable, *_ in option_rows()}
    known |= {variable: variable for variable in known.values()}
    unread = [
        name
        for name in sorted(os.environ)
        if name.upper().startswith(_OURS) and name.upper() not in {*known.values()}
    ]
    if not unread:
        return None
    meant = {name: known[near] for name in unread for near in _nearest(name, [*known])}
    remedy = "".join(f"Did you mean {near} in place of {name}? " for name, near in meant.items())
    return Check(
        "variables",
        "warning",
        f"nothing here reads {', '.join(unread)}",
        f"{remedy}Another tool of Prefactor may read what this package does not.",
    )


def _nearest(name: str, known: list[str]) -> list[str]:
    """The known name that is most like this one, if any is; what all begin with tells nothing."""
    ends = [each.removeprefix(_OURS) for each in known]
    found = get_close_matches(name.upper().removeprefix(_OURS), ends, n=1)
    return [_OURS + end for end in found]


async def _ping(client: PrefactorHttpClient, config: Config) -> list[Check]:
    reached = Check("reachability", "ok", "the API answers")
    try:
        await client.validate_token()
    except PrefactorAuthError as error:
        return [
            reached,
            Check(
                "token",
                "failed",
                f"the API refuses the token (HTTP {error.status_code})",
                "Check that PREFACTOR_API_TOKEN holds a whole, unexpired token of this platform.",
            ),
        ]
    except PrefactorHttpError as error:
        found = f"{config.api_url} does not answer like the Prefactor API"
        remedy = "Check PREFACTOR_API_URL; it is the address without a path."
        return [
            Check(
                "reachability",
                "failed",
                f"{found} (HTTP {error.status_code})",
                TROUBLE if error.retryable else remedy,
            )
        ]
    except Exception as error:
        return [
            Check(
                "reachability",
                "failed",
                f"{config.api_url} cannot be reached ({type(error).__name__})",
                "Check PREFACTOR_API_URL, the network, HTTPS_PROXY and private certificates.",
            )
        ]
    return [reached, Check("token", "ok", "the API accepts the token")]


async def _register(client: PrefactorHttpClient, config: Config) -> Check:
    """Register a run as the exporter would, marked as a smoke test, and cancel it."""
    try:
        instance = await client.agent_instances.register(
            agent_version={"name": NAME, "external_identifier": VERSION},
            agent_schema_version=schema_of(config),
            agent_id=config.agent_id,
            environment_id=config.environment_id,
            update_current_version=False,
            purpose="smoke_test",
        )
        await client.agent_instances.start(instance.id)
        await client.agent_instances.finish(instance.id, "cancelled")
    except PrefactorApiError as error:
        fields = ", ".join(error.errors) if isinstance(error, PrefactorValidationError) else ""
        return Check(
            "registration",
            "failed",
            f"a run cannot be registered (HTTP {error.status_code} {error.code}"
            + (f": {fields})" if fields else ")"),
            TROUBLE if error.retryable else _SCHEMAS if "agent_schema_version" in fields else _IDS,
        )
    except Exception as error:
        return Check(
            "registration",
            "failed",
            f"registering a run failed ({type(error).__name__})",
            "Try again; if it stays, the API does not answer as documented.",
        )
    return Check(
        "registration", "ok", f"a smoke-test run was registered and cancelled: {instance.id}"
    )


async def _probe(client: PrefactorHttpClient) -> Check:
    """Send a small run as an agent would, and compare what the platform has of it."""
    try:
        stored = await probe(client)
    except Exception as error:
        code = getattr(error, "status_code", None)
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


def _as_json(checks: list[Check], stored: Stored | None, *, healthy: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "healthy": healthy,
        "checks": [
            {"name": c.name, "outcome": c.outcome, "found": c.found, "remedy": c.remedy}
            for c in checks
        ],
    }
    if stored is not None:
        document["probe"] = {
            "run": {name: stored.run.get(name) for name in ("id", "status", "purpose")},
            "spans": [digest(span) for span in stored.spans],
        }
    return document


def _show(checks: list[Check], stored: Stored | None) -> None:
    console = new_console()
    for check in checks:
        line = Text.assemble(_SIGNS[check.outcome], f" {check.name}: {check.found}")
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"  {check.remedy}", "yellow"), soft_wrap=True)
    if stored is not None and stored.run:
        console.print(run_tree(stored.run, stored.spans), soft_wrap=True)
