"""Single values: model, tokens, stop reason, names, session. Every key in one table."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prefactor_otel.mapping.content import Content, decoded, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.whole import stop_reason

REQUESTED_MODEL: Final = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "embedding.model_name",
    "ai.model.id",
)
ANSWERED_MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.model_name",
    "llm.response.model",
    "langfuse.observation.model.name",
    "mlflow.llm.model",
    "ai.response.model",
)
_MODELS: Final = frozenset((*REQUESTED_MODEL, *ANSWERED_MODEL))
MODEL_HOLDERS: Final = (
    "llm.invocation_parameters",
    "input.value",
    "mlflow.spanInputs",
    "request_data",
)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
AGENT_NAME: Final = (
    "gen_ai.agent.name",
    "agent.name",
    "agent_name",
    "graph.node.name",
    "graph.node.id",
)
TOOL_NAME: Final = ("gen_ai.tool.name", "tool.name", "traceloop.entity.name", "ai.toolCall.name")
OWN_TEXT: Final = ("crew_id", "crewai.task.description")
"""Ids and user texts that CrewAI's instrumentations write into names of spans."""
SESSION: Final = (
    "session.id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "langsmith.metadata.session_id",
    "langsmith.metadata.thread_id",
    "gcp.vertex.agent.session_id",
    "ai.telemetry.metadata.sessionId",
)
USER: Final = (
    "user.id",
    "enduser.id",
    "gen_ai.user",
    "traceloop.association.properties.user_id",
    "langsmith.metadata.user_id",
    "ai.telemetry.metadata.userId",
)
STOP_REASON: Final = (
    "gen_ai.response.finish_reasons",
    "llm.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.stop_reason",
    "llm.response.finish_reason",
    "anthropic.message.stop_reason",
    "ai.response.finishReason",
)
_TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "prompt_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.usage.input_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
        "ai.usage.tokens",
    ),
    "completion_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.usage.output_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
        "ai.usage.totalTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
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
        "ai.usage.reasoningTokens",
    ),
}
_NAME_OF: Final = {key: name for name, keys in _TOKENS.items() for key in keys}
_TRUST: Final = {key: number for number, key in enumerate(_NAME_OF)}
USAGE_HOLDERS: Final = (
    "langfuse.observation.usage_details",
    "mlflow.chat.tokenUsage",
    "langsmith.metadata.usage_metadata",
    "response_data",
    "gcp.vertex.agent.llm_response",
)
"""JSON objects of token counts, some of them with objects of details inside."""
_TOKENS_INSIDE: Final = {
    "input_tokens": "prompt_tokens",
    "prompt_tokens": "prompt_tokens",
    "input": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "completion_tokens": "completion_tokens",
    "output": "completion_tokens",
    "total_tokens": "total_tokens",
    "total": "total_tokens",
    "cached_tokens": "cached_tokens",
    "cache_read": "cached_tokens",
    "cache_read_input_tokens": "cached_tokens",
    "input_cached_tokens": "cached_tokens",
    "cache_creation": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "prompt_token_count": "prompt_tokens",
    "total_token_count": "total_tokens",
    "cached_content_token_count": "cached_tokens",
    "thoughts_token_count": "reasoning_tokens",
    "reasoning": "reasoning_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
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
    for key in content.attributes.keys() & _MODELS:  # the same under another name
        if content.attributes[key] in (requested, answered):
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
    told = [key for key in content.attributes if key in _TRUST]
    for key in sorted(told, key=_TRUST.__getitem__):
        tokens = content.attributes[key]
        if isinstance(tokens, int) and not isinstance(tokens, bool):
            content.taken.add(key)
            usage.setdefault(_NAME_OF[key], tokens)
    for key in USAGE_HOLDERS:
        if key in content.attributes:
            _add_inside(usage, content, key)
    if "prompt_tokens" not in usage and "completion_tokens" not in usage:
        return None
    prompt = usage.setdefault("prompt_tokens", 0)
    completion = usage.setdefault("completion_tokens", 0)
    usage.setdefault("total_tokens", prompt + completion)
    return usage


def _add_inside(usage: dict[str, int], content: Content, key: str) -> None:
    """Add what an object of counts holds and the plain attributes did not tell."""
    holder = parsed(content.attributes[key])
    if not isinstance(holder, dict):
        return
    shown = True
    for counts in _nested(holder):
        said, thought = counts.get("candidates_token_count"), counts.get("thoughts_token_count")
        if isinstance(said, int):  # Gemini counts what was thought apart from what was said
            thought = thought if isinstance(thought, int) else 0
            usage.setdefault("completion_tokens", said + thought)
        for name, tokens in counts.items():
            if name in _TOKENS_INSIDE and isinstance(tokens, int) and not isinstance(tokens, bool):
                usage.setdefault(_TOKENS_INSIDE[name], tokens)
            else:
                shown = shown and isinstance(tokens, dict)
    if shown:
        content.taken.add(key)


def _nested(holder: dict[str, object]) -> Iterator[dict[str, object]]:
    yield holder
    for inner in holder.values():
        if isinstance(inner, dict):
            yield from _nested(inner)


def agent_in(name: str) -> str:
    """The agent's name in that of its span, where an instrumentation writes it nowhere else:
    ``weather_agent.run`` (smolagents), ``agent_run [weather_agent]`` (Google's ADK)."""
    for before, after in (("agent_run [", "]"), ("", ".run")):
        if name.startswith(before) and name.endswith(after):
            return name[len(before) : -len(after)] or name
    return name


def without_identity(name: str, attributes: Mapping[str, object]) -> str:
    """A span's name without the id or user text that its attributes hold as well."""
    for key in OWN_TEXT:
        value = attributes.get(key)
        if isinstance(value, str) and value and value in name:
            return name.replace(value, "").replace("_.", ".").strip("._ ") or name
    return name


def _stop_reason(content: Content) -> object:
    reason = _take_any(content, STOP_REASON, _single)
    for key in content.taken.intersection(STOP_REASON):  # of several the first is shown
        told = parsed(content.attributes[key])
        if isinstance(told, (list, tuple)) and len(told) > 1:
            content.taken.discard(key)
    if reason is None:
        reason = content.show("stop_reason")
    if reason is None:
        reason = stop_reason(parsed(content.attributes.get("output.value")))
    return _STOP_REASONS.get(reason.lower(), reason) if isinstance(reason, str) else reason


def _single(value: object) -> object:
    value = parsed(value)
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _take(content: Content, keys: Iterable[str]) -> str | None:
    value = _take_any(content, keys, lambda found: found if isinstance(found, str) else None)
    if isinstance(value, str) and value[:1] == '"':  # MLflow writes JSON
        value = decoded(value)
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
    for key in keys:
        value = attributes.get(key)
        if value is not None:
            return value
    return None
