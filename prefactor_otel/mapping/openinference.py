"""Reader of OpenInference: messages, tools and documents flattened into indexed attributes.

Indices may start above 0 and have holes: the SDK keeps 128 attributes a span and gives up the
oldest.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from prefactor_otel.mapping.content import Content, Slot, parsed, settings
from prefactor_otel.mapping.genai import REMEMBERED, only_names, tool_names
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import role_name, said_and_thought

VOCABULARY: Final = (
    *("llm.input_messages.", "llm.output_messages.", "llm.tools.", "llm.invocation_parameters"),
    *("llm.prompts.", "llm.choices."),
    *("retrieval.", "embedding.", "reranker."),
)
INPUT_MESSAGES: Final = "llm.input_messages."
OUTPUT_MESSAGES: Final = "llm.output_messages."
TOOLS: Final = "llm.tools."
PROMPTS: Final = "llm.prompts."
CHOICES: Final = "llm.choices."
INVOCATION_PARAMETERS: Final = "llm.invocation_parameters"
DOCUMENTS: Final = "retrieval.documents."
EMBEDDINGS: Final = "embedding.embeddings."
RERANKER_QUERY: Final = "reranker.query"
RERANKER_INPUT: Final = "reranker.input_documents."
RERANKER_OUTPUT: Final = "reranker.output_documents."

Node = dict[str, object]

_OF_MESSAGE: Final = frozenset(
    {
        *("role", "content", "contents", "name", "tool_calls", "tool_call_id", "function"),
        *("function_call_name", "function_call_arguments_json", "reasoning_content"),
    }
)
"""What of a message is shown; the rest stays where it is."""


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from flattened attributes; only what the span's type can show is used."""
    if span_type is SpanType.LLM:
        _fill(content, "asked", INPUT_MESSAGES, _message)
        _fill(content, "answered", OUTPUT_MESSAGES, _message)
        _fill_texts(content, "input", PROMPTS, "prompt")
        _fill_texts(content, "output", CHOICES, "completion")
        _fill(content, "tools", TOOLS, _tool_name)
        _fill_parameters(content)
    elif span_type is SpanType.AGENT:
        _fill(content, "asked", INPUT_MESSAGES, _message)
        _fill(content, "answered", OUTPUT_MESSAGES, _message)
    elif span_type is SpanType.RETRIEVER:
        _fill(content, "documents", DOCUMENTS, _document)
    elif span_type is SpanType.RERANKER:
        content.offer("query", [RERANKER_QUERY])
        _fill(content, "candidates", RERANKER_INPUT, _document)
        _fill(content, "documents", RERANKER_OUTPUT, _document)
    elif span_type is SpanType.EMBEDDING:
        _fill_embeddings(content)


def _fill(
    content: Content, slot: Slot, prefix: str, build: Callable[[Node], object | None]
) -> None:
    if slot in content.slots:
        return
    entries, used = unflattened(content, prefix)
    if not entries:
        return
    built = [build(entry) for entry in entries]
    kept = [entry for entry in built if entry is not None]
    if kept:
        if build is _tool_name:
            used = [k for k in used if k.endswith(".name") and content.attributes[k] in kept]
        elif build is _document:
            used = [key for key in used if ".document." in key]
        elif build is _message:
            used = content.names[_of_messages, prefix]
            if len(kept) < len(built):
                used = _of_shown(content, prefix, built)
        content.fill(slot, kept, used)


def _of_messages(keys: tuple[str, ...], prefix: str) -> Sequence[str]:
    """The attributes that messages are made of, without those that no message shows."""
    paths = {key: key[len(prefix) :].split(".", 3) for key in shape_of(keys, prefix).used}
    return [
        key
        for key, (_, name, *inner) in paths.items()
        # AutoGen's answers of functions stand beside the message.
        if name == "function" or (name == "message" and inner and inner[0] in _OF_MESSAGE)
    ]


def _of_shown(content: Content, prefix: str, built: Sequence[object | None]) -> list[str]:
    """Those of the messages that are shown."""
    indices = content.names[shape_of, prefix].indices
    shown = {index for index, made in zip(indices, built, strict=True) if made is not None}
    used = content.names[_of_messages, prefix]
    return [key for key in used if int(key[len(prefix) :].partition(".")[0]) in shown]


def _fill_texts(content: Content, slot: Slot, prefix: str, holder: str) -> None:
    """The texts of a completion, which has no messages."""
    entries, used = unflattened(content, prefix)
    if not entries:
        return
    texts = [_inside(entry, holder).get("text") for entry in entries]
    if None not in texts:
        told = [key for key in used if key.endswith(".text")]
        content.fill(slot, texts[0] if len(texts) == 1 else texts, told)


def _fill_embeddings(content: Content) -> None:
    entries, used = unflattened(content, EMBEDDINGS)
    inner = [_inside(entry, "embedding") for entry in entries]
    texts = [entry["text"] for entry in inner if "text" in entry]
    if texts:
        content.fill("texts", texts, [key for key in used if key.endswith(".text")])
    vectors = [entry["vector"] for entry in inner if isinstance(entry.get("vector"), (list, tuple))]
    if vectors and isinstance(vectors[0], (list, tuple)):
        # Vectors are never sent: they say nothing to a reader and weigh megabytes.
        content.fill("dimensions", len(vectors[0]), [k for k in used if k.endswith(".vector")])


