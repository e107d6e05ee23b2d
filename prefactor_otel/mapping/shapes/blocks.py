"""The blocks of messages: what each tells by itself, whichever provider or framework wrote it.

A block fills fields of its message: what was said its ``content``, a call its ``tool_calls``, a
thought its ``reasoning``. The answer of a tool is a message of its own, of the role ``tool``,
because it answers a call of its own.
"""

from collections.abc import Callable, Collection, Mapping
from operator import itemgetter
from typing import Final

from prefactor_otel.mapping.kept import Kept, Outline
from prefactor_otel.mapping.shapes.texts import parsed, unquoted, unwrapped

Fields = dict[str, object]
Block = Mapping[str, object]
Reader = Callable[[Block], Fields]
"""What reads a block: the fields of a message that it fills."""
Get = Callable[[Block], object]

TOOL: Final = "tool"
_TEXTS: Final = (
    *(None, "text", "input_text", "output_text", "summary_text", "reasoning_text"),
    "refusal",  # what is said instead of an answer is one
)
_OF_TEXT: Final = frozenset({"type", "text", "content", "refusal", "index"})
"""What of a block of text is shown, or says nothing of it."""
_BESIDE_NOTHING: Final = _OF_TEXT | {"thought"}
_THINKING: Final = ("reasoning", "thinking", "redacted_thinking")
_CALL_ENDS: Final = ("tool_call", "tool_use", "function_call", "toolUse")
_ANSWER_ENDS: Final = (
    *("tool_call_response", "tool_result", "function_call_output", "call_output"),
    "toolResult",
)
"""How types of blocks end that hold calls and their answers; before it stands what kind of tool it
is, or who runs it: ``server_tool_use``, ``mcp_tool_result``, ``custom_tool_call``."""


def fields_of(block: object) -> Fields:
    """The fields of a message that a block fills."""
    if type(block) is not dict:
        return _undivided(block)
    try:
        read = _READERS[(block.get("type"), *block)]
    except TypeError:  # an object where the type is expected
        read = _held
    return read(block)


def _undivided(value: object) -> Fields:
    """The fields of what is no block; a text may be one, encoded once more."""
    inner = parsed(value)
    if inner is not value and is_block(inner):
        return fields_of(inner)
    return {"content": value} if value is not None else {}


def _reader(outline: Outline) -> Reader:
    """What reads blocks of a type and with these names."""
    kind, *names = outline
    if kind in _TEXTS:
        return _text_reader(names)
    if not isinstance(kind, str):
        return _held
    if _is_answer(kind):
        return _answer_reader(names)
    if _is_call(kind):
        read = _call_reader(names)
        return lambda call: {"tool_calls": [read(call)]}
    return _thought if kind in _THINKING else _held


_READERS: Final = Kept(_reader)


def _text_reader(names: Collection[object]) -> Reader:
    """What reads blocks of a text with these names."""
    said_in = next((name for name in ("text", "content", "refusal") if name in names), None)
    if said_in is None:
        return _held
    others = not _OF_TEXT.issuperset(names)

    def read(block: Block) -> Fields:
        said = block[said_in]
        if not isinstance(said, str):
            return _held(block)
        return _and_beside(said, block) if others else {"content": said}

    return read


def _and_beside(said: str, block: Block) -> Fields:
    """What was said, or thought (Gemini), and what its block holds beside it: citations, a
    signature."""
    if block.get("thought") is True:
        return _thought(block)
    details = {name: block[name] for name in block if block[name] and name not in _BESIDE_NOTHING}
    return {"content": said, "content_details": [details]} if details else {"content": said}


def text_of(value: object) -> object:
    """The text of content given in blocks of nothing else; anything else unchanged."""
    value = parsed(value)
    if not isinstance(value, list) or not value:
        return value
    texts: list[str] = []
    for block in value:
        text = _text_alone(block)
        if text is None:
            return value
        texts.append(text)
    return "\n".join(texts)


