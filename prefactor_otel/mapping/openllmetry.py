"""Reader of OpenLLMetry (Traceloop): indexed prompts and completions, entities' inputs."""

from collections.abc import Sequence
from typing import Final

from prefactor_otel.mapping.content import Content, Part, Slot, decoded, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import is_block, messages, tool_arguments, tool_result
from prefactor_otel.mapping.openinference import Node, in_order, shape_of, unflattened
from prefactor_otel.mapping.whole import asked_alone, messages_of_updates
from prefactor_otel.semconv.genai import GenAI

VOCABULARY: Final = (
    *("gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions."),
    *("traceloop.entity.", "gen_ai.task.", "tool.arguments"),
)
PROMPTS: Final = "gen_ai.prompt."
COMPLETIONS: Final = "gen_ai.completion."
FUNCTIONS: Final = "llm.request.functions."
ENTITY_INPUT: Final = "traceloop.entity.input"
ENTITY_OUTPUT: Final = "traceloop.entity.output"
TASK_INPUT: Final = "gen_ai.task.input"
TASK_OUTPUT: Final = "gen_ai.task.output"
TASK_ARGUMENTS: Final = "tool.arguments"
_OF_MESSAGE: Final = frozenset(
    {"role", "content", "user", "reasoning", "tool_calls", "tool_call_id", "finish_reason"}
)
"""What of a message is shown; the rest stays where it is."""


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from the older flattened attributes, then from what the entity was given."""
    if span_type is SpanType.LLM:
        _read_flattened(content)
    elif span_type is SpanType.EMBEDDING:
        texts, used = _contents(content, PROMPTS)
        content.fill("texts", texts, used)
    elif span_type is SpanType.RERANKER:
        query, used = _contents(content, PROMPTS)
        content.fill("query", query[0] if query and len(query) == 1 else query, used)
        content.fill("documents", *_contents(content, COMPLETIONS))
    elif span_type is SpanType.TOOL:
        content.offer("arguments", [TASK_ARGUMENTS, ENTITY_INPUT], tool_arguments)
        content.offer("result", [ENTITY_OUTPUT], lambda value: tool_result(decoded(value)))
        _use_twins_of_tools(content)
    given, got = content.names[_of_entity]
    if given and (span_type is SpanType.AGENT or span_type is SpanType.CHAIN):
        content.offer("asked", given, _asked, get=content.decoded)
    if got and span_type is SpanType.CHAIN:
        content.offer("answered", [ENTITY_OUTPUT], _added, partly=True, get=content.decoded)
    if given:
        content.offer("input", given, _given, get=content.decoded)
    if got:
        content.offer("output", got, _got, get=content.decoded)
    if len(given) > 1 or len(got) > 1:
        _use_twins(content)


def _of_entity(keys: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
    """What an entity was given and what it gave back, under either name."""
    given = [key for key in (ENTITY_INPUT, TASK_INPUT) if key in keys]
    return given, [key for key in (ENTITY_OUTPUT, TASK_OUTPUT) if key in keys]


def _read_flattened(content: Content) -> None:
    _fill_messages(content, "asked", PROMPTS)
    _fill_messages(content, "answered", COMPLETIONS)
    functions, used = unflattened(content, FUNCTIONS)
    names = [function["name"] for function in functions if "name" in function]
    if names:
        content.fill("tools", names, [key for key in used if key.endswith(".name")])


def _contents(content: Content, prefix: str) -> tuple[list[object] | None, Sequence[str]]:
    """The contents of what stands as messages and are none, and where they came from."""
    entries, used = unflattened(content, prefix)
    found = [entry.get("content", entry.get("user")) for entry in entries]
    return (found, used) if found and None not in found else (None, [])


def _use_twins(content: Content) -> None:
    """The same text under two names is told once, under the first."""
    for one, other in ((ENTITY_INPUT, TASK_INPUT), (ENTITY_OUTPUT, TASK_OUTPUT)):
        if other in content.attributes and content.attributes.get(one) == content.attributes[other]:
            content.repeats(other)


def _use_twins_of_tools(content: Content) -> None:
    for one, other in (
        (GenAI.TOOL_ARGUMENTS, ENTITY_INPUT),
        (GenAI.TOOL_RESULT, ENTITY_OUTPUT),
    ):
        if content.attributes.get(one) == content.attributes.get(other):
            content.belongs(other, to=one)


def _asked(value: object) -> object:
    """The messages, where the entity was given nothing else."""
    inner, rest = _entity(value, "inputs")
    told = asked_alone(inner)
    if isinstance(told, Part):
        return Part(told.shown, {"inputs": told.rest, **rest})
    return Part(told, rest) if told is not None and rest else told


def _added(value: object) -> object:
    """The messages that a node of LangGraph added."""
    return messages_of_updates(_entity(value, "outputs").shown)


def _given(value: object) -> object:
    return _part(value, "inputs")


def _got(value: object) -> object:
    return _part(value, "outputs")


def _part(value: object, wrapper: str) -> object:
    inner, rest = _entity(value, wrapper)
    return Part(inner, rest) if rest else inner


def _entity(value: object, wrapper: str) -> Part:
    """What the entity got or gave, out of the callback's record of it, and the rest of that."""
    if not isinstance(value, dict) or wrapper not in value:
        return Part(value, {})
    rest = {name: other for name, other in value.items() if other and name != wrapper}
    return Part(value[wrapper], rest)


def _fill_messages(content: Content, slot: Slot, prefix: str) -> None:
    entries, _ = unflattened(content, prefix)
    if not entries:
        return
    role = "user" if slot == "asked" else "assistant"
    told = messages([_message(entry, role) for entry in entries])
    content.fill(slot, told, content.names[_of_messages, prefix])
    if slot == "answered":
        content.fill("stop_reason", entries[0].get("finish_reason"))


def _of_messages(keys: tuple[str, ...], prefix: str) -> Sequence[str]:
    """The attributes that messages are made of, without those that no message shows."""
    used = shape_of(keys, prefix).used
    return [key for key in used if key[len(prefix) :].split(".", 2)[1] in _OF_MESSAGE]


def _message(entry: Node, role: str) -> Node:
    calls = [
        {
            "id": call.get("id"),
            "name": call.get("name"),
            "arguments": parsed(call.get("arguments")),
        }
        for call in in_order(entry.get("tool_calls"))
        if isinstance(call, dict)
    ]
    content = entry.get("content", entry.get("user"))
    told = parsed(content)
    if not isinstance(told, list) or not all(map(is_block, told)):
        told = content  # a text, be it JSON
    message: Node = {"role": entry.get("role") or role, "content": told}
    if calls:
        message["tool_calls"] = calls
    for name in ("reasoning", "tool_call_id"):
        if entry.get(name) is not None:
            message[name] = entry[name]
    return message
