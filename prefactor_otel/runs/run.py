"""One run (the API's *agent instance*): its identity and the items that open and close it."""

import platform
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.delivery.continuing import join_item
from prefactor_otel.delivery.operation import (
    NAME,
    Around,
    FinishStatus,
    Item,
    Operation,
    digest_of,
    name_of,
    new_key,
)
from prefactor_otel.mapping import timestamp
from prefactor_otel.payload.encode import encode
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.naming import UNNAMED, Named, named_by
from prefactor_otel.span_types.schemas import schema_version
from prefactor_otel.spans.view import Attributes
from prefactor_otel.version import PACKAGE, __version__

DEFAULT_AGENT_VERSION: Final = "1.0.0"
MAX_REGISTRATIONS: Final = 64
"""Encoded registrations that are kept: they are mostly the same."""

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
    agent: Named = UNNAMED
    """Whose it is."""


NOTHING_SAID: Final = About()


@dataclass(frozen=True, slots=True)
class Run:
    """A run's own key and start. The key is 32 hexadecimal characters (``new_key``); where others
    may have a part in it, 32 that name it for all of them and some more of this part
    (``shared_key``); where it is a part of another's, a ``continuing_key``."""

    key: str = field(default_factory=new_key)
    started_ns: int = field(default_factory=time.time_ns)

    def opening(self, registration: bytes, continues: str | None = None) -> list[Item]:
        """The items that register and start the run, ``registration`` from ``Registrations``, if it
        is not a part of the instance that it ``continues``."""
        return [
            *([join_item(self.key, continues)] if continues is not None else []),
            Item(self.key, Operation.REGISTER, f"{name_of(self.key)}-register", registration),
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


def shared_name(*origin: str) -> str:
    """What names a run for everybody who sees a part of it: it follows from where it comes from."""
    return digest_of(*origin, size=NAME // 2)


def shared_key(name: str) -> str:
    """A key for this process's part in the run of this name. Registrations under it are one to the
    API; what begins or ends it is this process's own."""
    return f"{name}-{secrets.token_hex(4)}"


def schema_of(config: Config) -> dict[str, object]:
    """The ``agent_schema_version`` of a run with these settings."""
    return schema_version(
        config.quality_schemas or (),
        types=types_of(config),
        sensitive=bool(config.sensitive),
        data_risk=config.data_risk,
    )


class Facts(NamedTuple):
    """What a resource says of what the spans come from, as far as it is registered."""

    agent: Named
    service: str | None
    version: str | None
    environment: str | None
    agent_sdk: str
    os: str | None
    runtime: str | None


def facts_of(resource: Attributes, *, is_ours: bool) -> Facts:
    """What is known of this process, where the resource ``is_ours``, or of another."""
    name = _text(resource, "telemetry.sdk.name") or "opentelemetry"
    version = _text(resource, "telemetry.sdk.version") or "unknown"
    return Facts(
        named_by(resource),
        _text(resource, "service.name"),
        _text(resource, "service.version"),
        _text(resource, "deployment.environment.name"),
        f"{name}@{version}",
        sys.platform if is_ours else _text(resource, "os.type"),
        _own_runtime() if is_ours else _runtime(resource),
    )


def _own_runtime() -> str:
    return f"{sys.implementation.name}@{platform.python_version()}"


def _runtime(resource: Attributes) -> str | None:
    name = _text(resource, "process.runtime.name") or _text(resource, "telemetry.sdk.language")
    version = _text(resource, "process.runtime.version")
    return f"{name}@{version}" if name and version else name


class Registrations:
    """What the runs of one agent say at their registration. What is the same for all of them,
    almost all of it, is encoded once."""

    def __init__(
        self,
        config: Config,
        mask: Masking | None = None,
        schema: Callable[[], bytes] | None = None,
    ) -> None:
        self._config = config
        self._mask = mask
        self.schema = schema or cache(lambda: encode(schema_of(config)))
        """The encoded ``agent_schema_version``: large, and mostly the same for all agents."""
        self._known: dict[tuple[About, Facts], Around] = {}

    def of(self, about: About, facts: Facts) -> Around:
        """The members of a run's registration: one and the same for all of which the same is
        said and known, and around the same schemas for all others."""
        found = self._known.get((about, facts))
        if found is None:
            if len(self._known) == MAX_REGISTRATIONS:
                self._known.clear()
            found = self._known[about, facts] = self._encoded(about, facts)
        return found

    def _encoded(self, about: About, facts: Facts) -> Around:
        before, after = self._members(about, facts)
        return Around.of(
            b'%b,"agent_schema_version":' % encode(before)[1:-1],
            self.schema(),
            b",%b" % encode(after)[1:-1],
        )

    def _members(self, about: About, facts: Facts) -> tuple[Members, Members]:
        """Those before the schemas and those after them."""
        config = self._config
        version = _agent_version(config, facts)
        version["name"] = about.name or version["name"]
        version["description"] = about.description or version["description"]
        before: Members = {
            "agent_id": config.agent_id or facts.agent.id,
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


def _agent_version(config: Config, facts: Facts) -> Members:
    environment = facts.environment
    described = f"Deployment environment: {environment}" if environment else None
    return {
        "name": config.agent_name or facts.agent.name or facts.service or "Agent",
        "external_identifier": config.agent_version or facts.version or DEFAULT_AGENT_VERSION,
        "description": config.agent_description or described,
        "runtime_environment": _said(
            {
                "agent_sdk": [facts.agent_sdk],
                "os": facts.os,
                "prefactor_sdk": [f"{PACKAGE}@{__version__}"],
                "runtime": facts.runtime,
            }
        ),
    }


def _text(resource: Attributes, key: str) -> str | None:
    value = resource.get(key)
    return value if isinstance(value, str) and value else None
