"""Every option, declared once: name, type, default, sentence, environment variable.

Precedence: argument, then environment variable, then default. An empty variable counts as unset.
The names of the variables are those of the other Prefactor SDKs where they have one.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypedDict, TypeVar, get_args

import orjson

# What checks pydantic's models, without the models: to import those takes longer than all of this
# package, in every process that is traced.
from pydantic_core import CoreSchema, ErrorDetails, SchemaValidator, ValidationError
from pydantic_core import core_schema as check

from prefactor_otel.config.token import TokenSource, usable_source
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.host.termination import OnTerminate, usable_reaction
from prefactor_otel.privacy.masking import Mask
from prefactor_otel.privacy.patterns import NAMED
from prefactor_otel.privacy.sensitivity import Rule
from prefactor_otel.privacy.switches import captured_by
from prefactor_otel.span_types.data_risk import Risk, checked
from prefactor_otel.span_types.declared import (
    Parts,
    SpanTypes,
    TypeOptions,
    span_types,
    usable_prefix,
    usable_tools,
    usable_types,
)
from prefactor_otel.span_types.span_filter import ALL, SpanFilter, usable_filter
from prefactor_otel_transport.addresses import check_url

DEFAULT_API_URL = "https://app.prefactorai.com"

_CREDENTIALS: Final = re.compile(r"//.*@")
_QUERY: Final = re.compile(r"[?#].*", re.DOTALL)

_LONGEST_SHOWN: Final = 200
"""Characters of a value that a message quotes: a schema may have thousands."""

_PLACES: Final = ("inputs", "outputs", "error", "metadata")
"""The parts of a payload that may hold sensitive values."""

Purpose = Literal["live", "smoke_test", "eval"]
RunScope = Literal["provider", "trace", "session"]
Keep = Literal["all", "errors"]
T = TypeVar("T")


def _usable_url(url: str) -> str:
    check_url(url)
    return url.rstrip("/").removesuffix("/api/v1")  # other clients want it with the prefix


def _finite(seconds: float) -> float:
    if not math.isfinite(seconds):
        raise ValueError("must be a finite number")
    return seconds


def _path(value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError("must be a path")
    try:  # now: an application may change its directory later
        return Path(value).expanduser().absolute()
    except (OSError, RuntimeError):
        raise ValueError("has no folder to begin from: give a path that begins with /") from None


def _schemas(given: object) -> tuple[dict[str, object], ...]:
    try:
        found = orjson.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise ValueError("must be a JSON array") from None
    if not isinstance(found, (list, tuple)) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and "schema" in each
        for each in found
    ):
        raise ValueError("must be a list of objects with a name and a schema")
    return tuple(found)


def _masks(given: object) -> tuple[Mask, ...]:
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",") if name.strip()]
        if not given:
            raise ValueError("must name a mask; leave it out for none")
    made = given if isinstance(given, (list, tuple)) else [given]
    return tuple(_mask(each) for each in made)


def _mask(given: object) -> Mask:
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    if not isinstance(given, str) and callable(given):
        return given
    raise ValueError(f"must be functions (path, text) -> text, or among {', '.join(NAMED)}")


def _sensitive(given: object) -> tuple[Rule, ...]:
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = orjson.loads(given)
        except ValueError:
            raise ValueError("must be paths with commas between, or a JSON object") from None
    if isinstance(given, str):
        given = [path.strip() for path in given.split(",") if path.strip()]
    labels = given if isinstance(given, Mapping) else {}
    if not isinstance(given, (list, tuple, Mapping)) or not all(
        isinstance(path, str) and _is_place(path) for path in given
    ):
        raise ValueError(
            f"must be paths that begin with {', '.join(_PLACES)}, or among {', '.join(NAMED)}"
        )
    return tuple(Rule(path, _labels(labels.get(path, ()))) for path in given)


def _is_place(path: str) -> bool:
    return path in NAMED or path.split(".")[0] in _PLACES


def _labels(given: object) -> tuple[str, ...]:
    labels = [given] if isinstance(given, str) else given
    if not isinstance(labels, (list, tuple)) or not all(isinstance(each, str) for each in labels):
        raise ValueError("must give a label or a list of labels for each path")
    return tuple(labels)


def _data_risk(given: object) -> dict[str, Risk]:
    try:
        found = orjson.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise ValueError("must be a JSON object") from None
    return checked(found)


def _tenants(given: object) -> dict[str, dict[str, object]]:
    try:
        found = orjson.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise ValueError("must be a JSON object") from None
    if not isinstance(found, Mapping) or not all(isinstance(name, str) and name for name in found):
        raise ValueError("must give settings by the names of agents")
    return {name: _settings_of(name, values) for name, values in found.items()}


def _settings_of(name: str, given: object) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise ValueError(f"the settings of tenant {name!r} must be an object")
    values = {option: value for option, value in given.items() if value is not None}
    try:
        checked_values: dict[str, object] = _AGENTS_VALUES.validate_python(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    else:
        return checked_values
    told = [_explain_setting(str(problem["loc"][0]), reason_of(problem)) for problem in problems]
    raise ValueError(f"tenant {name!r}: {'; '.join(told)}")


def _explain_setting(option: str, reason: str) -> str:
    if option in _OF_AN_AGENT:
        return f"{option} {reason}"
    if option in _OPTIONS:
        return f"{option} must be the same for all agents of a process"
    return f"{option!r} is not among {', '.join(_OF_AN_AGENT)}"


def _seconds(*, gt: float | None = None, ge: float | None = None) -> CoreSchema:
    return check.no_info_after_validator_function(_finite, check.float_schema(gt=gt, ge=ge))


def _share(value: float) -> float:
    if not 0 <= value <= 1:  # also what is no number
        raise ValueError("must be a share, from 0 to 1")
    return value


_TEXT: Final = check.str_schema()
_URL: Final = check.no_info_after_validator_function(_usable_url, _TEXT)
_TOKEN: Final = check.no_info_plain_validator_function(usable_source)
_PURPOSE: Final = check.literal_schema(list(get_args(Purpose)))
_SWITCH: Final = check.bool_schema()
_COUNT: Final = check.int_schema(ge=1)
_LENGTH: Final = check.int_schema(ge=0)
_SECONDS: Final = _seconds(gt=0)
_REACTION: Final = check.no_info_plain_validator_function(usable_reaction)
_FILTER: Final = check.no_info_plain_validator_function(usable_filter)
_PREFIX: Final = check.no_info_plain_validator_function(usable_prefix)
_TYPES: Final = check.no_info_plain_validator_function(usable_types)
_TOOLS: Final = check.no_info_plain_validator_function(usable_tools)
_FOLDER: Final = check.no_info_plain_validator_function(_path)


def _option(
    default: T, values: CoreSchema, sentence: str, *, variable: str = "", secret: bool = False
) -> T:
    """The field of an option: its default, which values it takes, and what it does."""
    about = {"values": values, "sentence": sentence, "variable": variable}
    return field(default=default, repr=not secret, metadata=about)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one exporter or processor, as ``load_config`` makes them. ``repr`` leaves
    the token out."""

    api_url: str = _option(DEFAULT_API_URL, _URL, "Address of the Prefactor API.")
    api_token: str | TokenSource | None = _option(
        None,
        _TOKEN,
        "API token. Without one the exporter says so once and stays off. "
        "The argument may also be a function that returns it: asked at the start and before "
        "every try after a refusal, so that a token can be renewed.",
        secret=True,
    )
    agent_id: str | None = _option(
        None, _TEXT, "Agent that the run belongs to. Leave out with a deployment token."
    )
    environment_id: str | None = _option(
        None, _TEXT, "Environment of the run. Leave out with a deployment token."
    )
    agent_name: str | None = _option(
        None, _TEXT, "Name of the agent version. Default: `service.name` of the resource."
    )
    agent_version: str | None = _option(
        None,
        _TEXT,
        "Version of the agent (semver, commit, any string). "
        "Default: `service.version` of the resource, else `1.0.0`.",
        variable="PREFACTOR_AGENT_IDENTIFIER",
    )
    agent_description: str | None = _option(
        None,
        _TEXT,
        "Description of the agent version. "
        "Default: names `deployment.environment.name` of the resource.",
    )
    tenants: Mapping[str, dict[str, object]] | None = _option(
        None,
        check.no_info_plain_validator_function(_tenants),
        "Settings of other agents of this process, by their names: any of the options that concern "
        "one agent ([Several agents in one process](runs.md#several-agents-in-one-process)); what "
        "is not given is as for the process. In the variable a JSON object.",
    )
    run_scope: RunScope = _option(
        "provider",
        check.literal_schema(list(get_args(RunScope))),
        "What a run is: `provider` (this process), `trace` (each trace) or `session` (what "
        "carries the same `session.id` or `gen_ai.conversation.id`).",
    )
    run_propagation: bool = _option(
        False,
        _SWITCH,
        "Whether a run goes on in the processes that this one calls, and in this one when another "
        "calls it: a header with two ids of the platform goes wherever trace context goes.",
    )
    run_idle_timeout: float = _option(
        900.0,
        _SECONDS,
        "How long a trace's or session's run stays open when nothing comes of it, in seconds.",
    )
    run_linger: float = _option(
        0.2,
        _seconds(ge=0),
        "How long a run that is over takes what comes late, since its last span came, in seconds. "
        "More is of use where span starts are not seen, as in traces of several processes.",
    )
    quality_schemas: tuple[dict[str, object], ...] | None = _option(
        None,
        check.no_info_plain_validator_function(_schemas),
        "Schemas of what `record_quality` and evaluators record: `{name, schema, title, template}` "
        "each; in the variable a JSON array.",
    )
    on_terminate: OnTerminate | None = _option(
        None,
        _REACTION,
        "What stops an agent whose run is terminated on the platform: `raise` (its next span, or "
        "step of a LangChain graph, raises `PrefactorTerminatedError`), `cancel` (the asyncio task "
        "of the run's root), or a function of the run and the reason.",
    )
    poll_interval: float = _option(
        30.0,
        _seconds(ge=0),
        "Time between two questions whether an open run is terminated or over, in seconds. "
        "0: none.",
    )
    sample_rate: float | None = _option(
        None,
        check.no_info_after_validator_function(_share, check.float_schema()),
        "Share of the runs that are sent, from 0 to 1, decided for each as a whole. Unset: 1, or "
        "with `keep=errors` 0 ([Sampling](sampling.md)).",
    )
    keep: Keep = _option(
        "all",
        check.literal_schema(list(get_args(Keep))),
        "Which of the other runs are sent: `all`, or `errors`: those in which a span has failed, "
        "or that were slow, which is known at their end.",
    )
    keep_slower_than: float = _option(
        0.0,
        _seconds(ge=0),
        "With `keep=errors`: how long a run takes, in seconds, that is kept for being slow. "
        "0: none is.",
    )
    purpose: Purpose = _option("live", _PURPOSE, "Why the run happens: live, smoke_test or eval.")
    span_filter: SpanFilter = _option(
        ALL,
        _FILTER,
        "Which spans are sent: `all`, `agent` (AI spans and own steps between them; no traffic of "
        "HTTP or databases), names of instrumentation scopes (with `-` before it: not that one; "
        "in the variable with commas between), or a function that says so of a span.",
    )
    span_types: dict[str, Parts] | None = _option(
        None,
        _TYPES,
        "Span types by name: of those of this package what is to be different, and types of your "
        "own, which spans name in the attribute `prefactor.span_type`. Each has any of `title`, "
        "`description`, `template`, `inputs`, `outputs`, `params_schema`, `result_schema`, "
        "`data_risk`; in the variable as JSON.",
    )
    tool_span_types: dict[str, Parts] | None = _option(
        None,
        _TOOLS,
        "Tools by name that have a type of their own, `otel:tool:NAME`, with the same said of it; "
        "in the variable as JSON.",
    )
    span_type_prefix: str = _option(
        "otel",
        _PREFIX,
        "What the names of span types begin with, before the colon: `langchain` or `ai-sdk` for "
        "what knows the names of those SDKs.",
    )
    capture_inputs: bool = _option(True, _SWITCH, "Send what went into models, tools and agents.")
    capture_outputs: bool = _option(
        True, _SWITCH, "Send what came out of models, tools and agents."
    )
    max_input_length: int = _option(
        0, _LENGTH, "Longest text kept inside inputs, in characters. 0: no limit."
    )
    max_output_length: int = _option(
        0, _LENGTH, "Longest text kept inside outputs, in characters. 0: no limit."
    )
    mask: tuple[Mask, ...] | None = _option(
        None,
        check.no_info_plain_validator_function(_masks),
        "Masks for every text that leaves the process: names such as `emails,phones` (all of them "
        "under [Privacy](privacy.md)); the argument may also be or hold functions "
        "`(path, text) -> text`.",
    )
    sensitive: tuple[Rule, ...] | None = _option(
        None,
        check.no_info_plain_validator_function(_sensitive),
        "What is sent marked as sensitive: paths such as `inputs.messages.*.content`, and names "
        "of masks for the texts in which those find something. An object gives each its labels.",
    )
    data_risk: Mapping[str, Risk] | None = _option(
        None,
        check.no_info_plain_validator_function(_data_risk),
        "What each span type may do and which data it holds, by `llm`, `tool`, ... or `*`: an "
        "object of `action_profile` and `data_categories` each; in the variable as JSON.",
    )
    schedule_delay: float = _option(
        0.5,
        _seconds(ge=0),
        "Longest time that a span waits for company before it is sent, in seconds.",
    )
    max_batch_size: int = _option(
        512, check.int_schema(ge=1, le=10_000), "Most items in one bulk request."
    )
    max_request_bytes: int = _option(
        1024 * 1024, check.int_schema(ge=4096), "Largest body of one bulk request, in bytes."
    )
    max_queue_size: int = _option(
        65_536, _COUNT, "Most items that wait for the API; past it the oldest is dropped."
    )
    max_queue_bytes: int = _option(
        40 * 1024 * 1024,
        _COUNT,
        "Most bytes that spans take in memory, over all runs: waiting for their parents or for the "
        "API, remembered, and what open ones were created with. Past it the oldest is dropped, or "
        "waits in the spool. On top come up to 1 KiB for each open span, which is at work and "
        "stays, of up to 50,000; up to 32 MiB of text that is not taken in yet; and copies while "
        "it is encoded: a burst of large open spans grew a process by 78 to 112 MB.",
    )
    spool_dir: Path | None = _option(
        None, _FOLDER, "Folder in which waiting spans outlive the process. Unset: memory only."
    )
    spool_max_bytes: int = _option(
        512 * 1024 * 1024,
        check.int_schema(ge=1024 * 1024),
        "Most bytes in that folder; past it the oldest is dropped.",
    )
    spool_max_age: float = _option(
        86_400.0, _SECONDS, "How long the spool keeps a span that cannot be sent, in seconds."
    )
    parent_timeout: float = _option(
        600.0,
        _SECONDS,
        "How long a finished span waits for its parent to end, in seconds, "
        "where span starts are not known.",
    )
    export_timeout: float = _option(
        10.0, _SECONDS, "Longest time that `export()` waits for the API to answer, in seconds."
    )
    shutdown_timeout: float = _option(
        5.0, _SECONDS, "Longest time that shutdown, and so process exit, may take, in seconds."
    )
    request_timeout: float = _option(
        30.0, _SECONDS, "Longest time that one request to the API may take, in seconds."
    )
    probe_interval: float = _option(
        60.0, _SECONDS, "Time between two tries with a token that the API refuses, in seconds."
    )
    handle_sigterm: bool = _option(
        False,
        _SWITCH,
        "Let SIGTERM end the process by SystemExit(143), so that what waits is "
        "delivered; an own handler of the application stays.",
    )
    strict: bool = _option(
        False, _SWITCH, "Raise at construction when settings are missing or unusable."
    )


