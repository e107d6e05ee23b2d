"""OpenInference: messages, tools and documents flattened into indexed attributes."""

from collections.abc import Callable, Sequence
from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Told, types
from prefactor_otel.mapping.shapes.flattened import Indexed, Node, Path, path_of
from prefactor_otel.mapping.shapes.messages import messages
from prefactor_otel.mapping.shapes.requests import documents, model_in
from prefactor_otel.mapping.shapes.texts import (
    model_name,
    parsed,
    settings,
    text,
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

_CALLED: Final = {
    **dict.fromkeys(("message", "message_content", "tool_call", "tool", "document"), ""),
    **dict.fromkeys(("embedding", "prompt", "completion"), ""),
    "contents": "parts",
}
"""Each entry of a list is wrapped in the name of what the list holds."""


_OF_MESSAGE: Final = frozenset(
    {
        *("role", "content", "parts", "name", "tool_calls", "tool_call_id", "function"),
        *("function_call_name", "function_call_arguments_json", "reasoning_content"),
    }
)


def _list(name: str, uses: Callable[[Path], bool] = lambda path: True) -> Indexed:
    return Indexed(f"{name}.", uses=uses, called=_CALLED)


def _list_of_messages(name: str) -> Indexed:
    return Indexed(f"{name}.", _OF_MESSAGE, called=_CALLED, remake=_remake)


def _remake(fields: frozenset[str]) -> Callable[[Node], Node] | None:
    return None if "role" in fields and fields <= _USUAL else _usual


_USUAL: Final = frozenset({"role", "content", "tool_calls", "tool_call_id", "name"})
"""What of a message is called as OpenAI calls it."""


def _usual(entry: Node) -> Node:
    """A message in OpenAI's words; who said it may have been evicted."""
    told = {"role": None, **entry}
    if "function_call_name" in told:
        arguments = told.pop("function_call_arguments_json", None)
        told["function_call"] = {"name": told.pop("function_call_name"), "arguments": arguments}
    answers, parts = told.get("function"), told.get("parts")
    if isinstance(answers, list) and told.get("content") is None:
        told["parts"] = [*map(_answer_of_function, answers)]
        del told["function"]
    elif isinstance(parts, list):
        told["parts"] = _parts(parts, told)
    return told


def _parts(parts: list[object], message: Node) -> list[object]:
    """The blocks of a message: what stands beside them is one of them, where none says it; of
    those that call a tool there are none where the calls stand beside them."""
    if "tool_calls" in message:
        parts = [part for part in parts if part != {"type": "tool_use"}]
    said = [part.get("text") if isinstance(part, dict) else part for part in parts]
    content = message.get("content")
    return parts if content in (None, "", *said) else [content, *parts]


def _answer_of_function(answer: object) -> object:
    """AutoGen: what a function answered, as JSON."""
    told = parsed(answer)
    if not isinstance(told, dict) or "content" not in told:
        return told
    return {"type": "tool_result", "id": told.get("call_id"), "content": told["content"]}


def _at_once(value: object) -> object:
    """The same as one JSON text, with the names inside written as they are for attributes."""
    told = unwrapped(value)
    if not isinstance(told, list) or not all(isinstance(entry, dict) for entry in told):
        return None
    nested = [_nested(entry) for entry in told]
    return messages([_usual(entry) for entry in nested if isinstance(entry, dict)])


def _nested(value: object, depth: int = 0) -> object:
    """An object with dots in its names as the objects that these stand for, and so a list of
    objects; what only repeats what the list is of is left out."""
    if depth > _DEEP:
        return value
    if isinstance(value, list):
        return [_nested(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(name, inner)] = value.items()
        if isinstance(inner, dict) and _CALLED.get(str(name)) == "":
            return _nested(inner, depth + 1)
    node: Node = {}
    for name, inner in value.items():
        *above, last = path_of(str(name), _CALLED)
        place: Node = node
        for step in above:
            below = place.setdefault(step, {})
            place = below if isinstance(below, dict) else {}
        place[last] = _nested(inner, depth + 1)
    return node


_DEEP: Final = 16
"""Levels of the deepest message: what lies deeper is content."""


def _tools(entries: Sequence[Node]) -> object:
    named = [name for entry in entries if (name := _tool_name(entry)) is not None]
    if not named:
        return None
    for entry in entries:
        if entry.get("name") not in (None, *named):
            return Told({"tools": named}, whole=False)
    return named


def _tool_name(tool: Node) -> object:
    schema = tool.get("json_schema")
    if isinstance(schema, str) and len(schema) <= REMEMBERED:
        name = name_in(schema)
    else:
        names = tool_names([parsed(schema)])
        name = names[0] if isinstance(names, list) else None
    return name if name is not None else tool.get("name")


def _documents(entries: Sequence[Node]) -> object:
    return [document for entry in entries if (document := _document(entry))] or None


def _document(document: Node) -> Node:
    if "metadata" in document:
        return document | {"metadata": parsed(document["metadata"])}
    return document


def _documents_at_once(value: object) -> object:
    """The same as one JSON text."""
    return documents(_nested(unwrapped(value)))


def _texts(entries: Sequence[Node]) -> object:
    """The texts of a completion, which has no messages."""
    texts = [entry.get("text") for entry in entries]
    if not texts or None in texts:
        return None
    return texts[0] if len(texts) == 1 else texts


def _embedded(entries: Sequence[Node]) -> object:
    return [entry["text"] for entry in entries if "text" in entry] or None


def _dimensions(entries: Sequence[Node]) -> object:
    """Vectors are never sent: they say nothing to a reader and weigh megabytes."""
    inner = [entry.get("vector") for entry in entries]
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


def _judgements(name: str) -> Indexed:
    return Indexed(f"{name}.", called=dict.fromkeys(("evaluation", "annotation"), ""))


_JUDGED: Final = tuple(
    (whose, what) for whose in ("", "trace.", "session.") for what in ("evaluation", "annotation")
)
"""What is judged, and in which of two words."""

_LLM, _ASKS = types(LLM), types(LLM, AGENT)
PARAMETERS: Final = "llm.invocation_parameters"

RULES: Final = (
    Rule("requested", ("embedding.model_name", "reranker.model_name"), model_name),
    Rule("requested", (PARAMETERS,), model_in, partly=True),
    Rule("answering", ("llm.response.model_name", "llm.model_name"), model_name),
    Rule("asked", _list_of_messages("llm.input_messages"), messages, INPUT, _ASKS),
    Rule("answered", _list_of_messages("llm.output_messages"), messages, OUTPUT, _ASKS),
    Rule("asked", ("llm.input_messages",), _at_once, INPUT, _ASKS),
    Rule("answered", ("llm.output_messages",), _at_once, OUTPUT, _ASKS),
    Rule(
        "input",
        _list("llm.prompts", lambda path: path[-1] == "text"),
        _texts,
        INPUT,
        _LLM,
    ),
    Rule(
        "output",
        _list("llm.choices", lambda path: path[-1] == "text"),
        _texts,
        OUTPUT,
        _LLM,
    ),
    Rule("tools", _list("llm.tools", lambda path: path[-1] == "name"), _tools, INPUT, _LLM),
    Rule("tools", ("llm.tools",), declared, INPUT, _LLM),
    Rule("parameters", (PARAMETERS,), _parameters, INPUT, _LLM),
    Rule(
        "documents",
        _list("retrieval.documents"),
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
        _list("reranker.input_documents"),
        _documents,
        INPUT,
        types(RERANKER),
    ),
    Rule(
        "documents",
        _list("reranker.output_documents"),
        _documents,
        OUTPUT,
        types(RERANKER),
    ),
    Rule(
        "texts",
        _list("embedding.embeddings", lambda path: path[-1] == "text"),
        _embedded,
        INPUT,
        types(EMBEDDING),
    ),
    Rule(
        "dimensions",
        _list("embedding.embeddings", lambda path: path[-1] == "vector"),
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
    *(Rule("judged", _judgements(f"{whose}{what}s"), side=OUTPUT) for whose, what in _JUDGED),
    Rule("user_id", ("user.id",)),
    Rule("tags", ("tag.tags", "tags")),
)
