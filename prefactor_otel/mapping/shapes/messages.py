"""Chat messages of every known shape, as ``{role, content, tool_calls?, tool_call_id?, name?}``.

Shapes seen: the GenAI conventions' ``parts``; OpenAI's own; Anthropic's and Bedrock's content
blocks; the items of OpenAI's Responses; Gemini's parts; the Vercel AI SDK's; LangChain's serialised
messages (``lc``/``kwargs`` and ``type``/``data``). What is none of them is kept as it is: never
guessed.

What a model thought beside what it said is the message's ``reasoning``, a text. What providers keep
with it (ids, signatures, encrypted thoughts) is its ``reasoning_details``.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.rules import Part
from prefactor_otel.mapping.shapes.texts import parsed, unquoted, unwrapped

_ROLES: Final = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "model": "assistant",
    "tool-call": "assistant",
    "tool-response": "tool",
    "function": "tool",
    "chatbot": "assistant",
}
"""Other names of roles: LangChain's, Gemini's ``model``, smolagents' two of tools, OpenAI's of
functions, Cohere's."""
_USUAL_ROLES: Final = frozenset({"user", "assistant", "system", "developer", "tool"})


def messages(value: object, role: str = "") -> list[object] | None:
    """A list of messages, from its JSON or itself; a lone message is a list of one, and so is a
    text, which somebody of this ``role`` said. None when it is no list."""
    if isinstance(value, str):
        value = unwrapped(value)
    if not isinstance(value, list) or not value or type(value[0]) is not dict:
        value = _listed(value, role)
        if value is None:
            return None
    told: list[object] = []
    for entry in value:
        one = _saying_one_thing(entry)
        if one is not None:
            told.append(one)
        elif entry is not None:
            told += map(message, _apart(entry))
    return told


def _listed(value: object, role: str) -> list[object] | None:
    """What may be no list of messages yet as one: a lone message, a text that somebody of this
    role said, texts that hold messages, a list in a list."""
    if isinstance(value, str):
        return [{"role": role, "content": value}] if role and value else None
    if isinstance(value, dict):
        inner = value.get("messages", value.get("items"))
        is_one = "role" in value or "parts" in value
        value = inner if isinstance(inner, list) else [value] if is_one else None
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
        value = [parsed(entry) for entry in value]  # an attribute's array can hold texts only
    if not isinstance(value, list) or not value:
        return None
    is_batch = len(value) == 1 and isinstance(value[0], list)  # so LangChain sends
    return value[0] if is_batch else value


def _saying_one_thing(entry: object) -> dict[str, object] | None:
    """The message of an entry that holds one text, one call or one answer and nothing else, as
    most do: each is looked at once. None for any other."""
    if type(entry) is not dict:
        return None
    names = entry.keys()
    if names == _NORMAL:
        content = entry["content"]
        is_text = isinstance(content, str) and not content.startswith("[")  # blocks as one text
        return {"role": role_name(entry["role"]), "content": content} if is_text else None
    parts = entry.get("parts")
    if type(parts) is not list or len(parts) != 1 or not names <= _AROUND_PARTS:
        return None
    block, role = parts[0], entry.get("role")
    if type(block) is not dict:
        return None
    names, kind = block.keys(), block.get("type")
    if names == _TEXT_ALONE and kind == "text":
        text = block["content"]
        return {"role": role_name(role), "content": text} if isinstance(text, str) else None
    if kind == "tool_call":
        return {"role": role_name(role), "content": None, "tool_calls": [_tool_call(block)]}
    if kind == "tool_call_response" and names == _ANSWER_ALONE and block["id"]:
        said = _plain(block["response"])
        return {"role": _answering(role), "content": said, "tool_call_id": block["id"]}
    return None


def _answering(role: object) -> object:
    """Who speaks in a message of nothing but answers: nobody asks in it, and no model speaks."""
    name = role_name(role)
    return "tool" if name in ("user", "assistant") else name


