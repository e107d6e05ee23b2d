"""OpenInference: messages, tools and documents flattened into indexed attributes."""

from collections.abc import Sequence
from typing import Final, TypeGuard

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Told, types
from prefactor_otel.mapping.shapes.flattened import Indexed, Node, in_order, inside
from prefactor_otel.mapping.shapes.messages import messages, role_name, said_and_thought
from prefactor_otel.mapping.shapes.requests import documents, model_in
from prefactor_otel.mapping.shapes.texts import (
    model_name,
    parsed,
    settings,
    text,
    unquoted,
    unwrapped,
)
from prefactor_otel.mapping.shapes.tools import (
    REMEMBERED,
    declared,
    name_in,
    only_names,
    tool_names,
)
from prefactor_otel.mapping.types import (
    AGENT,
    EMBEDDING,
    LLM,
    RERANKER,
    RETRIEVER,
    ROLE,
    TOOL,
    ByValue,
)

TOOL_NAME: Final = "tool.name"

TYPES: Final = (
    ByValue(ROLE, "openinference.span.kind"),
    ByValue(ROLE + 0.1, "gen_ai.span.kind"),  # those who extend it (Loongsuite, traceAI, veADK)
)

_OF_MESSAGE: Final = frozenset(
    {
        *("role", "content", "contents", "name", "tool_calls", "tool_call_id", "function"),
        *("function_call_name", "function_call_arguments_json", "reasoning_content"),
    }
)
"""What of a message is shown; the rest stays where it is."""


def _in_message(path: Sequence[str]) -> bool:
    # AutoGen's answers of functions stand beside the message.
    return path[0] == "function" or (
        path[0] == "message" and len(path) > 1 and path[1] in _OF_MESSAGE
    )


def _messages(entries: Sequence[Node]) -> object:
    told = [message for entry in entries if (message := _message(entry)) is not None]
    return told or None


def _at_once(value: object) -> object:
    """The same as one JSON text, with the names inside written as they are for attributes."""
    told = unwrapped(value)
    if not isinstance(told, list) or not all(isinstance(entry, dict) for entry in told):
        return None
    nested = [_nested(entry) for entry in told]
    return _messages(nested) if any("message" in entry for entry in nested) else messages(told)


def _nested(value: object) -> Node:
    """An object with dots in its names as the objects that these stand for."""
    node: Node = {}
    for name, inner in value.items() if isinstance(value, dict) else ():
        place, (*path, last) = node, str(name).split(".")
        for step in path:
            below = place.setdefault(step, {})
            place = below if isinstance(below, dict) else {}
        place[last] = _in_nested(inner)
    return node


