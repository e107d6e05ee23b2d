"""Single values: model, tokens, stop reason, names, session. Every key in one table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from prefactor_otel.mapping.content import Content, parsed
from prefactor_otel.mapping.kind import SpanType

REQUESTED_MODEL: Final = ("gen_ai.request.model", "llm.request.model_name", "embedding.model_name")
ANSWERED_MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.model_name",
    "llm.response.model",
)
MODEL_HOLDERS: Final = ("llm.invocation_parameters", "input.value")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
AGENT_NAME: Final = (
    "gen_ai.agent.name",
    "agent.name",
    "agent_name",
    "graph.node.name",
    "graph.node.id",
)
TOOL_NAME: Final = ("gen_ai.tool.name", "tool.name", "traceloop.entity.name")
SESSION: Final = (
    "session.id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
)
USER: Final = (
    "user.id",
    "enduser.id",
    "gen_ai.user",
    "traceloop.association.properties.user_id",
)
STOP_REASON: Final = (
    "gen_ai.response.finish_reasons",
    "llm.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.stop_reason",
    "llm.response.finish_reason",
    "anthropic.message.stop_reason",
)
_TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "prompt_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.usage.input_tokens",
        "llm.token_count.prompt",
    ),
    "completion_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.usage.output_tokens",
        "llm.token_count.completion",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
}
_STOP_REASONS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_call": "tool_calls",
    "tool-calls": "tool_calls",
    "function_calls": "tool_calls",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "content-filter": "content_filter",
    "guardrail_intervened": "content_filter",
    "safety": "content_filter",
    "error": "error",
}
COUNTED: Final = (SpanType.LLM, SpanType.EMBEDDING)
"""Types whose tokens count; on others frameworks repeat totals."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """The single values of a span; None where it does not say."""

    model: str | None
    response_model: str | None
    name: str | None
    token_usage: dict[str, int] | None
    stop_reason: object
    labels: dict[str, object]
    """Provider, session and user, under one name whatever the vocabulary."""


def read(content: Content, span_type: SpanType) -> Scalars:
    """The single values, using the attributes that they came from."""
    requested, answered = _model(content, span_type)
    labels = {"provider": PROVIDER, "session_id": SESSION, "user_id": USER}
    found = {name: _first(content.attributes, keys) for name, keys in labels.items()}
    return Scalars(
        model=requested or answered,
        response_model=answered if requested and answered else None,
        name=_name(content, span_type),
        token_usage=_usage(content) if span_type in COUNTED else None,
        stop_reason=_stop_reason(content) if span_type is SpanType.LLM else None,
        labels={name: value for name, value in found.items() if value is not None},
    )


def _model(content: Content, span_type: SpanType) -> tuple[str | None, str | None]:
    if span_type not in COUNTED:
        return None, None
    requested = _take(content, REQUESTED_MODEL) or _model_inside(content)
    answered = _take(content, ANSWERED_MODEL)
    for key in ANSWERED_MODEL:  # the same under another name
        if answered is not None and content.attributes.get(key) in (requested, answered):
            content.taken.add(key)
    return requested, answered


def _model_inside(content: Content) -> str | None:
    for key in MODEL_HOLDERS:
        holder = parsed(content.attributes.get(key))
        if isinstance(holder, dict):
            model = holder.get("model") or holder.get("model_name")
            if isinstance(model, str) and model:
                return model
    return None


def _name(content: Content, span_type: SpanType) -> str | None:
    if span_type is SpanType.TOOL:
        return _take(content, TOOL_NAME)
    return _take(content, AGENT_NAME) if span_type is SpanType.AGENT else None


def _usage(content: Content) -> dict[str, int] | None:
    usage: dict[str, int] = {}
    for name, keys in _TOKENS.items():
        for key in keys:
            tokens = content.attributes.get(key)
            if isinstance(tokens, int) and not isinstance(tokens, bool):
                content.taken.add(key)
                usage.setdefault(name, tokens)
    if "prompt_tokens" not in usage and "completion_tokens" not in usage:
        return None
    prompt = usage.setdefault("prompt_tokens", 0)
    completion = usage.setdefault("completion_tokens", 0)
    usage.setdefault("total_tokens", prompt + completion)
    return usage


def _stop_reason(content: Content) -> object:
    reason = _take_any(content, STOP_REASON, _single)
    if reason is None:
        reason = content.show("stop_reason")
    return _STOP_REASONS.get(reason.lower(), reason) if isinstance(reason, str) else reason


def _single(value: object) -> object:
    value = parsed(value)
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _take(content: Content, keys: Iterable[str]) -> str | None:
    value = _take_any(content, keys, lambda found: found if isinstance(found, str) else None)
    return value if isinstance(value, str) and value else None


def _take_any(content: Content, keys: Iterable[str], convert: Callable[[object], object]) -> object:
    for key in keys:
        value = content.attributes.get(key)
        converted = convert(value) if value is not None else None
        if converted is not None and converted != "":
            content.taken.add(key)
            return converted
    return None


def _first(attributes: Mapping[str, object], keys: Iterable[str]) -> object:
    return next((attributes[key] for key in keys if attributes.get(key) is not None), None)