_NORMAL: Final = frozenset({"role", "content"})
_AROUND_PARTS: Final = frozenset({"role", "parts", "finish_reason"})
_ANSWER_ALONE: Final = frozenset({"type", "id", "response"})


def _each_once(blocks: list[object]) -> list[object]:
    """The blocks without the texts that say what the answer of a tool beside them says."""
    answers = [parsed(a[1]) for block in blocks if (a := _block_answer(block)) is not None]
    return [
        block for block in blocks if _is_answer(block) or parsed(_block_text(block)) not in answers
    ]


def whole_answer(value: object) -> list[object] | None:
    """The messages of an answer; chunks of a stream, of which only the last says why it ended,
    are one message."""
    value = unwrapped(value) if isinstance(value, str) else value
    told = messages(value, "assistant")
    if told is None or len(told) == 1 or not isinstance(value, list) or not _is_stream(value):
        return told
    return [_of_chunks([entry for entry in told if isinstance(entry, dict)])]


def _is_stream(entries: list[object]) -> bool:
    *before, last = [
        entry.get("finish_reason") if isinstance(entry, dict) else 1 for entry in entries
    ]
    return bool(before and last) and all(reason in ("", None) for reason in before)


def _of_chunks(chunks: list[dict[str, object]]) -> dict[str, object]:
    texts = [text for chunk in chunks if isinstance(text := chunk.get("content"), str)]
    calls: dict[object, dict[str, object]] = {}
    for call in tool_calls(chunks):
        if isinstance(call, dict):
            known = calls.setdefault(call.get("id") or len(calls), {})
            known.update({name: part for name, part in call.items() if part or name not in known})
    one: dict[str, object] = {}
    for chunk in chunks:
        one |= {name: part for name, part in chunk.items() if part is not None}
    one["content"] = _joined_chunks(texts)
    return one | {"tool_calls": list(calls.values())} if calls else one


def _joined_chunks(texts: list[str]) -> str | None:
    """The text of a stream; its last chunk may hold all of it."""
    *before, last = texts or [""]
    said = "".join(before)
    return (last if said and last.startswith(said) else said + last) or None


def _speaker_of(item_type: object) -> str | None:
    """Who speaks in an item of OpenAI's Responses that is no message."""
    kind = _kind_of(item_type)
    return "tool" if kind == ANSWER else "assistant" if kind or item_type == "reasoning" else None


def role_name(role: object) -> object:
    """The usual name of a role."""
    return _role(role) if isinstance(role, str) else role


@lru_cache(maxsize=64)
def _role(role: str) -> str:
    word = role.rpartition(".")[2].lower()  # it may be the member of an enum
    return _ROLES.get(role) or _ROLES.get(word) or (word if word in _USUAL_ROLES else role)


def _apart(entry: object) -> Sequence[object]:
    """The answers of several tools in one message (Anthropic, Bedrock, Gemini, tools that the
    provider runs), each on its own, because each answers another call, in their order."""
    if not isinstance(entry, dict):
        return [entry]
    holder = "parts" if "parts" in entry else "content"
    blocks = entry.get(holder)
    if isinstance(blocks, list) and None in blocks:
        blocks = [block for block in blocks if block is not None]
        entry = {**entry, holder: blocks}
    if not isinstance(blocks, list) or len(blocks) < 2 or not any(map(_is_answer, blocks)):
        return [entry]
    groups: list[list[object]] = []
    for block in _each_once(blocks):
        if groups and not _is_answer(block) and not _is_answer(groups[-1][-1]):
            groups[-1].append(block)
        else:
            groups.append([block])
    return [{**entry, holder: group} for group in groups]


