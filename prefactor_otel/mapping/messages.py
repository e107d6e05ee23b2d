"""Chat messages of every known shape, as ``{role, content, tool_calls?, tool_call_id?, name?}``.

Shapes seen: the GenAI conventions' ``parts``; OpenAI's own; Anthropic's and Bedrock's content
blocks; the items of OpenAI's Responses; Gemini's parts; the Vercel AI SDK's; LangChain's serialised
messages (``lc``/``kwargs`` and ``type``/``data``). What is none of them is kept as it is: never
guessed.

What a model thought beside what it said is the message's ``reasoning``, a text. What providers keep
with it (ids, signatures, encrypted thoughts) is its ``reasoning_details``.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Final

from prefactor_otel.mapping.content import parsed

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "tool-call": "assistant",
    "tool-response": "tool",
}
"""Other names of roles: LangChain's, Gemini's ``model`` and smolagents' two of tools."""


def messages(value: object) -> list[object] | None:
    """A list of messages, from its JSON or itself; None when it is no list."""
    value = parsed(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list) or not value:
        return None
    if len(value) == 1 and isinstance(value[0], list):  # LangChain batches what it sends
        value = value[0]
    told: list[object] = []
    for entry in value:
        if isinstance(entry, dict) and len(_blocks(entry)) > 1:
            told += [message(part) for part in _apart(entry)]
        else:
            told.append(message(entry))
    return told


_ITEMS: Final = {
    "function_call": "assistant",
    "function_call_output": "tool",
    "reasoning": "assistant",
}
"""Items of OpenAI's Responses that are no messages, and who speaks in them."""


def role_name(role: object) -> object:
    """The usual name of a role."""
    return _ROLES.get(role, role) if isinstance(role, str) else role


def _blocks(entry: Mapping[str, object]) -> list[object]:
    blocks = entry.get("parts", entry.get("content"))
    return blocks if isinstance(blocks, list) else []


def _apart(entry: Mapping[str, object]) -> Sequence[object]:
    """The answers of several tools in one message (Anthropic, Bedrock, Gemini), each on its own,
    because each answers another call."""
    holder = "parts" if "parts" in entry else "content"
    blocks = _blocks(entry)
    answers = [block for block in blocks if _block_answer(block) is not None]
    if not answers:
        return [entry]
    others = [block for block in blocks if _block_answer(block) is None]
    return [{**entry, holder: [block]} for block in answers] + (
        [{**entry, holder: others}] if others else []
    )


def message(entry: object) -> object:
    """One message."""
    if not isinstance(entry, dict):
        return entry
    parts, content = entry.get("parts"), entry.get("content")
    if isinstance(parts, list):
        return _from_blocks(entry, parts)
    if "role" in entry and isinstance(content, str):
        return _built(entry["role"], content, entry.get("tool_calls"), entry)
    for wrapper in ("kwargs", "data"):
        inner = entry.get(wrapper)
        if isinstance(inner, dict) and "content" in inner:
            return _from_langchain(inner, entry)
    if "role" in entry and isinstance(content, list):
        return _from_blocks(entry, content)
    if "role" in entry:
        return _built(entry["role"], content, entry.get("tool_calls"), entry)
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _ITEMS:
        return _from_blocks({"role": _ITEMS[kind]}, [entry])
    return _from_langchain(entry, entry) if "type" in entry and "content" in entry else entry


def from_event(role: str, content: object, attributes: Mapping[str, object]) -> object:
    """The message of a span event ``gen_ai.<role>.message`` or ``gen_ai.choice``."""
    content = parsed(content)
    if isinstance(content, list):
        return _from_blocks({"role": role, **attributes}, content)
    if isinstance(content, dict) and "content" in content and "role" in content:
        return message(content)
    return _built(role, content, None, attributes)


def text_of(value: object) -> object:
    """The text of content given in parts; anything else unchanged."""
    value = parsed(value)
    if not isinstance(value, list):
        return value
    texts = [_block_text(block) for block in value]
    if texts and all(isinstance(text, str) for text in texts):
        return "\n".join(text for text in texts if isinstance(text, str))
    return value


def texts_of(value: object) -> list[object] | None:
    """The texts of messages that hold nothing else; OpenLLMetry writes so what became vectors."""
    told = messages(value) or []
    texts = [entry.get("content") for entry in told if isinstance(entry, dict)]
    return texts if texts and all(isinstance(text, str) for text in texts) else None


def last_content(answered: object) -> object:
    """What the last message says."""
    if isinstance(answered, list) and answered and isinstance(answered[-1], dict):
        return answered[-1].get("content", answered[-1])
    return answered


def finish_reason(value: object) -> object:
    """Why the model stopped: of several answers, the first that says so (GenAI conventions)."""
    told = finish_reasons(value)
    return told[0] if told else None