def types_of(config: Config) -> SpanTypes:
    """The span types of a run with these settings."""
    return span_types(
        config.span_type_prefix,
        config.span_types,
        config.tool_span_types,
        with_inputs=config.capture_inputs,
    )


class AgentOptions(TypedDict, total=False):
    """The options that each agent of a process may have its own of (``tenants``)."""

    agent_id: str | None
    environment_id: str | None
    agent_name: str | None
    agent_version: str | None
    agent_description: str | None
    run_propagation: bool | None
    run_idle_timeout: float | None
    run_linger: float | None
    quality_schemas: Sequence[dict[str, object]] | None
    sample_rate: float | None
    keep: Keep | None
    keep_slower_than: float | None
    purpose: Purpose | None
    span_filter: SpanFilter | None
    span_types: TypeOptions | None
    tool_span_types: TypeOptions | None
    span_type_prefix: str | None
    capture_inputs: bool | None
    capture_outputs: bool | None
    max_input_length: int | None
    max_output_length: int | None
    mask: str | Mask | Sequence[str | Mask] | None
    sensitive: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None
    data_risk: Mapping[str, Risk] | None


class Options(AgentOptions, total=False):
    """The same options as keyword arguments of the exporter, the processor and ``configure``."""

    tenants: Mapping[str, AgentOptions] | None
    run_scope: RunScope | None
    on_terminate: OnTerminate | None
    poll_interval: float | None
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