def message(entry: object) -> object:
    """One message."""
    if not isinstance(entry, dict):
        return entry
    one = _saying_one_thing(entry)
    if one is not None:
        return one
    parts, content = entry.get("parts"), entry.get("content")
    if isinstance(parts, str):
        parts = parsed(parts)
    if isinstance(parts, list):
        if None in parts:
            parts = [part for part in parts if part is not None]
        if parts and isinstance(parts[0], str) and parts[0].startswith("{"):
            parts = [parsed(part) for part in parts]
        return _from_blocks(entry, parts)
    if "role" in entry and content is None:
        content, entry = _said_elsewhere(entry)
    if "role" in entry and isinstance(content, str):
        if content.startswith("[{"):  # its blocks, encoded once more
            blocks = parsed(content)
            if isinstance(blocks, list) and all(map(is_block, blocks)):
                return _from_blocks(entry, blocks)
        return _built(entry["role"], content, entry.get("tool_calls"), entry)
    inner = _wrapped(entry)
    if inner is not None:
        return _from_langchain(inner, entry)
    if "role" in entry and isinstance(content, list):
        return _from_blocks(entry, content)
    if "role" in entry:
        return _built(entry["role"], content, entry.get("tool_calls"), entry)
    kind = entry.get("type")
    speaker = _speaker_of(kind)
    if speaker is not None:
        return _from_blocks({"role": speaker}, [entry])
    return _from_langchain(entry, entry) if "type" in entry and "content" in entry else entry


def _said_elsewhere(entry: Mapping[str, object]) -> tuple[object, dict[str, object]]:
    """What a message without content says, and the message without it: a refusal, Cohere's text,
    the one call of OpenAI's functions."""
    others = dict(entry)
    called = others.get("function_call")
    if isinstance(called, dict) and not others.get("tool_calls"):
        others["tool_calls"] = [others.pop("function_call")]
    name = next((name for name in ("refusal", "message") if isinstance(entry.get(name), str)), "")
    return others.pop(name, None), others


def _wrapped(entry: Mapping[str, object]) -> dict[str, object] | None:
    """The message that LangChain has wrapped, in either way of its own."""
    for wrapper in ("kwargs", "data"):
        inner = entry.get(wrapper)
        if isinstance(inner, dict) and "content" in inner:
            return inner
    return None


def unshown(entries: object) -> list[dict[str, object]] | None:
    """What each of LangChain's messages holds beside what is shown of it: its id, what the
    provider said of the answer. None where none holds anything."""
    if not isinstance(entries, list):
        return None
    if len(entries) == 1 and isinstance(entries[0], list):
        entries = entries[0]
    rests = [_unshown(entry) for entry in entries]
    return rests if any(rests) else None


def _unshown(entry: object) -> dict[str, object]:
    if not isinstance(entry, dict) or "role" in entry or "parts" in entry:
        return {}
    inner = _wrapped(entry)
    if inner is None:
        inner = entry if "type" in entry and "content" in entry else {}
    return {
        name: value
        for name, value in inner.items()
        if value and name not in _OF_LANGCHAIN and _tells(value)
    }


_OF_LANGCHAIN: Final = frozenset(
    {
        *("type", "role", "content", "tool_calls", "tool_call_id", "name"),
        *("status", "is_error", "isError", "artifact"),
    }
)
"""What of LangChain's messages is shown, or says that all is well."""


def _tells(value: object) -> bool:
    """Whether an object holds anything but empty fields."""
    if isinstance(value, dict):
        return any(_tells(inner) for inner in value.values())
    return value is not None


def from_event(role: str, content: object, attributes: Mapping[str, object]) -> object:
    """The message of a span event ``gen_ai.<role>.message`` or ``gen_ai.choice``."""
    calls = parsed(attributes.get("tool_calls"))
    told = parsed(content)
    if isinstance(told, list) and told and all(map(is_block, told)):
        return _from_blocks({"role": role, **attributes, "tool_calls": calls}, told)
    is_message = isinstance(told, dict) and not told.keys().isdisjoint(("content", "tool_calls"))
    if isinstance(told, dict) and is_message and told.get("role", role) == role:
        return message({"role": role, **told})
    return _built(role, content, calls, attributes)