def _text_alone(block: object) -> str | None:
    """What a block says that holds nothing but a text."""
    if not isinstance(block, dict):
        return block if isinstance(block, str) else None
    fields = fields_of(block)
    said = fields.get("content")
    return said if isinstance(said, str) and len(fields) == 1 else None


def instructions(value: object) -> object:
    """The text of instructions, however often they were encoded, be they one block or several."""
    value = unwrapped(value)
    if isinstance(value, dict) and _text_alone(value) is not None:
        return _text_alone(value)
    if isinstance(value, (list, tuple)):
        value = [parsed(part) for part in value]
    return text_of(value)


def is_block(block: object) -> bool:
    """Whether it is a part of a message, and not whatever has a text."""
    if not isinstance(block, dict):
        return False
    return isinstance(block.get("type"), str) or (len(block) == 1 and not _ALONE.isdisjoint(block))


def _is_answer(block_type: str) -> bool:
    return block_type.replace("-", "_").endswith(_ANSWER_ENDS)


def _is_call(block_type: str) -> bool:
    return block_type.replace("-", "_").endswith(_CALL_ENDS)


def speaker_of(item_type: object, role: str = "") -> str | None:
    """Who speaks in a block that stands where a message does, as an item of OpenAI's Responses; in
    one of a text somebody of this role."""
    if not isinstance(item_type, str):
        return None
    if _is_answer(item_type):
        return TOOL
    if item_type in _TEXTS:
        return role or None
    return "assistant" if _is_call(item_type) or item_type == "reasoning" else None


def _held(block: Block) -> Fields:
    """What a block holds under a name that says which kind of block it is; any other is content as
    it is, but for the block of a text without one."""
    for holder, read in _HOLDERS.items():
        inner = block.get(holder)
        if isinstance(inner, dict):
            return read(inner)
    if block.get("thought") is True:
        return _thought(block)
    if block.get("type") in _TEXTS[1:] and not any(block[name] for name in block if name != "type"):
        return {}
    return {"content": block}


# -- calls --------------------------------------------------------------------------------


def call_of(call: object) -> Fields:
    """A call of a tool as ``{id, name, arguments}``, and what else its provider says of it."""
    if type(call) is not dict:
        call = parsed(call)  # an attribute's array can hold texts only
        return call_of(call) if isinstance(call, dict) else {"arguments": call}
    return _CALLS[tuple(call)](call)


def _call_reader(names: Collection[object]) -> Reader:
    """What reads calls with these names; what is called may be an object inside."""
    call_id = _first(names, "call_id", "id", "toolUseId", "toolCallId", counts=bool)
    own, has_function = _called_in(names), "function" in names
    others = [name for name in names if isinstance(name, str) and name not in _OF_CALL]

    def read(call: Block) -> Fields:
        inner, called = call, own
        if has_function and isinstance(call["function"], dict):
            inner = call["function"]
            called = _CALLED[tuple(inner)]
        name, arguments = called
        told: Fields = {
            "id": call_id(call) or None,
            "name": unquoted(name(inner) or None),
            "arguments": unwrapped(arguments(inner)),
        }
        for other in others:
            if call[other]:
                told[other] = call[other]
        return told

    return read


_CALLS: Final = Kept(_call_reader)


def _called_in(names: Collection[object]) -> tuple[Get, Get]:
    """What gets the name of what is called, and its arguments, of objects with these names."""
    name = _first(names, "name", "toolName", "tool_name", counts=bool)
    return name, _first(names, "arguments", "args", "input")


_CALLED: Final = Kept(_called_in)
_OF_CALL: Final = frozenset(
    {
        *("id", "call_id", "toolUseId", "toolCallId", "function"),
        *("name", "toolName", "tool_name"),
        *("arguments", "args", "input", "type", "index", "status", "caller"),
    }
)
"""What of a call is shown under a name of ours, or says nothing of it."""


def _called(call: Block) -> Fields:
    return {"tool_calls": [call_of(call)]}


def _is_there(value: object) -> bool:
    return value is not None


