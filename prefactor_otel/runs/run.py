"""One run (the API's *agent instance*): its identity and the items that open and close it."""

import platform
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.delivery.operation import FinishStatus, Item, Operation
from prefactor_otel.mapping import timestamp
from prefactor_otel.payload.encode import encode
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.span_types.schemas import schema_version
from prefactor_otel.spans.view import Attributes
from prefactor_otel.version import PACKAGE, __version__

DEFAULT_AGENT_VERSION: Final = "1.0.0"
MAX_REGISTRATIONS: Final = 64
"""Encoded registrations that are kept: they are large, and mostly the same."""

Members = dict[str, object]
"""Members of a JSON object."""


@dataclass(frozen=True, slots=True)
class About:
    """What is said of one run and not of every run of the process. ``name`` and ``description``
    are the agent version's."""

    name: str | None = None
    description: str | None = None
    purpose: str | None = None
    external_identifier: str | None = None


NOTHING_SAID: Final = About()


@dataclass(frozen=True, slots=True)
class Run:
    """A run's own key (32 hexadecimal characters from the system's randomness) and start."""

    key: str = field(default_factory=lambda: secrets.token_hex(16))
    started_ns: int = field(default_factory=time.time_ns)

    def opening(self, registration: bytes) -> list[Item]:
        """The items that register and start the run; ``registration`` from ``Registrations``."""
        return [
            Item(self.key, Operation.REGISTER, f"{self.key}-register", registration),
            _run_item(self.key, Operation.START, {"timestamp": timestamp(self.started_ns)}),
        ]

    def closing(self, status: FinishStatus, finished_ns: int) -> Item:
        """The item that finishes the run, not before it began, whatever the clock says."""
        return closing_item(self.key, status, max(self.started_ns, finished_ns))

    def quality(self, name: str, payload: object, number: int) -> Item:
        """The item that records one judgement of the run; None as ``payload`` takes it back."""
        key = f"{self.key[:24]}-quality-{number}"
        body = encode(_said({"name": name, "payload": payload}))[1:-1]
        return Item(self.key, Operation.QUALITY, key, body)


def schema_of(config: Config) -> dict[str, object]:
    """The ``agent_schema_version`` of a run with these settings."""
    return schema_version(
        config.quality_schemas or (),
        types=types_of(config),
        sensitive=bool(config.sensitive),
        data_risk=config.data_risk,
    )


class Registrations:
    """What the runs of one process say at their registration. What is the same for all of them,
    almost all of it, is encoded once."""

    def __init__(self, config: Config, mask: Masking | None = None) -> None:
        self._config = config
        self._mask = mask
        self._schema = b""
        self._known: dict[About, bytes] = {}

    def of(self, about: About, resource: Callable[[], Attributes]) -> bytes:
        """The members of a run's registration: one and the same for all of which the same is
        said. ``resource`` is asked for that of the process."""
        if about not in self._known:
            if len(self._known) == MAX_REGISTRATIONS:
                self._known.clear()
            self._known[about] = self._encoded(about, resource())
        return self._known[about]

    def _encoded(self, about: About, resource: Attributes) -> bytes:
        self._schema = self._schema or encode(schema_of(self._config))
        before, after = self._members(about, resource)
        return b'%b,"agent_schema_version":%b,%b' % (
            encode(before)[1:-1],
            self._schema,
            encode(after)[1:-1],
        )

    def _members(self, about: About, resource: Attributes) -> tuple[Members, Members]:
        """Those before the schemas and those after them."""
        config = self._config
        version = _agent_version(config, resource)
        version["name"] = about.name or version["name"]
        version["description"] = about.description or version["description"]
        before: Members = {
            "agent_id": config.agent_id,
            "environment_id": config.environment_id,
            "agent_version": version,
        }
        purpose = about.purpose or config.purpose
        after: Members = {
            "purpose": purpose,
            # A trial must not become what the deployment is said to run.
            "update_current_version": purpose == "live",
            "external_identifier": about.external_identifier,
        }
        if self._mask is not None:
            _mask(version, after, self._mask)
        return _said(before), _said(after)


def _mask(version: Members, registration: Members, mask: Masking) -> None:
    """Mask what the application says of the run; its own agent and environment are ids."""
    texts = ((version, "name"), (version, "external_identifier"), (version, "description"))
    for holder, name in (*texts, (registration, "external_identifier")):
        said = holder.get(name)
        if isinstance(said, str):
            holder[name] = mask.text(f"run.{name}", said, set())
    runtime = version["runtime_environment"]
    assert isinstance(runtime, dict)
    sdk = runtime["agent_sdk"]
    sdk[:] = [mask.text("run.agent_sdk", each, set()) for each in sdk]


def _said(members: Members) -> Members:
    """Those of which something is said: null is not what the API takes for the others."""
    return {name: value for name, value in members.items() if value is not None}


def closing_item(run: str, status: FinishStatus, finished_ns: int) -> Item:
    """The item that finishes the run of this key."""
    content: dict[str, object] = {"status": status, "timestamp": timestamp(finished_ns)}
    return _run_item(run, Operation.FINISH_RUN, content)


def _run_item(run: str, operation: Operation, content: dict[str, object]) -> Item:
    return Item(run, operation, f"{run}-{operation.value}", encode(content)[1:-1])


def _agent_version(config: Config, resource: Attributes) -> Members:
    environment = _text(resource, "deployment.environment.name")
    described = f"Deployment environment: {environment}" if environment else None
    return {
        "name": config.agent_name or _text(resource, "service.name") or "Agent",
        "external_identifier": config.agent_version
        or _text(resource, "service.version")
        or DEFAULT_AGENT_VERSION,
        "description": config.agent_description or described,
        "runtime_environment": {
            "agent_sdk": _agent_sdk(resource),
            "os": sys.platform,
            "prefactor_sdk": [f"{PACKAGE}@{__version__}"],
            "runtime": f"{sys.implementation.name}@{platform.python_version()}",
        },
    }


def _agent_sdk(resource: Attributes) -> list[str]:
    name = _text(resource, "telemetry.sdk.name") or "opentelemetry"
    return [f"{name}@{_text(resource, 'telemetry.sdk.version') or 'unknown'}"]


def _text(resource: Attributes, key: str) -> str | None:
    value = resource.get(key)
    return value if isinstance(value, str) and value else None