_OPTIONS: Final[dict[str, Field[Any]]] = {option.name: option for option in fields(Config)}
_OF_AN_AGENT: Final = tuple(AgentOptions.__annotations__)


def _validator(names: Iterable[str]) -> SchemaValidator:
    """What checks the values of these options, and takes no others."""
    return SchemaValidator(
        check.typed_dict_schema(
            {
                name: check.typed_dict_field(_OPTIONS[name].metadata["values"], required=False)
                for name in names
            },
            extra_behavior="forbid",
        )
    )


_VALUES: Final = _validator(_OPTIONS)
_AGENTS_VALUES: Final = _validator(_OF_AN_AGENT)


def config_of_tenant(config: Config, name: str) -> Config:
    """The settings of one of ``tenants``: those given there, and for the rest the others', but for
    the description, which is of the process's own agent."""
    values: dict[str, Any] = {"agent_name": name, "agent_description": None}
    return replace(config, **values | (config.tenants or {})[name])


def token_of(config: Config) -> str | TokenSource:
    """The option ``api_token``. Raises ``PrefactorConfigError`` where there is none."""
    if config.api_token is None:
        raise PrefactorConfigError(
            f"no API token: set {variable_of('api_token')} or pass api_token="
        )
    return config.api_token


def variable_of(option: str) -> str:
    """The environment variable of an option."""
    given: str = _OPTIONS[option].metadata["variable"]
    return given or f"PREFACTOR_{option.upper()}"


