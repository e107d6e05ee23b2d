"""Single values: model, tokens, stop reason, names, session. Every key in one table."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.content import Content, parsed
from prefactor_otel.mapping.kind import AGENT_NAME, SpanType

REQUESTED_MODEL: Final = ("gen_ai.request.model", "llm.request.model_name", "embedding.model_name")
ANSWERED_MODEL: Final = ("gen_ai.response.model", "llm.model_name", "llm.response.model")
MODEL_HOLDERS: Final = ("llm.invocation_parameters", "input.value")
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
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
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
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


_LABELS: Final = {"provider": PROVIDER, "session_id": SESSION, "user_id": USER}
_SINGLE: Final = {
    "requested": REQUESTED_MODEL,
    "answered": ANSWERED_MODEL,
    "tool": TOOL_NAME,
    "agent": AGENT_NAME,
    "stop_reason": STOP_REASON,
}
Present = dict[str, tuple[str, ...]]
_ALL: Final = _LABELS | _TOKENS | _SINGLE


@lru_cache(maxsize=512)
def _present(keys: tuple[str, ...]) -> Present:
    """Of the keys of each value those that a span has, trusted most first."""
    there = set(keys)
    found = {name: tuple(k for k in known if k in there) for name, known in _ALL.items()}
    return {name: known for name, known in found.items() if known}


def read(content: Content, span_type: SpanType) -> Scalars:
    """The single values, using the attributes that they came from."""
    present = _present(content.keys)
    requested = answered = name = stop_reason = usage = None
    if span_type in COUNTED:
        requested = _text(content, present.get("requested", ())) or _model_inside(content)
        answered = _text(content, present.get("answered", ()))
        usage = _usage(content, present)
    if span_type is SpanType.LLM:
        stop_reason = _stop_reason(content, present.get("stop_reason", ()))
    elif span_type is SpanType.TOOL or span_type is SpanType.AGENT:
        name = _text(content, present.get(span_type.value, ()))
    return Scalars(
        model=requested or answered,
        response_model=answered if requested and answered else None,
        name=name,
        token_usage=usage,
        stop_reason=stop_reason,
        labels=_labels(content, present),
    )


def _labels(content: Content, present: Present) -> dict[str, object]:
    labels: dict[str, object] = {}
    for name in _LABELS:
        for key in present.get(name, ()):
            value = content.attributes[key]
            if value is not None:
                labels[name] = value
                break
    return labels


def _model_inside(content: Content) -> str | None:
    for key in MODEL_HOLDERS:
        holder = parsed(content.attributes.get(key))
        if isinstance(holder, dict):
            model = holder.get("model") or holder.get("model_name")
            if isinstance(model, str) and model:
                return model
    return None


def _usage(content: Content, present: Present) -> dict[str, int] | None:
    usage: dict[str, int] = {}
    for name in _TOKENS:
        for key in present.get(name, ()):
            tokens = content.attributes[key]
            if isinstance(tokens, int) and not isinstance(tokens, bool):
                content.taken.add(key)
                usage.setdefault(name, tokens)
    if "prompt_tokens" not in usage and "completion_tokens" not in usage:
        return None
    prompt = usage.setdefault("prompt_tokens", 0)
    completion = usage.setdefault("completion_tokens", 0)
    usage.setdefault("total_tokens", prompt + completion)
    return usage


def _stop_reason(content: Content, keys: Iterable[str]) -> object:
    for key in keys:
        reason = _single(content.attributes[key])
        if reason is not None and reason != "":
            content.taken.add(key)
            break
    else:
        reason = content.show("stop_reason")
    return _STOP_REASONS.get(reason.lower(), reason) if isinstance(reason, str) else reason


def _single(value: object) -> object:
    value = parsed(value)
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _text(content: Content, keys: Iterable[str]) -> str | None:
    for key in keys:
        value = content.attributes[key]
        if isinstance(value, str) and value:
            content.taken.add(key)
            return value
    return None
