"""The blocks of messages: what each tells by itself, whichever provider or framework wrote it.

A block fills fields of its message: what was said its ``content``, a call its ``tool_calls``, a
thought its ``reasoning``. The answer of a tool is a message of its own, of the role ``tool``,
because it answers a call of its own.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.shapes.texts import parsed, unquoted, unwrapped

Fields = dict[str, object]
Block = Mapping[str, object]

TOOL: Final = "tool"
_TEXTS: Final = (
    *(None, "text", "input_text", "output_text", "summary_text", "reasoning_text"),
    "refusal",  # what is said instead of an answer is one
)
_OF_TEXT: Final = frozenset({"type", "text", "content", "refusal", "index"})
"""What of a block of text is shown, or says nothing of it."""
_BESIDE_NOTHING: Final = _OF_TEXT | {"thought"}
_THINKING: Final = ("reasoning", "thinking", "redacted_thinking")
_CALL_ENDS: Final = ("tool_call", "tool_use", "function_call")
_ANSWER_ENDS: Final = ("tool_call_response", "tool_result", "function_call_output", "call_output")
"""How types of blocks end that hold calls and their answers; before it stands what kind of tool it
is, or who runs it: ``server_tool_use``, ``mcp_tool_result``, ``custom_tool_call``."""


def fields_of(block: object) -> Fields:
    """The fields of a message that a block fills."""
    if type(block) is not dict:
        return _undivided(block)
    said = _said_in(block)
    if said is not None:
        return {"content": said} if block.keys() <= _OF_TEXT else _and_beside(said, block)
    kind = block.get("type")
    read = _reader_of(kind) if isinstance(kind, str) else _held
    return read(block)


def _undivided(value: object) -> Fields:
    """The fields of what is no block; a text may be one, encoded once more."""
    inner = parsed(value)
    if inner is not value and is_block(inner):
        return fields_of(inner)
    return {"content": value} if value is not None else {}


def _said_in(block: Block) -> str | None:
    """The text of a block of text."""
    if block.get("type") not in _TEXTS:
        return None
    text = block.get("text", block.get("content", block.get("refusal")))
    return text if isinstance(text, str) else None


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
    said = _said_in(block)
    return said if said is None or _and_beside(said, block).keys() == {"content"} else None


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


@lru_cache(maxsize=128)
def _reader_of(block_type: str) -> Callable[[Block], Fields]:
    """What reads a block of this type."""
    word = block_type.replace("-", "_")
    if word.endswith(_ANSWER_ENDS):
        return _answer
    if word.endswith(_CALL_ENDS):
        return _called
    return _thought if block_type in _THINKING else _held


def speaker_of(item_type: object, role: str = "") -> str | None:
    """Who speaks in a block that stands where a message does, as an item of OpenAI's Responses; in
    one of a text somebody of this role."""
    read = _reader_of(item_type) if isinstance(item_type, str) else None
    if read is _answer:
        return TOOL
    if item_type in _TEXTS[1:]:
        return role or None
    return "assistant" if read is _called or item_type == "reasoning" else None


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
    if not isinstance(call, dict):
        call = parsed(call)  # an attribute's array can hold texts only
        return call_of(call) if isinstance(call, dict) else {"arguments": call}
    function = call.get("function")
    inner: Block = function if isinstance(function, dict) else call
    name = inner.get("name") or inner.get("toolName") or inner.get("tool_name")
    told: Fields = {
        "id": call.get("call_id") or call.get("id") or first_of(call, "toolUseId", "toolCallId"),
        "name": unquoted(name),
        "arguments": unwrapped(first_of(inner, "arguments", "args", "input")),
    }
    if not call.keys() <= _OF_CALL:
        told |= {name: value for name, value in call.items() if value and name not in _OF_CALL}
    return told


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


def first_of(source: Block, *names: str) -> object:
    """The first of these that has a value."""
    for name in names:
        value = source.get(name)
        if value is not None:
            return value
    return None


# -- answers ------------------------------------------------------------------------------


def _answer(block: Block) -> Fields:
    return _answered(
        first_of(block, "call_id", "id", "tool_use_id", "toolCallId"),
        _value(first_of(block, "response", "result", "content", "output")),
        name=first_of(block, "name", "toolName"),
        **failure_in(block),
    )


def _answer_in_bedrock(result: Block) -> Fields:
    said = text_of(result.get("content"))
    return _answered(result.get("toolUseId"), said, **failure_in(result))


def _answer_in_haystack(result: Block) -> Fields:
    origin = result.get("origin")
    call = origin if isinstance(origin, dict) else {}
    failed = {"is_error": True} if result.get("error") else {}
    return _answered(call.get("id"), result.get("result"), name=call.get("tool_name"), **failed)


def _answer_in_gemini(inner: Block) -> Fields:
    return _answered(inner.get("id"), inner.get("response"), name=inner.get("name"))


def _answered(call_id: object, said: object, **others: object) -> Fields:
    """What a tool says, and which call that answers."""
    told = {"tool_call_id": call_id, **others}
    return {"role": TOOL, "content": said, **{name: told[name] for name in told if told[name]}}


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