def variables() -> dict[str, str]:
    """The environment variable of every option."""
    return {option: variable_of(option) for option in _OPTIONS}


def load_config(
    api_url: str | None = None, api_token: str | TokenSource | None = None, **options: object
) -> Config:
    """Read the settings; ``None`` means unset.

    Raises ``PrefactorConfigError`` naming option, variable and value (never a token) for a value
    that cannot be used, and for an option that does not exist.
    """
    given = {"api_url": api_url, "api_token": api_token, **options}
    arguments = {name: value for name, value in given.items() if value is not None}
    values = _from_variables() | arguments
    try:
        return Config(**_VALUES.validate_python(values))
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
    located = [(str(problem["loc"][0]), reason_of(problem)) for problem in problems]
    # Raised outside the handler: pydantic's error, the context otherwise, may hold a token.
    raise PrefactorConfigError(
        "; ".join(_explain_one(option, reason, values[option]) for option, reason in located),
        from_arguments=any(option in arguments for option, _ in located),
    )


def _from_variables() -> dict[str, object]:
    """What the environment sets, by option. Names of variables may be in any case."""
    texts = {name.lower(): text for name, text in os.environ.items() if text}
    found = {option: texts.get(variable.lower()) for option, variable in variables().items()}
    own = {option: text for option, text in found.items() if text is not None}
    return {**captured_by(texts), **own}


