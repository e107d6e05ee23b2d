"""The settings of a gateway: a file in TOML, in which every key is declared here, and no other may
stand."""

import os
import stat
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticUndefined

from prefactor_otel.config.options import (
    Config,
    Options,
    load_config,
    nearest,
    reason_of,
    variable_of,
)
from prefactor_otel.config.token import usable_token
from prefactor_otel.errors import PrefactorConfigError, SpoolError
from prefactor_otel.spool import folder

DEFAULT_PORT: Final = 4318
"""That of OTLP over HTTP."""
_MEBI: Final = 2**20


def _secret(given: object) -> SecretStr:
    """A text, or the variable of the environment that holds it: ``{env = "NAME"}``."""
    if isinstance(given, SecretStr):
        return given
    if isinstance(given, dict) and [*given] == ["env"] and isinstance(given["env"], str):
        name = given["env"]
        given = os.environ.get(name)
        if not given:
            raise ValueError(f"the variable {name} is not set")
    return SecretStr(usable_token(given))


def _path(given: Path) -> Path:
    return given.expanduser().absolute()


Secret = Annotated[SecretStr, BeforeValidator(_secret)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Agent(_Table):
    """Whose runs these are, where neither a span's resource nor a header says so."""

    agent_name: str | None = Field(None, description="Name of the agent version.")
    agent_id: str | None = Field(None, description="Agent that the runs belong to.")


class Sender(_Table):
    """Somebody who may send."""

    key: Secret = Field(
        description="What the sender shows as `Authorization: Bearer KEY`: a text, or "
        '`{env = "NAME"}`.'
    )
    token: Secret | None = Field(
        None, description="Prefactor token for its spans, given alike. Default: the gateway's own."
    )


class Settings(_Table):
    """Every key of the file. The command line's arguments win over it."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        DEFAULT_PORT, ge=0, le=65_535, description="Port to listen on; 0: a free one."
    )
    spool_dir: Annotated[Path, AfterValidator(_path)] | None = Field(
        None,
        description="Folder in which what was acknowledged waits for the platform. Default: "
        "`prefactor-otel/gateway` in `$XDG_STATE_HOME`, or in `~/.local/state`.",
    )
    api_url: str | None = Field(
        None, description="Address of the Prefactor API. Default: `PREFACTOR_API_URL`."
    )
    token: Secret | None = Field(
        None,
        description='The gateway\'s own Prefactor token: a text, or `{env = "NAME"}`. '
        "Default: `PREFACTOR_API_TOKEN`.",
    )
    allow_anonymous: bool = Field(
        False, description="Let anybody who reaches the port send with the gateway's own token."
    )
    max_request_bytes: int = Field(
        32 * _MEBI, ge=1024, description="Largest body of a request, as it comes and inflated."
    )
    max_pending_bytes: int = Field(
        128 * _MEBI, ge=1024, description="Most bytes that bodies may take at a time, inflated."
    )
    log_wait: float = Field(
        2.0,
        ge=0,
        le=5,
        description="Longest time in seconds that ended spans wait for the log records that are "
        "to tell of them, where an instrumentation of the service has sent such.",
    )
    max_accounts: int = Field(
        64, ge=1, description="Most Prefactor tokens that are in use at a time."
    )
    options: dict[str, object] = Field(
        {},
        description="Any option of the exporter; wins over its variable. Where nothing "
        "else is said, `run_scope` is `trace` and `run_linger` 10 here.",
    )
    senders: dict[str, Sender] = Field(
        {}, description="Those who may send, by a name for logs and metrics. With any, nobody else."
    )
    services: dict[str, Agent] = Field(
        {}, description="Agents, by the `service.name` of the resource."
    )

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        keys = [sender.key.get_secret_value() for sender in self.senders.values()]
        if len(set(keys)) < len(keys):
            raise ValueError("two senders have the same key")
        return self

    @property
    def folder(self) -> Path:
        """Where what was acknowledged is."""
        if self.spool_dir is not None:
            return self.spool_dir
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        return Path(state).expanduser().absolute() / "prefactor-otel" / "gateway"

    def own_config(self) -> Config:
        """The options of every account, with the gateway's own token, if it has one. Raises
        ``PrefactorConfigError`` for an option that is none, or cannot be used."""
        if found := _OURS.intersection(self.options):
            raise PrefactorConfigError(f"{min(found)} of a gateway is not among its options")
        return load_config(self.api_url, self._own_token, **self.exporter_options)

    @property
    def exporter_options(self) -> Options:
        """What is said of them here, as far as ``own_config`` has found it usable."""
        unset = {k: v for k, v in _DEFAULTS.items() if not os.environ.get(variable_of(k))}
        return cast("Options", {**unset, **self.options, "spool_dir": self.folder})

    @property
    def own_token_from(self) -> str:
        """Where the gateway's own token comes from."""
        return "token of the configuration" if self.token is not None else "PREFACTOR_API_TOKEN"

    @property
    def idle_options(self) -> list[str]:
        """The options that somebody has set and that change nothing here: starts of spans are not
        seen, and the agents are in other processes."""
        given = {*self.options, *(o for o in _IDLE if os.environ.get(variable_of(o)))}
        return sorted(_IDLE & given)

    def prepare_folder(self) -> None:
        """Make the folder for what was acknowledged. Raises ``PrefactorConfigError`` where nothing
        can be kept in it: a gateway answers for what it has taken. A full disk is no such trouble:
        what is sent makes room."""
        try:
            folder.prepare(self.folder)
        except SpoolError as error:
            raise PrefactorConfigError(f"spool_dir cannot be used: {error}") from None
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PrefactorConfigError(f"spool_dir cannot be used: {self.folder} is not writable")

    @property
    def _own_token(self) -> str | None:
        return self.token.get_secret_value() if self.token is not None else None

    def check_exposure(self) -> None:
        """Raises ``PrefactorConfigError`` where anybody could send in our name."""
        if _is_loopback(self.host) or self.senders or self.allow_anonymous:
            return
        raise PrefactorConfigError(
            f"{self.host} can be reached from other machines, and nobody would have to show a key: "
            "name those who may send under [senders.NAME] in the configuration, or say "
            "--allow-anonymous where something in front of the gateway sees to that"
        )


_DEFAULTS: Final = {"run_scope": "trace", "run_linger": 10.0}
"""Of options of which nothing is said: a trace's spans come from several processes, each in its
time."""
_NO_KEY: Final = "extra_forbidden"
"""Pydantic's word for a key that is none."""
_IDLE: Final = frozenset({"on_terminate", "run_propagation", "export_timeout"})
"""Options of an exporter that have no meaning in a gateway."""
_OURS: Final = frozenset({"api_url", "api_token", "spool_dir", "handle_sigterm", "strict"})
"""Options of an exporter that a gateway decides upon."""


def load(path: Path | None, given: Mapping[str, object]) -> Settings:
    """The settings of a file, if any, and of the command line, where None is unset. Raises
    ``PrefactorConfigError``, which says what is wrong and quotes no value."""
    said = _read(path) if path is not None else {}
    said |= {name: value for name, value in given.items() if value is not None}
    problem = ""
    try:
        settings = Settings.model_validate(said)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        # A key that is needed is missing where it is misspelt.
        problem = _told(min(problems, key=lambda each: each["type"] != _NO_KEY))
    if problem:  # raised outside of the handler: the other error may hold a key
        raise PrefactorConfigError(f"{path}: {problem}" if path is not None else problem)
    if path is not None and _has_secrets(said):
        _check_mode(path)
    settings.check_exposure()
    return settings


def _told(problem: ErrorDetails) -> str:
    """What is wrong, and where. A key that is none is told with what it may have been meant to
    be."""
    *tables, last = (str(part) for part in problem["loc"] or ("",))
    where = ".".join((*tables, last))
    if problem["type"] == _NO_KEY:
        return f"{where}: there is no such key{nearest(last, _table_at(tables).model_fields)}"
    return f"{where + ': ' if where else ''}{reason_of(problem)}"


def _table_at(place: list[str]) -> type[_Table]:
    """What may stand in the table at a place of the file."""
    if not place:
        return Settings
    return Sender if place[0] == "senders" else Agent


def key_rows() -> list[tuple[str, str, str]]:
    """``(key, default, sentence)`` of every key, in order of declaration."""
    tables = (("", Settings), ("senders.NAME.", Sender), ("services.NAME.", Agent))
    return [
        (prefix + name, _default_text(field.get_default()), field.description or "")
        for prefix, table in tables
        for name, field in table.model_fields.items()
    ]


def _default_text(default: object) -> str:
    if default is PydanticUndefined:
        return "needed"
    return "unset" if default in (None, {}) else f"`{str(default).lower()}`"


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise PrefactorConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8"
    raise PrefactorConfigError(f"{path} is no TOML: {where}")


def _has_secrets(said: Mapping[str, object]) -> bool:
    """Whether a key or a token itself stands in the file."""
    senders = said.get("senders")
    tables = [said, *(senders.values() if isinstance(senders, dict) else ())]
    return any(
        isinstance(table, dict) and any(isinstance(table.get(name), str) for name in _SECRETS)
        for table in tables
    )


_SECRETS: Final = ("key", "token")


def _check_mode(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
        raise PrefactorConfigError(f"{path} holds keys and everybody may read it; chmod o= {path}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