def text_of(value: object) -> object:
    """The text of content given in parts; anything else unchanged."""
    value = parsed(value)
    if not isinstance(value, list):
        return value
    texts = [text for block in value if (text := _block_text(block)) is not None]
    is_text = texts and len(texts) == len(value) and not any(map(_beside, value))
    return "\n".join(texts) if is_text else value


def instructions(value: object) -> object:
    """The text of instructions, however often they were encoded, be they one part or several."""
    value = unwrapped(value)
    if isinstance(value, dict) and _block_text(value) is not None and not _beside(value):
        return _block_text(value)
    if isinstance(value, (list, tuple)):
        value = [parsed(part) for part in value]
    return text_of(value)


def texts_of(value: object) -> list[object] | None:
    """The texts of messages that hold nothing else; OpenLLMetry writes so what became vectors."""
    told = messages(value) or []
    texts = [entry.get("content") for entry in told if isinstance(entry, dict)]
    return texts if texts and all(isinstance(text, str) for text in texts) else None


def answer_of(said: object, calls: object) -> list[object] | None:
    """The message of an answer that is told in two values, what was said and which tools were
    called; None where neither says anything."""
    calls = parsed(calls)
    if not said and not (isinstance(calls, (list, tuple)) and calls):
        return None
    return [message({"role": "assistant", "content": said or None, "tool_calls": calls or None})]


def question(told: list[object]) -> list[object] | None:
    """Everything up to and including the last message of the user: what comes after is the
    answer. Without any, what stands before the first answer."""
    roles = [entry.get("role") if isinstance(entry, dict) else None for entry in told]
    if "user" in roles:
        return told[: len(roles) - roles[::-1].index("user")]
    return told[: roles.index("assistant")] if "assistant" in roles else told or None


def last_content(answered: object) -> object:
    """What the last message says, but for what a tool has answered behind it."""
    if isinstance(answered, list) and answered and isinstance(answered[-1], dict):
        others = (m for m in reversed(answered) if isinstance(m, dict) and m.get("role") != "tool")
        spoken = next(others, {})
        is_answer = spoken.get("role") == "assistant" and spoken.get("content")
        last = spoken if is_answer else answered[-1]
        return last.get("content", last)
    return answered


def finish_reasons(value: object) -> list[object]:
    """The different reasons that messages give for their end, in order (GenAI conventions)."""
    value = parsed(value)
    found: list[object] = []
    for each in value if isinstance(value, (list, tuple)) else [value]:
        entry = parsed(each) if isinstance(each, str) else each
        told = entry if isinstance(entry, dict) else {}
        reason = told.get("finish_reason") or told.get("stop_reason")
        if reason and reason not in found:
            found.append(reason)
    return found


def tool_calls(answered: object) -> list[object]:
    """The tool calls of all messages."""
    found: list[object] = []
    for entry in answered if isinstance(answered, list) else ():
        if isinstance(entry, dict) and "tool_calls" in entry:
            found += entry["tool_calls"] if isinstance(entry["tool_calls"], list) else []
    return found


def tool_result(value: object) -> object:
    """What a tool answered, out of the message that a framework wrapped it in; where that tells
    more than the answer, a ``Part``. What is not certainly such a message stays whole."""
    value = parsed(value)
    if isinstance(value, dict):
        for wrapper, others in _WRAPPERS.items():
            inner = value.get(wrapper)
            if isinstance(inner, dict) and value.keys() <= others and _wraps(value, inner):
                message = {"type": value.get("type"), **inner}
                return _part_of(value, message, (wrapper, *_OF_WRAPPER))
        if value.keys() >= {"tool_name", "tool_output"}:  # LlamaIndex's result of a step
            return _part_of(value, value["tool_output"], ("tool_name", "tool_output"))
        if _is_tool_message(value):
            return _part_of(value, text_of(value["content"]), _OF_TOOL_MESSAGE)
        if value.keys() == {"id", "name", "response"}:  # Gemini's function response
            return value["response"]
        if value.keys() >= {"raw_output", "raw_input"} and not value.get("is_error"):
            return _part_of(value, value["raw_output"], _OF_TOOL_OUTPUT)  # LlamaIndex
    if isinstance(value, list) and value and all(is_block(block) for block in value):
        return text_of(value)
    return value