def _first(
    names: Collection[object], *wanted: str, counts: Callable[[object], bool] = _is_there
) -> Get:
    """What gets, of objects with these names, the first of the wanted values that counts."""
    found = [name for name in wanted if name in names]
    if not found:
        return lambda block: None
    if len(found) == 1:
        return itemgetter(found[0])
    return lambda block: next(filter(counts, itemgetter(*found)(block)), None)


# -- answers ------------------------------------------------------------------------------


def _answer_reader(names: Collection[object]) -> Reader:
    """What reads answers with these names."""
    call_id = _first(names, "call_id", "id", "tool_use_id", "toolUseId", "toolCallId")
    said = _first(names, "response", "result", "content", "output")
    tool = _first(names, "name", "toolName")
    may_fail = not {*_FAILURE}.isdisjoint(names)

    def read(block: Block) -> Fields:
        fields = _answered(call_id(block), _value(said(block)), tool(block))
        return fields | failure_in(block) if may_fail else fields

    return read


def _answer_in_bedrock(result: Block) -> Fields:
    return _answered(result.get("toolUseId"), text_of(result.get("content"))) | failure_in(result)


def _answer_in_haystack(result: Block) -> Fields:
    origin = result.get("origin")
    call = origin if isinstance(origin, dict) else {}
    fields = _answered(call.get("id"), result.get("result"), call.get("tool_name"))
    return fields | {"is_error": True} if result.get("error") else fields


def _answer_in_gemini(inner: Block) -> Fields:
    return _answered(inner.get("id"), inner.get("response"), inner.get("name"))


def _answered(call_id: object, said: object, tool: object = None) -> Fields:
    """What a tool says, and which call that answers."""
    fields: Fields = {"role": TOOL, "content": said}
    if call_id:
        fields["tool_call_id"] = call_id
    if tool:
        fields["name"] = tool
    return fields


def _value(answered: object) -> object:
    if isinstance(answered, dict) and answered.keys() == {"type", "value"}:  # Vercel's AI SDK
        return answered["value"]
    return text_of(answered)


def failure_in(answer: Block) -> Fields:
    """What an answer says of a tool that failed."""
    if answer.keys().isdisjoint(_FAILURE):
        return {}
    told = {name: answer.get(name) for name in _FAILURE}
    return {name: value for name, value in told.items() if value and value not in _WELL}


_FAILURE: Final = ("status", "is_error", "isError")
_WELL: Final = ("success", "completed")

# -- thoughts -----------------------------------------------------------------------------


def _thought(block: Block) -> Fields:
    """The text of a thought where it can be read, and what else its block holds: an id, a
    signature, the thought itself encrypted."""
    rest = {name: value for name, value in block.items() if value and name != "thought"}
    fields: Fields = {}
    for name in _THOUGHT:
        text = text_of(rest.get(name))
        if isinstance(text, str):
            del rest[name]
            fields["reasoning"] = text
            break
    return fields | {"reasoning_details": [rest]} if rest.keys() - {"type"} else fields


_THOUGHT: Final = ("content", "text", "thinking", "reasoning", "summary")
"""Where a block holds the thought, by provider."""


def _thought_in_bedrock(inner: Block) -> Fields:
    told = inner.get("reasoningText", inner)
    return _thought(told if isinstance(told, dict) else {"text": told})


# -- blocks without a type ----------------------------------------------------------------

_HOLDERS: Final[Mapping[str, Callable[[Block], Fields]]] = {
    "toolUse": _called,
    "function_call": _called,
    "functionCall": _called,
    "tool_call": _called,
    "toolResult": _answer_in_bedrock,
    "tool_call_result": _answer_in_haystack,
    "function_response": _answer_in_gemini,
    "functionResponse": _answer_in_gemini,
    "reasoningContent": _thought_in_bedrock,
}
_ALONE: Final = frozenset({*_HOLDERS, "text", "json", "image", "document"})
"""What says of a block without a type what it is (Bedrock, Gemini, Haystack)."""