def finish_reasons(value: object) -> list[object]:
    """The different reasons that messages give for their end, the first one first."""
    value = parsed(value)
    found: list[object] = []
    for entry in value if isinstance(value, list) else ():
        reason = entry.get("finish_reason") if isinstance(entry, dict) else None
        if reason and reason not in found:
            found.append(reason)
    return found


def tool_calls(answered: object) -> list[object]:
    """The tool calls of all messages."""
    found: list[object] = []
    for entry in answered if isinstance(answered, list) else ():
        calls = entry.get("tool_calls") if isinstance(entry, dict) else None
        found += calls if isinstance(calls, list) else []
    return found


def tool_result(value: object) -> object:
    """What a tool answered, out of the message that a framework wrapped it in."""
    value = parsed(value)
    if isinstance(value, dict):
        for wrapper in ("output", "data", "kwargs"):
            inner = value.get(wrapper)
            if isinstance(inner, dict) and ("content" in inner or "kwargs" in inner):
                return tool_result(inner)
        if value.keys() >= {"tool_name", "tool_output"}:  # LlamaIndex's result of a step
            return tool_result(value["tool_output"])
        if "content" in value and ("tool_call_id" in value or value.get("type") == "tool"):
            return text_of(value["content"])
        if value.keys() == {"id", "name", "response"}:  # Gemini's function response
            return value["response"]
        if value.keys() >= {"raw_output", "raw_input"} and not value.get("is_error"):
            return value["raw_output"]  # LlamaIndex
    if isinstance(value, list) and value and all(_is_block(block) for block in value):
        return text_of(value)
    return value


def tool_arguments(value: object) -> object:
    """A tool's arguments as an object where that is certain; None without a value."""
    value = parsed(value)
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("inputs"), dict) and "input_str" in value:
        return value["inputs"]
    if isinstance(value.get("input_str"), str):
        return _literal(value["input_str"])
    if isinstance(value.get("kwargs"), dict) and not value.get("args") and value.keys() <= _CALL:
        return value["kwargs"]
    return value


_CALL: Final = frozenset({"args", "kwargs", "sanitize_inputs_outputs"})
"""What a call is recorded with; smolagents adds one of its own."""


def _literal(text: str) -> object:
    """The value of a Python literal, as LangChain writes arguments; else the text."""
    if text[:1] not in ("{", "["):
        return parsed(text)
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return parsed(text)
    return value


def _built(
    role: object, content: object, calls: object, source: Mapping[str, object]
) -> dict[str, object]:
    built: dict[str, object] = {"role": role_name(role), "content": content}
    if calls and isinstance(calls, list):
        built["tool_calls"] = [_tool_call(call) for call in calls]
    for name, value in source.items():
        if value and name not in _SHOWN and not name.startswith("gen_ai."):
            built[_THOUGHTS.get(name, name)] = value
    return built


_SHOWN: Final = frozenset({"role", "content", "parts", "tool_calls", "type", "finish_reason"})
"""What of a message is shown under a name of ours; whatever else it holds stays in it."""
_THOUGHTS: Final = {"reasoning_content": "reasoning", "thinking": "reasoning"}
"""Other names of a message's thoughts: DeepSeek's and Ollama's."""


def _from_langchain(inner: Mapping[str, object], outer: Mapping[str, object]) -> dict[str, object]:
    kind = inner.get("type") or inner.get("role") or outer.get("type")
    known = {name: inner[name] for name in ("tool_call_id", "name") if name in inner}
    content, calls = inner.get("content"), inner.get("tool_calls")
    if isinstance(content, list) and content:
        return _from_blocks({"role": kind, "tool_calls": calls, **known}, content)
    return _built(kind, text_of(content), calls, known)


def _from_blocks(source: Mapping[str, object], blocks: list[object]) -> dict[str, object]:
    if len(blocks) == 1 and (alone := _block_text(blocks[0])) is not None:
        return _built(source.get("role"), alone, source.get("tool_calls"), source)
    calls: list[object] = []
    thoughts: list[object] = []
    content: list[object] = []
    identity = dict(source)
    for block in blocks:
        text = _block_text(block)
        if text is not None:
            content.append(text)
            continue
        call, answered = _block_call(block), _block_answer(block)
        if call is not None:
            calls.append(call)
        elif answered is not None:
            identity |= {name: value for name, value in answered[0].items() if name not in identity}
            content.append(answered[1])
        elif _thinks(block):
            thoughts.append(block)
        else:
            content.append(block)
    told = calls or source.get("tool_calls")
    role = source.get("role")
    if role == "user" and blocks and all(_block_answer(block) is not None for block in blocks):
        role = "tool"  # nobody asks in it
    built = _built(role, _joined(content), told, identity)
    return built | _thought(thoughts) if thoughts else built