_WORDS: Final = {
    "string_type": "must be text",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("finite_number", "int_parsing_size"), "must be a whole number"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be a table"),
    "path_type": "must be text",
    "missing": "is needed",
    "greater_than": "must be more than {gt:.0f}",
    "greater_than_equal": "must be {ge:.0f} or more",
    "less_than_equal": "must be {le:.0f} or less",
    "literal_error": "must be {expected}",
}
"""Pydantic's errors by type, in the words of the others."""


def reason_of(problem: ErrorDetails) -> str:
    """What is wrong with a value, in the words of ours."""
    words = _WORDS.get(problem["type"])
    if words is None:
        return problem["msg"].removeprefix("Value error, ")
    return words.format_map(problem.get("ctx", {}))


def nearest(name: str, known: Iterable[str]) -> str:
    """What a name that is none may have been meant to be."""
    from difflib import get_close_matches  # for the few who have misspelt one

    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _explain_one(option: str, reason: str, value: object) -> str:
    if option not in _OPTIONS:
        return f"unknown option {option!r}{nearest(option, _OPTIONS)}"
    variable = variable_of(option)
    return f"option {option} (variable {variable}) cannot be {_shown(option, value)}: {reason}"


def _shown(option: str, value: object) -> str:
    """A value as a message may quote it: without what could be a secret in the wrong place."""
    if option in ("api_token", "tenants"):  # the second may hold one by mistake
        return "used"
    if option != "api_url" or not isinstance(value, str):
        text = repr(value)
        return f"{text[:_LONGEST_SHOWN]}{'…' if len(text) > _LONGEST_SHOWN else ''}"
    if value and "." not in value and ":" not in value:
        return "this text (not shown, for it may be a token)"
    return repr(_QUERY.sub("?[query]", _CREDENTIALS.sub("//[credentials]@", value)))


def option_rows() -> list[tuple[str, str, str, str, str]]:
    """``(name, variable, type, default, sentence)`` of every option, in order of declaration."""
    return [
        (
            name,
            variable_of(name),
            _type_name(name, option.default),
            _default_text(option.default),
            option.metadata["sentence"],
        )
        for name, option in _OPTIONS.items()
    ]


def _type_name(name: str, default: object) -> str:
    if name in ("data_risk", "span_types", "tool_span_types", "tenants"):
        return "object"
    if name in ("quality_schemas", "mask", "sensitive"):
        return "list"
    if name == "sample_rate":
        return "number"
    if isinstance(default, bool):
        return "true/false"
    if isinstance(default, int):
        return "whole number"
    return "number" if isinstance(default, float) else "text"


def _default_text(default: object) -> str:
    if default is None:
        return "unset"
    return str(default).lower() if isinstance(default, bool) else str(default)