_WRAPPERS: Final[dict[str, frozenset[str]]] = {
    "output": frozenset({"output", "kwargs"}),
    "data": frozenset({"data", "type"}),
    "kwargs": frozenset({"kwargs", "lc", "type", "id", "name"}),
}
"""What LangChain wraps a message in, and what it says beside."""
_OF_WRAPPER: Final = ("type", "lc", "id", "name")
_OF_TOOL_MESSAGE: Final = ("content", "type", "name", "additional_kwargs", "response_metadata")
_OF_TOOL_OUTPUT: Final = ("raw_output", "raw_input", "content", "blocks", "tool_name", "is_error")


def _wraps(outer: Mapping[str, object], inner: Mapping[str, object]) -> bool:
    return _is_tool_message({"type": outer.get("type"), **inner}) or "lc" in outer or "lc" in inner


def _is_tool_message(value: Mapping[str, object]) -> bool:
    return "content" in value and ("tool_call_id" in value or value.get("type") == "tool")


def _part_of(value: Mapping[str, object], shown: object, known: Iterable[str]) -> object:
    rest = {name: other for name, other in value.items() if other and name not in known}
    inner = tool_result(shown)
    if isinstance(inner, Part):
        return Part(inner.shown, {**inner.rest, **rest})
    return Part(inner, rest) if rest else inner


def tool_arguments(value: object) -> object:
    """A tool's arguments as an object where that is certain; None without a value, and a ``Part``
    where the value tells more than them."""
    value = unwrapped(value)
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("inputs"), dict) and "input_str" in value:
        return _arguments_part(value, value["inputs"], ("inputs", "input_str"))
    if isinstance(value.get("input_str"), str):
        return _arguments_part(value, literal(value["input_str"]), ("input_str", "inputs"))
    if isinstance(value.get("kwargs"), dict) and not value.get("args") and value.keys() <= _CALL:
        return value["kwargs"]
    if value.keys() == _DESCRIBED and isinstance(value["parameters"], dict):  # veADK
        rest = {"description": value["description"]} if value["description"] else {}
        return Part(value["parameters"], rest)
    return value


def _arguments_part(value: Mapping[str, object], shown: object, known: Iterable[str]) -> object:
    rest = {name: other for name, other in value.items() if other and name not in known}
    return Part(shown, rest) if rest else shown


_DESCRIBED: Final = frozenset({"name", "description", "parameters"})
_CALL: Final = frozenset({"args", "kwargs", "sanitize_inputs_outputs"})
"""What a call is recorded with; smolagents adds one of its own."""


def literal(text: str) -> object:
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
    role = role_name(role)
    built: dict[str, object] = {"role": role, "content": content}
    if calls and isinstance(calls, (list, tuple)):
        built["tool_calls"] = [_tool_call(call) for call in calls]
    if source.keys() <= _SHOWN:
        return built
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
    if "status" in inner or "artifact" in inner:
        known |= _failure_in(inner) | {"artifact": inner.get("artifact")}
    content, calls = inner.get("content"), inner.get("tool_calls")
    if isinstance(content, list) and content:
        return _from_blocks({"role": kind, "tool_calls": calls, **known}, content)
    return _built(kind, text_of(content), calls, known)