def _in_nested(value: object) -> object:
    """A list of objects as the node of its indices, as flattened lists have it."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return {str(number): _nested(each) for number, each in enumerate(value)}
    return value


def _message(entry: Node) -> Node | None:
    node = inside(entry, "message")
    if node.keys() == _PLAIN and len(entry) == 1 and isinstance(node["content"], str):
        return {"role": role_name(node["role"]), "content": node["content"]}
    if "function" in entry:
        node = {**node, "function": entry["function"]}
    content = node.get("content")
    told: list[object] = []
    thought: Node = {}
    if "contents" in node:
        blocks = in_order(node["contents"])
        told = [block for block in blocks if inside(block, "tool_call")]
        parts = [_part(block) for block in blocks if block not in told]
        if told or "tool_calls" in node:  # Anthropic's blocks: the call itself is told below
            parts = [part for part in parts if part != {"type": "tool_use"}]
        if not all(isinstance(part, str) for part in parts):
            parts, thought = said_and_thought(parts)
        if content is not None and content not in ("", *parts):
            parts = [content, *parts]
        texts = [part for part in parts if isinstance(part, str)]
        content = "\n".join(texts) if parts and len(texts) == len(parts) else parts or content
    calls = [_call(call) for call in in_order(node.get("tool_calls")) or told]
    if "function_call_name" in node:
        called = parsed(node.get("function_call_arguments_json"))
        calls.append({"id": None, "name": node["function_call_name"], "arguments": called})
    if "function" in node and content is None:
        return _answer_of_function(node)
    if "reasoning_content" in node:
        thought.setdefault("reasoning", node["reasoning_content"])
    if isinstance(content, dict):  # the blocks of Anthropic's SDK for agents
        parts = in_order(content)
        content = "\n".join(parts) if _are_texts(parts) else content
    if content is None and not calls and not thought:
        return None
    message: Node = {"role": role_name(node.get("role")), "content": content, **thought}
    if calls:
        message["tool_calls"] = calls
    if node.keys() <= _PLAIN:
        return message
    for name in ("tool_call_id", "name"):
        if node.get(name) is not None:
            message[name] = node[name]
    return message


def _are_texts(parts: list[object]) -> TypeGuard[list[str]]:
    return all(isinstance(part, str) for part in parts)


_PLAIN: Final = frozenset({"role", "content"})


def _answer_of_function(node: Node) -> Node | None:
    """AutoGen: what a function answered, as JSON."""
    answers = [parsed(answer) for answer in in_order(node["function"])]
    if len(answers) != 1 or not isinstance(answers[0], dict) or "content" not in answers[0]:
        return {"role": role_name(node.get("role")), "content": answers} if answers else None
    answer: Node = {"role": "tool", "content": answers[0]["content"]}
    if answers[0].get("call_id"):
        answer["tool_call_id"] = answers[0]["call_id"]
    return answer


def _part(part: object) -> object:
    inner = inside(part, "message_content")
    if not inner or (isinstance(part, dict) and len(part) > 1):
        return part
    if inner.get("type") in (None, "text", "refusal") and isinstance(inner.get("text"), str):
        return inner["text"]
    return inner


def _call(call: object) -> Node:
    inner = inside(call, "tool_call")
    function = inside(inner, "function")
    return {
        "id": inner.get("id"),
        "name": unquoted(function.get("name")),
        "arguments": unwrapped(function.get("arguments")),
    }


def _tools(entries: Sequence[Node]) -> object:
    named = [name for entry in entries if (name := _tool_name(entry)) is not None]
    if not named:
        return None
    told = [inside(entry, "tool").get("name") for entry in entries]
    is_whole = all(name is None or name in named for name in told)
    return named if is_whole else Told({"tools": named}, whole=False)


def _tool_name(entry: Node) -> object:
    tool = inside(entry, "tool")
    schema = tool.get("json_schema")
    if isinstance(schema, str) and len(schema) <= REMEMBERED:
        name = name_in(schema)
    else:
        names = tool_names([parsed(schema)])
        name = names[0] if isinstance(names, list) else None
    return name if name is not None else tool.get("name")


def _documents(entries: Sequence[Node]) -> object:
    return [document for entry in entries if (document := _document(entry))] or None


def _document(entry: Node) -> Node:
    document = inside(entry, "document")
    if "metadata" in document:
        return document | {"metadata": parsed(document["metadata"])}
    return document


def _documents_at_once(value: object) -> object:
    """The same as one JSON text."""
    told = unwrapped(value)
    nested = [_nested(entry) for entry in told] if isinstance(told, list) else []
    return _documents(nested) if any("document" in entry for entry in nested) else documents(told)


def _texts(holder: str, entries: Sequence[Node]) -> object:
    """The texts of a completion, which has no messages."""
    texts = [inside(entry, holder).get("text") for entry in entries]
    if None in texts:
        return None
    return texts[0] if len(texts) == 1 else texts


def _embedded(entries: Sequence[Node]) -> object:
    inner = [inside(entry, "embedding") for entry in entries]
    return [entry["text"] for entry in inner if "text" in entry] or None


def _dimensions(entries: Sequence[Node]) -> object:
    """Vectors are never sent: they say nothing to a reader and weigh megabytes."""
    inner = [inside(entry, "embedding").get("vector") for entry in entries]
    vectors = [vector for vector in inner if isinstance(vector, (list, tuple))]
    return len(vectors[0]) if vectors else None


def _parameters(value: object) -> object:
    """The settings of a call; what else its request held stays, unless it is told elsewhere."""
    given = settings(value)
    if given is None:
        return None
    tools = given.get("tools")
    told = {name: setting for name, setting in given.items() if name not in _ELSEWHERE}
    if not tools:
        return told or None
    rest = {} if only_names(tools) else {"tools": tools}
    return Told(
        {"parameters": told or None, "tools": tool_names(tools)},
        rest,
        of="tools",
    )


_ELSEWHERE: Final = ("tools", "messages", "model", "model_name", "_type")
"""What of a request is no setting, or shown elsewhere."""

_LLM, _ASKS = types(LLM), types(LLM, AGENT)
PARAMETERS: Final = "llm.invocation_parameters"

RULES: Final = (
    Rule("requested", ("embedding.model_name", "reranker.model_name"), model_name),
    Rule("requested", (PARAMETERS,), model_in, partly=True),
    Rule("answering", ("llm.response.model_name", "llm.model_name"), model_name),
    Rule("asked", Indexed("llm.input_messages.", _in_message), _messages, INPUT, _ASKS),
    Rule("answered", Indexed("llm.output_messages.", _in_message), _messages, OUTPUT, _ASKS),
    Rule("asked", ("llm.input_messages",), _at_once, INPUT, _ASKS),
    Rule("answered", ("llm.output_messages",), _at_once, OUTPUT, _ASKS),
    Rule(
        "input",
        Indexed("llm.prompts.", lambda path: path[-1] == "text"),
        lambda entries: _texts("prompt", entries),
        INPUT,
        _LLM,
    ),
    Rule(
        "output",
        Indexed("llm.choices.", lambda path: path[-1] == "text"),
        lambda entries: _texts("completion", entries),
        OUTPUT,
        _LLM,
    ),
    Rule("tools", Indexed("llm.tools.", lambda path: path[-1] == "name"), _tools, INPUT, _LLM),
    Rule("tools", ("llm.tools",), declared, INPUT, _LLM),
    Rule("parameters", (PARAMETERS,), _parameters, INPUT, _LLM),
    Rule(
        "documents",
        Indexed("retrieval.documents.", lambda path: path[0] == "document"),
        _documents,
        OUTPUT,
        types(RETRIEVER),
    ),
    Rule("documents", ("retrieval.documents",), _documents_at_once, OUTPUT, types(RETRIEVER)),
    Rule("query", ("retrieval.query",), side=INPUT, of=types(RETRIEVER)),
    Rule("documents", ("retrieval.document",), documents, OUTPUT, types(RETRIEVER)),
    Rule("query", ("reranker.query",), side=INPUT, of=types(RERANKER)),
    Rule(
        "candidates",
        Indexed("reranker.input_documents.", lambda path: path[0] == "document"),
        _documents,
        INPUT,
        types(RERANKER),
    ),
    Rule(
        "documents",
        Indexed("reranker.output_documents.", lambda path: path[0] == "document"),
        _documents,
        OUTPUT,
        types(RERANKER),
    ),
    Rule(
        "texts",
        Indexed("embedding.embeddings.", lambda path: path[-1] == "text"),
        _embedded,
        INPUT,
        types(EMBEDDING),
    ),
    Rule(
        "dimensions",
        Indexed("embedding.embeddings.", lambda path: path[-1] == "vector"),
        _dimensions,
        OUTPUT,
        types(EMBEDDING),
    ),
    Rule("name", (TOOL_NAME,), text, of=types(TOOL)),
    Rule(
        "name",
        ("agent.name", "agent_name", "graph.node.name", "graph.node.id"),
        text,
        of=types(AGENT),
    ),
    Rule("provider", ("llm.provider", "llm.system")),
    Rule("user_id", ("user.id",)),
    Rule("tags", ("tag.tags", "tags")),
)
