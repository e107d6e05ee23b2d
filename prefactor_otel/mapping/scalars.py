"""Single values: model, tokens, stop reason, names, session. Their keys are in ``keys``."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from prefactor_otel.mapping.content import Content, decoded
from prefactor_otel.mapping.keys import (
    ANSWERED_MODEL,
    MODEL_HOLDERS,
    OWN_TEXT,
    PROVIDER,
    REQUESTED_MODEL,
    SESSION,
    STOP_REASON,
    STOP_REASONS,
    TAGS,
    TOKENS,
    TOKENS_INSIDE,
    TOOL_NAME,
    USAGE_HOLDERS,
    USER,
)
from prefactor_otel.mapping.kind import AGENT_NAME, SpanType
from prefactor_otel.mapping.whole import stop_reason

RESPONSE: Final = "output.value"
COUNTED: Final = (SpanType.LLM, SpanType.EMBEDDING)
"""Types whose tokens count; on others frameworks repeat totals."""


class Scalars(NamedTuple):
    """The single values of a span; None where it does not say."""

    model: str | None
    response_model: str | None
    name: str | None
    token_usage: dict[str, int] | None
    stop_reason: object
    labels: dict[str, object]
    """Provider, session, user and tags, under one name whatever the vocabulary."""


_LABELS: Final = {"provider": PROVIDER, "session_id": SESSION, "user_id": USER, "tags": TAGS}


class Present(NamedTuple):
    """Of the keys of each value those that a span has, trusted most first."""

    requested: tuple[str, ...]
    answered: tuple[str, ...]
    tool: tuple[str, ...]
    agent: tuple[str, ...]
    stop_reason: tuple[str, ...]
    usage_holders: tuple[str, ...]
    tokens: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]


def _present(keys: tuple[str, ...]) -> Present:
    there = set(keys)

    def of(known: Iterable[str]) -> tuple[str, ...]:
        return tuple(key for key in known if key in there)

    def named(table: Mapping[str, Iterable[str]]) -> tuple[tuple[str, str], ...]:
        return tuple((name, key) for name, known in table.items() for key in of(known))

    return Present(
        of(REQUESTED_MODEL),
        of(ANSWERED_MODEL),
        of(TOOL_NAME),
        of(AGENT_NAME),
        of(STOP_REASON),
        of(USAGE_HOLDERS),
        named(TOKENS),
        named(_LABELS),
    )


def read(content: Content, span_type: SpanType) -> Scalars:
    """The single values, using the attributes that they came from."""
    present = content.names[_present]
    requested = answered = name = stop_reason = usage = None
    if span_type in COUNTED:
        requested, answered = _models(content, present)
        usage = _usage(content, present, span_type)
        if span_type is SpanType.LLM:
            stop_reason = _stop_reason(content, present.stop_reason)
    elif span_type is SpanType.TOOL:
        name = _text(content, present.tool)
    elif span_type is SpanType.AGENT:
        name = _text(content, present.agent)
    elif span_type is SpanType.RERANKER:
        requested, answered = _models(content, present)
    return Scalars(
        requested or answered,
        answered if requested and answered else None,
        name,
        usage,
        stop_reason,
        _labels(content, present) if present.labels else {},
    )


def _labels(content: Content, present: Present) -> dict[str, object]:
    labels: dict[str, object] = {}
    for name, key in present.labels:
        if name not in labels and content.attributes[key] is not None:
            labels[name] = content.attributes[key]
    return labels


def _models(content: Content, present: Present) -> tuple[str | None, str | None]:
    """The model that was asked for, and the one that answered."""
    requested = _text(content, present.requested) or _model_inside(content)
    answered = _text(content, present.answered)
    for key in present.requested + present.answered:  # the same under another name
        if content.attributes[key] in (requested, answered):
            content.taken.add(key)
    return requested, answered


def _model_inside(content: Content) -> str | None:
    for key in MODEL_HOLDERS:
        holder = content.parsed(key)
        if isinstance(holder, dict):
            model = holder.get("model") or holder.get("model_name")
            if isinstance(model, str) and model:
                return model
    return None


def _usage(content: Content, present: Present, span_type: SpanType) -> dict[str, int] | None:
    if not (present.tokens or present.usage_holders or RESPONSE in content.attributes):
        return None
    usage: dict[str, int] = {}
    for name, key in present.tokens:
        tokens = content.attributes[key]
        if type(tokens) is not int:
            if not isinstance(tokens, float) or not tokens.is_integer():
                continue
            tokens = int(tokens)
        if usage.setdefault(name, tokens) == tokens:
            content.taken.add(key)
    for key in present.usage_holders:
        _add_inside(usage, content, key)
    if not usage and RESPONSE in content.attributes:
        _add_told(usage, content.parsed(RESPONSE))
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        if span_type is SpanType.EMBEDDING:  # it answers in vectors
            usage.setdefault("completion_tokens", 0)
        if "total_tokens" not in usage:
            reported = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
            usage["total_tokens"] = reported
    return usage or None


def _add_inside(usage: dict[str, int], content: Content, key: str) -> None:
    """Add what an object of counts holds and the plain attributes did not tell."""
    holder = content.parsed(key)
    if not isinstance(holder, dict):
        return
    if _add_counts(usage, holder):
        content.taken.add(key)


def _add_told(usage: dict[str, int], response: object) -> None:
    """The same out of a whole response, where no attribute tells (Haystack's embedders)."""
    meta = response.get("meta") if isinstance(response, dict) else None
    for holder in (response, meta):
        counts = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(counts, dict):
            _add_counts(usage, counts)


def _add_counts(usage: dict[str, int], holder: dict[str, object]) -> bool:
    """Add what an object counts; whether that is all that it holds."""
    shown = True
    for counts in _nested(holder):
        said, thought = counts.get("candidates_token_count"), counts.get("thoughts_token_count")
        if isinstance(said, int):  # Gemini counts what was thought apart from what was said
            thought = thought if isinstance(thought, int) else 0
            usage.setdefault("completion_tokens", said + thought)
        for name, tokens in counts.items():
            if name in TOKENS_INSIDE and isinstance(tokens, int) and not isinstance(tokens, bool):
                usage.setdefault(TOKENS_INSIDE[name], tokens)
            else:
                shown = shown and isinstance(tokens, dict)
    return shown


def _nested(holder: dict[str, object]) -> Iterator[dict[str, object]]:
    yield holder
    for inner in holder.values():
        if isinstance(inner, dict):
            yield from _nested(inner)


def without_identity(name: str, attributes: Mapping[str, object]) -> str:
    """A span's name without the id or user text that its attributes hold as well."""
    for key in OWN_TEXT:
        value = attributes.get(key)
        if isinstance(value, str) and value and value in name:
            return name.replace(value, "").replace("_.", ".").strip("._ ") or name
    return name


def _stop_reason(content: Content, keys: Iterable[str]) -> object:
    for key in keys:
        told = content.attributes[key]
        if isinstance(told, str):
            told = decoded(told)
        several = isinstance(told, (list, tuple)) and len(told) > 1
        reason = told[0] if isinstance(told, (list, tuple)) and told else told
        if reason is not None and reason != "":
            if not several:  # of several answers the first is shown
                content.taken.add(key)
            break
    else:
        reason = content.show("stop_reason")
        if reason is None and RESPONSE in content.attributes:
            reason = stop_reason(content.parsed(RESPONSE))
    return _usual(reason) if isinstance(reason, str) else reason


@lru_cache(maxsize=256)
def _usual(reason: str) -> str:
    """The usual word; a reason may be the member of an enum, and is spelt in every way."""
    word = reason.rpartition(".")[2].lower().replace("_", "").replace("-", "")
    return STOP_REASONS.get(word.removeprefix("finishreason"), reason)


def _text(content: Content, keys: Iterable[str]) -> str | None:
    for key in keys:
        value = content.attributes[key]
        if isinstance(value, str) and value:
            content.taken.add(key)
            found = decoded(value) if value[0] == '"' else value  # MLflow writes JSON
            return found if isinstance(found, str) and found else None
    return None