def _from_blocks(source: Mapping[str, object], blocks: list[object]) -> dict[str, object]:
    if len(blocks) == 1:
        alone = _block_text(blocks[0])
        if alone is not None and not _beside(blocks[0]):
            return _built(source.get("role"), alone, source.get("tool_calls"), source)
    calls: list[object] = []
    thoughts: list[object] = []
    content: list[object] = []
    details: list[object] = []
    identity = dict(source)
    for block in blocks:
        text = _block_text(block)
        if text is not None:
            content.append(text)
            if beside := _beside(block):
                details.append(beside)
            continue
        call = _block_call(block)
        if call is not None:
            calls.append(call)
            continue
        answered = _block_answer(block)
        if answered is not None:
            identity |= {name: value for name, value in answered[0].items() if name not in identity}
            content.append(answered[1])
        elif _thinks(block):
            thoughts.append(block)
        elif not _is_empty(block):
            content.append(block)
    role = source.get("role")
    if blocks and all(map(_is_answer, blocks)):
        role = _answering(role)
    built = _built(role, _joined(content), calls or source.get("tool_calls"), identity)
    if details:
        built["content_details"] = details
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


def _is_empty(block: object) -> bool:
    """Whether it is the block of a text and holds none."""
    if not isinstance(block, dict):
        return block is None
    others = [value for name, value in block.items() if name != "type"]
    return block.get("type") in _TEXTS[1:] and not any(others)


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
    if len(content) == 1:
        return content[0]
    texts = [text for text in content if isinstance(text, str)]
    return "\n".join(texts) if len(texts) == len(content) else content


def is_block(block: object) -> bool:
    """Whether it is a part of a message, and not whatever has a text."""
    if not isinstance(block, dict):
        return False
    return isinstance(block.get("type"), str) or (len(block) == 1 and not _BLOCKS.isdisjoint(block))


_BLOCKS: Final = frozenset(
    {
        *("text", "json", "image", "document", "toolUse", "toolResult", "reasoningContent"),
        *("tool_call", "tool_call_result"),
        *("function_call", "functionCall", "function_response", "functionResponse"),
    }
)
"""What says of a part without a type which part it is (Bedrock, Gemini)."""


def _block_text(block: object) -> str | None:
    if not isinstance(block, dict):
        return block if isinstance(block, str) else None
    if block.get("type") not in _TEXTS or ("thought" in block and block["thought"] is True):
        return None
    text = block.get("text", block.get("content", block.get("refusal")))
    return text if isinstance(text, str) else None


def _beside(block: object) -> dict[str, object] | None:
    """What a block of text holds beside the text: citations, a signature."""
    if not isinstance(block, dict) or len(block) == 1 or block.keys() == _TEXT_ALONE:
        return None
    return {name: value for name, value in block.items() if value and name not in _OF_TEXT} or None


_TEXT_ALONE: Final = frozenset({"type", "content"})
_OF_TEXT: Final = frozenset({"type", "text", "content", "refusal", "thought", "index"})
_TEXTS: Final = (
    *(None, "text", "input_text", "output_text", "summary_text", "reasoning_text"),
    "refusal",  # what is said instead of an answer is one
)


def _block_call(block: object) -> dict[str, object] | None:
    """The call that a block holds, in the provider's own words."""
    if not isinstance(block, dict):
        return None
    if _kind_of(block.get("type")) == CALL:
        return block
    if block.keys().isdisjoint(_CALL_HOLDERS):
        return None
    for holder in _CALL_HOLDERS:
        inner = block.get(holder)
        if isinstance(inner, dict):
            return inner
    return None


_CALL_HOLDERS: Final = ("toolUse", "function_call", "functionCall", "tool_call")
_RESPONSE_HOLDERS: Final = ("function_response", "functionResponse")
_HAYSTACK: Final = "tool_call_result"
_ANSWER_HOLDERS: Final = ("toolResult", _HAYSTACK, *_RESPONSE_HOLDERS)


def _is_answer(block: object) -> bool:
    """Whether a block answers a call."""
    if not isinstance(block, dict):
        return False
    if _kind_of(block.get("type")) == ANSWER:
        return True
    return not block.keys().isdisjoint(_ANSWER_HOLDERS) and any(
        isinstance(block.get(holder), dict) for holder in _ANSWER_HOLDERS
    )