def said_and_thought(blocks: list[object]) -> tuple[list[object], dict[str, object]]:
    """The blocks of what was said, and what was thought beside it as fields of the message."""
    thoughts = [block for block in blocks if _thinks(block)]
    said = [block for block in blocks if not _thinks(block)] if thoughts else blocks
    return said, _thought(thoughts)


def _thought(blocks: list[object]) -> dict[str, object]:
    """The fields of a message that show its thoughts."""
    thoughts = [_in_thought(block) for block in blocks]
    texts = [text for text, _ in thoughts if text is not None]
    details = [rest for _, rest in thoughts if rest.keys() - {"type"}]
    fields: dict[str, object] = {}
    if texts:
        fields["reasoning"] = "\n".join(texts)
    if details:
        fields["reasoning_details"] = details
    return fields


def _thinks(block: object) -> bool:
    return isinstance(block, dict) and (
        block.get("type") in _THINKING or block.get("thought") is True or _BEDROCK in block
    )


_THINKING: Final = ("reasoning", "thinking", "redacted_thinking")
_BEDROCK: Final = "reasoningContent"
_THOUGHT: Final = ("content", "text", "thinking", "reasoning", "summary")
"""Where a block holds the thought, by provider."""


def _in_thought(block: object) -> tuple[str | None, dict[str, object]]:
    """The text of a thought where it can be read, and what else its block holds: an id, a
    signature, the thought itself encrypted."""
    holder: object = block
    if isinstance(block, dict) and _BEDROCK in block:
        inner = block[_BEDROCK]
        holder = inner.get("reasoningText", inner) if isinstance(inner, dict) else {"text": inner}
    if not isinstance(holder, dict):
        return None, {}
    rest = {name: value for name, value in holder.items() if value and name != "thought"}
    for name in _THOUGHT:
        text = text_of(rest.get(name))
        if isinstance(text, str):
            return text, {key: value for key, value in rest.items() if key != name}
    return None, rest


def _joined(content: list[object]) -> object:
    if not content:
        return None
    if all(isinstance(text, str) for text in content):
        return "\n".join(str(text) for text in content)
    return content[0] if len(content) == 1 else content


def _is_block(block: object) -> bool:
    return isinstance(block, dict) and ("text" in block or "type" in block)


def _block_text(block: object) -> str | None:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict) or block.get("type") not in _TEXTS:
        return None
    if "thought" in block and block["thought"] is True:
        return None
    text = block.get("text", block.get("content"))
    return text if isinstance(text, str) else None


_TEXTS: Final = (None, "text", "input_text", "output_text", "summary_text", "reasoning_text")


def _block_call(block: object) -> dict[str, object] | None:
    if not isinstance(block, dict):
        return None
    if block.get("type") in ("tool_call", "tool_use", "function_call", "tool-call"):
        return _tool_call(block)
    for holder in ("toolUse", "function_call", "functionCall"):
        if isinstance(block.get(holder), dict):
            return _tool_call(block[holder])
    return None


def _block_answer(block: object) -> tuple[dict[str, object], object] | None:
    """Which call a block answers, and what it says."""
    if not isinstance(block, dict):
        return None
    result = block.get("toolResult")
    if isinstance(result, dict):
        return {"tool_call_id": result.get("toolUseId")}, text_of(result.get("content"))
    for holder in ("function_response", "functionResponse"):
        inner = block.get(holder)
        if isinstance(inner, dict):
            called = {"tool_call_id": inner.get("id"), "name": inner.get("name")}
            return called, inner.get("response")
    if block.get("type") in _ANSWERS:
        answered = _first_of(block, "response", "result", "content", "output")
        call_id = _first_of(block, "call_id", "id", "tool_use_id", "toolCallId")
        called = {"tool_call_id": call_id, "name": _first_of(block, "name", "toolName")}
        return called, _plain(answered)
    return None


_ANSWERS: Final = ("tool_call_response", "tool_result", "tool-result", "function_call_output")


def _plain(answered: object) -> object:
    if isinstance(answered, dict) and answered.keys() == {"type", "value"}:  # Vercel's AI SDK
        return answered["value"]
    return text_of(answered)


def _tool_call(call: object) -> dict[str, object]:
    if not isinstance(call, dict):
        return {"arguments": call}
    function = call.get("function")
    inner: Mapping[str, object] = function if isinstance(function, dict) else call
    return {
        "id": _first_of(call, "call_id", "id", "toolUseId", "toolCallId"),
        "name": _first_of(inner, "name", "toolName"),
        "arguments": parsed(_first_of(inner, "arguments", "args", "input")),
    }


def _first_of(source: Mapping[str, object], *names: str) -> object:
    for name in names:
        value = source.get(name)
        if value is not None:
            return value
    return None
