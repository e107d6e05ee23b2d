"""OpenLLMetry (Traceloop): indexed prompts and completions, what entities were given."""

from collections.abc import Mapping, Sequence
from typing import Final

from prefactor_otel.mapping.dialects.openinference import TOOL_NAME
from prefactor_otel.mapping.dialects.whole import result
from prefactor_otel.mapping.rules import INPUT, OUTPUT, Part, Rule, Together, types
from prefactor_otel.mapping.shapes.flattened import Indexed, Node
from prefactor_otel.mapping.shapes.messages import messages
from prefactor_otel.mapping.shapes.requests import (
    asked_alone,
    documents,
    messages_of_updates,
    query,
)
from prefactor_otel.mapping.shapes.texts import (
    decoded,
    model_name,
    settings,
    text,
)
from prefactor_otel.mapping.shapes.used_tools import tool_arguments
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVIDENCE,
    KIND,
    LLM,
    RERANKER,
    RETRIEVER,
    STEP,
    TOOL,
    ByNames,
    ByValue,
)

TYPES: Final = (
    # LlamaIndex: any step is a task, this one runs a tool
    ByNames(KIND, ("traceloop.span.kind", TOOL_NAME, "tool.arguments"), TOOL),
    ByValue(STEP, "traceloop.span.kind", {"workflow": CHAIN, "task": CHAIN}),
    # from before it wrote operations
    ByValue(
        EVIDENCE,
        "llm.request.type",
        {"chat": LLM, "completion": LLM, "embedding": EMBEDDING, "rerank": RERANKER},
        (),
    ),
)

_OF_MESSAGE: Final = frozenset(
    {
        *("role", "content", "refusal", "reasoning", "tool_calls", "tool_call_id"),
        *("function_call", "finish_reason"),
    }
)


def _list_of_messages(name: str) -> Indexed:
    return Indexed(f"gen_ai.{name}.", _OF_MESSAGE, called={"user": "content"})


def _asked(entries: Sequence[Node]) -> object:
    return messages(entries, "user")


def _answered(entries: Sequence[Node]) -> object:
    return messages(entries, "assistant")


def _stopped(entries: Sequence[Node]) -> object:
    """Why the first of the answers ended."""
    return entries[0].get("finish_reason") if entries else None


def _contents(entries: Sequence[Node]) -> list[object] | None:
    """The contents of what stands as messages and are none."""
    found = [entry.get("content") for entry in entries]
    return found if found and None not in found else None


def _query(entries: Sequence[Node]) -> object:
    found = _contents(entries)
    return found[0] if found is not None and len(found) == 1 else found


def _functions(entries: Sequence[Node]) -> object:
    return [entry["name"] for entry in entries if "name" in entry] or None


def _entity_asked(value: object) -> object:
    """The messages, where the entity was given nothing else."""
    inner, rest = _entity(decoded(value), "inputs")
    told = asked_alone(inner)
    if isinstance(told, Part):
        return Part(told.shown, {"inputs": told.rest, **rest})
    return Part(told, rest) if told is not None and rest else told


def _entity_added(value: object) -> object:
    """The messages that a node of LangGraph added."""
    return messages_of_updates(_entity(decoded(value), "outputs").shown)


def _searched(value: object) -> object:
    return query(decoded(value))


def _found(value: object) -> object:
    return documents(decoded(value))


def _given(value: object) -> object:
    return _part(decoded(value), "inputs")


def _got(value: object) -> object:
    return _part(decoded(value), "outputs")


def _part(value: object, wrapper: str) -> object:
    inner, rest = _entity(value, wrapper)
    return Part(inner, rest) if rest else inner


def _entity(value: object, wrapper: str) -> Part:
    """What the entity got or gave, out of the callback's record of it, and the rest of that."""
    if not isinstance(value, dict) or wrapper not in value:
        return Part(value, {})
    rest = {name: other for name, other in value.items() if other and name != wrapper}
    return Part(value[wrapper], rest)


_PROMPTS, _COMPLETIONS = _list_of_messages("prompt"), _list_of_messages("completion")
_ENTITY_GIVEN, _ENTITY_GOT = ("traceloop.entity.input",), ("traceloop.entity.output",)
_ANY_GIVEN: Final = (*_ENTITY_GIVEN, "gen_ai.task.input")
_ANY_GOT: Final = (*_ENTITY_GOT, "gen_ai.task.output")

_OLD_SETTINGS: Final = Together(
    *("llm.temperature", "llm.top_p", "llm.top_k", "llm.max_tokens"),
    *("llm.frequency_penalty", "llm.presence_penalty"),
)


def _old_settings(told: Mapping[str, object]) -> object:
    return settings({name.rpartition(".")[2]: value for name, value in told.items()})


RULES: Final = (
    Rule("asked", _PROMPTS, _asked, INPUT, types(LLM)),
    Rule("asked", _list_of_messages("prompts"), _asked, INPUT, types(LLM)),
    Rule("answered", _COMPLETIONS, _answered, OUTPUT, types(LLM)),
    Rule("stopped", _COMPLETIONS, _stopped, of=types(LLM), partly=True),
    Rule("texts", _PROMPTS, _contents, INPUT, types(EMBEDDING)),
    Rule("query", _PROMPTS, _query, INPUT, types(RERANKER)),
    Rule("documents", _COMPLETIONS, _contents, OUTPUT, types(RERANKER)),
    Rule(
        "tools",
        Indexed("llm.request.functions.", uses=lambda path: path[-1] == "name"),
        _functions,
        INPUT,
        types(LLM),
    ),
    Rule("query", _ANY_GIVEN, _searched, INPUT, types(RETRIEVER, RERANKER)),
    Rule("documents", _ANY_GOT, _found, OUTPUT, types(RETRIEVER, RERANKER)),
    Rule("arguments", ("tool.arguments", *_ENTITY_GIVEN), tool_arguments, INPUT, types(TOOL)),
    Rule("result", _ENTITY_GOT, result, OUTPUT, types(TOOL)),
    Rule("asked", _ANY_GIVEN, _entity_asked, INPUT, types(AGENT, CHAIN)),
    Rule("answered", _ENTITY_GOT, _entity_added, OUTPUT, types(CHAIN), partly=True),
    Rule("input", _ANY_GIVEN, _given, INPUT),
    Rule("output", _ANY_GOT, _got, OUTPUT),
    Rule("parameters", _OLD_SETTINGS, _old_settings, of=types(LLM)),
    Rule("requested", ("llm.request.model_name",), model_name),
    Rule("answering", ("llm.response.model",), model_name),
    Rule("name", ("traceloop.entity.name",), text, of=types(AGENT, TOOL)),
    Rule("response_id", ("llm.response.id",), text, partly=True),
)
