"""Every option, declared once: name, type, default, sentence, environment variable.

Precedence: argument, then environment variable, then default. An empty variable counts as unset.
The names of the variables are those of the other Prefactor SDKs where they have one.
"""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    PlainValidator,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from prefactor_otel.credential import TokenSource, usable_source
from prefactor_otel.errors import PrefactorConfigError

DEFAULT_API_URL = "https://app.prefactorai.com"

_CREDENTIALS = re.compile(r"//.*@")

Purpose = Literal["live", "smoke_test", "eval"]


def _usable_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as https://app.prefactorai.com")
    if parts.username or parts.password:
        raise ValueError("must not hold credentials; the token goes into api_token")
    return url.rstrip("/")


def _finite(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError("must be a finite number")
    return seconds


Seconds = Annotated[float, Field(gt=0), AfterValidator(_finite)]
Count = Annotated[int, Field(ge=1)]
Length = Annotated[int, Field(ge=0)]


class Config(BaseSettings):
    """The settings of one exporter or processor. ``repr`` hides the token."""

    model_config = SettingsConfigDict(
        env_prefix="PREFACTOR_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    api_url: Annotated[str, AfterValidator(_usable_url)] = Field(
        DEFAULT_API_URL, description="Address of the Prefactor API."
    )
    api_token: Annotated[SecretStr | TokenSource, PlainValidator(usable_source)] | None = Field(
        None,
        repr=False,  # a function may show what it holds
        description="API token. Without one the exporter says so once and stays off. "
        "The argument may also be a function that returns it: asked at the start and before "
        "every try after a refusal, so that a token can be renewed.",
    )
    agent_id: str | None = Field(
        None, description="Agent that the run belongs to. Leave out with a deployment token."
    )
    environment_id: str | None = Field(
        None, description="Environment of the run. Leave out with a deployment token."
    )
    agent_name: str | None = Field(
        None, description="Name of the agent version. Default: `service.name` of the resource."
    )
    agent_version: str | None = Field(
        None,
        validation_alias=AliasChoices("PREFACTOR_AGENT_IDENTIFIER", "agent_version"),
        description="Version of the agent (semver, commit, any string). "
        "Default: `service.version` of the resource, else `1.0.0`.",
    )
    agent_description: str | None = Field(
        None,
        description="Description of the agent version. "
        "Default: names `deployment.environment.name` of the resource.",
    )
    purpose: Purpose = Field("live", description="Why the run happens: live, smoke_test or eval.")
    capture_inputs: bool = Field(True, description="Send what went into models, tools and agents.")
    capture_outputs: bool = Field(
        True, description="Send what came out of models, tools and agents."
    )
    max_input_length: Length = Field(
        0, description="Longest text kept inside inputs, in characters. 0: no limit."
    )
    max_output_length: Length = Field(
        0, description="Longest text kept inside outputs, in characters. 0: no limit."
    )
    schedule_delay: Annotated[float, Field(ge=0), AfterValidator(_finite)] = Field(
        0.5, description="Longest time that a span waits for company before it is sent, in seconds."
    )
    max_batch_size: Annotated[int, Field(ge=1, le=10_000)] = Field(
        512, description="Most items in one bulk request."
    )
    max_request_bytes: Annotated[int, Field(ge=4096)] = Field(
        1024 * 1024, description="Largest body of one bulk request, in bytes."
    )
    max_queue_size: Count = Field(
        65_536, description="Most items that wait for the API; past it the oldest is dropped."
    )
    max_queue_bytes: Count = Field(
        40 * 1024 * 1024,
        description="Most bytes that wait for the API in memory; past it the oldest is dropped, "
        "or waits in the spool. By default the process grows by less than 64 MiB.",
    )
    spool_dir: Path | None = Field(
        None,
        description="Folder in which waiting spans outlive the process. Unset: memory only.",
    )
    spool_max_bytes: Annotated[int, Field(ge=1024 * 1024)] = Field(
        512 * 1024 * 1024, description="Most bytes in that folder; past it the oldest is dropped."
    )
    spool_max_age: Seconds = Field(
        86_400.0, description="How long the spool keeps a span that cannot be sent, in seconds."
    )
    parent_timeout: Seconds = Field(
        600.0,
        description="How long a finished span waits for its parent to end, in seconds, "
        "where span starts are not known.",
    )
    export_timeout: Seconds = Field(
        10.0, description="Longest time that `export()` waits for the API to answer, in seconds."
    )
    shutdown_timeout: Seconds = Field(
        5.0, description="Longest time that shutdown, and so process exit, may take, in seconds."
    )
    request_timeout: Seconds = Field(
        30.0, description="Longest time that one request to the API may take, in seconds."
    )
    probe_interval: Seconds = Field(
        60.0, description="Time between two tries with a token that the API refuses, in seconds."
    )
    handle_sigterm: bool = Field(
        False,
        description="Let SIGTERM end the process by SystemExit(143), so that what waits is "
        "delivered; an own handler of the application stays.",
    )
    strict: bool = Field(
        False, description="Raise at construction when settings are missing or unusable."
    )


class Options(TypedDict, total=False):
    """The same options as keyword arguments of the exporter, the processor and ``configure``."""

    agent_id: str | None
    environment_id: str | None
    agent_name: str | None
    agent_version: str | None
    agent_description: str | None
    purpose: Purpose | None
    capture_inputs: bool | None
    capture_outputs: bool | None
    max_input_length: int | None
    max_output_length: int | None
    schedule_delay: float | None
    max_batch_size: int | None
    max_request_bytes: int | None
    max_queue_size: int | None
    max_queue_bytes: int | None
    spool_dir: str | Path | None
    spool_max_bytes: int | None
    spool_max_age: float | None
    parent_timeout: float | None
    export_timeout: float | None
    shutdown_timeout: float | None
    request_timeout: float | None
    probe_interval: float | None
    handle_sigterm: bool | None
    strict: bool | None


def variable_of(option: str) -> str:
    """The environment variable of an option."""
    alias = Config.model_fields[option].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"PREFACTOR_{option.upper()}"


def load_config(
    api_url: str | None = None,
    api_token: str | TokenSource | None = None,
    **options: object,
) -> Config:
    """Read the settings; ``None`` means unset.

    Raises ``PrefactorConfigError`` naming option, variable and value (never a token) for a value
    that cannot be used, and for an option that does not exist.
    """
    given = {"api_url": api_url, "api_token": api_token, **options}
    arguments = {name: value for name, value in given.items() if value is not None}
    try:
        return Config(**cast("dict[str, Any]", arguments))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    located = [(str(problem["loc"][0]), problem["msg"]) for problem in problems]
    # Raised outside the handler: pydantic's error, the context otherwise, may hold a token.
    raise PrefactorConfigError(
        "; ".join(_explain_one(location, message, arguments) for location, message in located),
        from_arguments=any(location in arguments for location, _ in located),
    )


def _explain_one(location: str, message: str, arguments: dict[str, object]) -> str:
    option = _option_of(location)
    if option is None:
        return f"unknown option {location!r}; see prefactor_otel.config.Config for all of them"
    shown = _shown(option, _value_of(option, arguments))
    message = message.removeprefix("Value error, ")
    return f"option {option} (variable {variable_of(option)}) cannot be{shown}: {message}"


def _shown(option: str, value: object) -> str:
    """A value as a message may quote it: without what could be a secret in the wrong place."""
    if option == "api_token":
        return ""
    if option != "api_url" or not isinstance(value, str):
        return f" {value!r}"
    if "." not in value and ":" not in value:
        return " this text (not shown, for it looks like a token)"
    return f" {_CREDENTIALS.sub('//[credentials]@', value)!r}"


def _option_of(location: str) -> str | None:
    name = location.lower()
    if name in Config.model_fields:
        return name
    return next((o for o in Config.model_fields if variable_of(o).lower() == name), None)


def _value_of(option: str, arguments: dict[str, object]) -> object:
    return arguments.get(option, os.environ.get(variable_of(option)))


def option_rows() -> list[tuple[str, str, str, str, str]]:
    """``(name, variable, type, default, sentence)`` of every option, in order of declaration."""
    return [
        (
            name,
            variable_of(name),
            _type_name(name, field),
            _default_text(field),
            field.description or "",
        )
        for name, field in Config.model_fields.items()
    ]


def _type_name(name: str, field: FieldInfo) -> str:
    if name == "purpose":
        return "text"
    default = field.default
    if isinstance(default, bool):
        return "true/false"
    if isinstance(default, int):
        return "whole number"
    return "number" if isinstance(default, float) else "text"


def _default_text(field: FieldInfo) -> str:
    default = field.default
    if default is None:
        return "unset"
    return str(default).lower() if isinstance(default, bool) else str(default)