def unflattened(content: Content, prefix: str) -> tuple[Sequence[Node], Sequence[str]]:
    """The nodes under ``prefix.N.`` in the order of N, and the attributes that they came from."""
    shape = content.names[shape_of, prefix]
    attributes = content.attributes
    if not shape.steps:
        return (), ()
    entries: list[Node] = [{} for _ in shape.indices]
    nodes = entries[:]
    for place, name, key in shape.steps:
        if key is not None:
            nodes[place][name] = attributes[key]
        else:
            below: Node = {}
            nodes[place][name] = below
            nodes.append(below)
    return entries, shape.used


class Shape(NamedTuple):
    """How the values of names become nodes, worked out once for all spans of these names."""

    indices: Sequence[int]
    steps: Sequence[tuple[int, str, str | None]]
    """In a node (by the number under which it was made) this name holds the value of an attribute,
    or, where that is None, the next node."""
    used: Sequence[str]


def shape_of(keys: tuple[str, ...], prefix: str) -> Shape:
    """The shape of the names under ``prefix.N.``."""
    paths = list(_paths(keys, prefix))
    indices = sorted({index for _, index, _ in paths})
    numbers: dict[tuple[object, ...], int] = {(index,): n for n, index in enumerate(indices)}
    filled: set[tuple[object, ...]] = set()
    steps: list[tuple[int, str, str | None]] = []
    used = []
    for key, index, path in paths:
        node: tuple[object, ...] = (index,)
        for name in path[:-1]:
            below = (*node, name)
            if below in filled:  # a value stands there already
                break
            if below not in numbers:
                numbers[below] = len(numbers)
                steps.append((numbers[node], name, None))
            node = below
        else:
            place = (*node, path[-1])
            if place not in filled and place not in numbers:
                filled.add(place)
                steps.append((numbers[node], path[-1], key))
                used.append(key)
    return Shape(indices, steps, used)


def _paths(keys: tuple[str, ...], prefix: str) -> Iterator[tuple[str, int, list[str]]]:
    """The keys under a prefix, their index and the path that follows it."""
    for key in keys:
        if key.startswith(prefix):
            index, _, path = key[len(prefix) :].partition(".")
            if index.isdecimal() and path:
                yield key, int(index), path.split(".")


def in_order(node: object) -> list[object]:
    """The entries of a node whose names are indices, in their order."""
    if not isinstance(node, dict):
        return []
    return [node[index] for index in sorted(node, key=lambda name: (len(name), name))]


def _inside(node: object, name: str) -> Node:
    if isinstance(node, dict):
        inner = node.get(name)
        if isinstance(inner, dict):
            return inner
    return {}


def _message(entry: Node) -> Node | None:
    node = _inside(entry, "message")
    if "function" in entry:
        node = {**node, "function": entry["function"]}
    content = node.get("content")
    told: list[object] = []
    thought: Node = {}
    if "contents" in node:
        blocks = in_order(node["contents"])
        told = [block for block in blocks if _inside(block, "tool_call")]
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
    inner = _inside(part, "message_content")
    if not inner or (isinstance(part, dict) and len(part) > 1):
        return part
    if inner.get("type") in (None, "text") and isinstance(inner.get("text"), str):
        return inner["text"]
    return inner


def _call(call: object) -> Node:
    inner = _inside(call, "tool_call")
    function = _inside(inner, "function")
    return {
        "id": inner.get("id"),
        "name": function.get("name"),
        "arguments": parsed(function.get("arguments")),
    }


def _tool_name(entry: Node) -> object:
    tool = _inside(entry, "tool")
    schema = tool.get("json_schema")
    if isinstance(schema, str) and len(schema) <= REMEMBERED:
        name = _name_in(schema)
    else:
        name = _named(parsed(schema))
    return name if name is not None else tool.get("name")


@lru_cache(maxsize=32)  # an agent declares the same tools with every call of a model
def _name_in(schema: str) -> object:
    return _named(parsed(schema))


def _named(declared: object) -> object:
    names = tool_names([declared])
    return names[0] if isinstance(names, list) else None


def _document(entry: Node) -> Node | None:
    document = _inside(entry, "document")
    if "metadata" in document:
        return document | {"metadata": parsed(document["metadata"])}
    return document or None


def _fill_parameters(content: Content) -> None:
    """The settings of a call; what else its request held stays, unless it is told elsewhere."""
    given = settings(content.parsed(INVOCATION_PARAMETERS))
    if given is None:
        return
    told = {name: setting for name, setting in given.items() if name not in _ELSEWHERE}
    content.fill("parameters", told or None, [INVOCATION_PARAMETERS])
    tools = given.get("tools")
    if tools and not content.has("tools"):
        content.fill("tools", tool_names(tools), [INVOCATION_PARAMETERS])
        if not only_names(tools):
            content.leave("tools", INVOCATION_PARAMETERS, {"tools": tools})


_ELSEWHERE: Final = ("tools", "messages", "model", "model_name", "_type")
"""What of a request is no setting, or shown elsewhere."""