def _block_answer(block: object) -> tuple[dict[str, object], object] | None:
    """Which call a block answers, and what it says."""
    if not isinstance(block, dict):
        return None
    result = block.get("toolResult")
    if isinstance(result, dict):
        called = {"tool_call_id": result.get("toolUseId"), **_failure_in(result)}
        return called, text_of(result.get("content"))
    result = block.get(_HAYSTACK)
    if isinstance(result, dict):
        origin = result.get("origin")
        call = origin if isinstance(origin, dict) else {}
        called = {"tool_call_id": call.get("id"), "name": call.get("tool_name")}
        return called | ({"is_error": True} if result.get("error") else {}), result.get("result")
    for holder in _RESPONSE_HOLDERS:
        inner = block.get(holder)
        if isinstance(inner, dict):
            called = {"tool_call_id": inner.get("id"), "name": inner.get("name")}
            return called, inner.get("response")
    if _kind_of(block.get("type")) == ANSWER:
        answered = _first_of(block, "response", "result", "content", "output")
        call_id = _first_of(block, "call_id", "id", "tool_use_id", "toolCallId")
        called = {"tool_call_id": call_id, "name": _first_of(block, "name", "toolName")}
        return called | _failure_in(block), _plain(answered)
    return None


def _failure_in(answer: Mapping[str, object]) -> dict[str, object]:
    """What an answer says of a tool that failed."""
    if answer.keys().isdisjoint(_FAILURE):
        return {}
    told = {name: answer.get(name) for name in _FAILURE}
    return {name: value for name, value in told.items() if value and value not in _WELL}


_FAILURE: Final = ("status", "is_error", "isError")
_WELL: Final = ("success", "completed")
CALL, ANSWER = "call", "answer"
_CALL_ENDS: Final = ("tool_call", "tool_use", "function_call")
_ANSWER_ENDS: Final = ("tool_call_response", "tool_result", "function_call_output", "call_output")
"""How types of blocks end that hold calls and their answers; before it stands what kind of tool it
is, or who runs it: ``server_tool_use``, ``mcp_tool_result``, ``custom_tool_call``."""


def _kind_of(block_type: object) -> str | None:
    return _kind_by_type(block_type) if isinstance(block_type, str) else None


@lru_cache(maxsize=128)
def _kind_by_type(block_type: str) -> str | None:
    word = block_type.replace("-", "_")
    if word.endswith(_ANSWER_ENDS):
        return ANSWER
    return CALL if word.endswith(_CALL_ENDS) else None


def _plain(answered: object) -> object:
    if isinstance(answered, dict) and answered.keys() == {"type", "value"}:  # Vercel's AI SDK
        return answered["value"]
    return text_of(answered)


def _tool_call(call: object) -> dict[str, object]:
    call = parsed(call)  # an attribute's array can hold texts only
    if not isinstance(call, dict):
        return {"arguments": call}
    if call.keys() <= _NORMAL_CALL:
        name, arguments = call.get("name"), call.get("arguments")
        return {"id": call.get("id"), "name": unquoted(name), "arguments": unwrapped(arguments)}
    function = call.get("function")
    inner: Mapping[str, object] = function if isinstance(function, dict) else call
    told: dict[str, object] = {
        "id": _first_of(call, "call_id", "id", "toolUseId", "toolCallId"),
        "name": unquoted(_first_of(inner, "name", "toolName", "tool_name")),
        "arguments": unwrapped(_first_of(inner, "arguments", "args", "input")),
    }
    if not call.keys() <= _OF_CALL:
        told |= {name: value for name, value in call.items() if value and name not in _OF_CALL}
    return told


_NORMAL_CALL: Final = frozenset({"type", "id", "name", "arguments"})
_OF_CALL: Final = frozenset(
    {
        *("id", "call_id", "toolUseId", "toolCallId", "function"),
        *("name", "toolName", "tool_name"),
        *("arguments", "args", "input", "type", "index", "status", "caller"),
    }
)
"""What of a call is shown under a name of ours, or says nothing of it."""


def _first_of(source: Mapping[str, object], *names: str) -> object:
    for name in names:
        value = source.get(name)
        if value is not None:
            return value
    return None
