"""Chat messages of every known shape, as ``{role, content, tool_calls?, tool_call_id?, name?}``.

Shapes seen: the GenAI conventions' ``parts``; OpenAI's own; Anthropic's and Bedrock's content
blocks; the items of OpenAI's Responses; Gemini's parts; the Vercel AI SDK's; LangChain's serialised
messages (``lc``/``kwargs`` and ``type``/``data``). What is none of them is kept as it is: never
guessed.

What a model thought beside what it said is the message's ``reasoning``, a text. What providers keep
with it (ids, signatures, encrypted thoughts) is its ``reasoning_details``.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from prefactor_otel.mapping import kept
from prefactor_otel.mapping.kept import Kept
from prefactor_otel.mapping.rules import Told, itself
from prefactor_otel.mapping.shapes.blocks import (
    TOOL,
    Fields,
    call_of,
    failure_in,
    fields_of,
    is_block,
    speaker_of,
    text_of,
)
from prefactor_otel.mapping.shapes.texts import parsed, unwrapped

Entry = Mapping[str, object]

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


class _Outline(NamedTuple):
    """What follows of an entry from the role and the names in it."""

    empty: Fields
    """The message without anything said in it."""
    says: Callable[[Entry], object]
    """Gets what it says, None where that is nowhere that is usual."""
    may_say_otherwise: bool
    """Whether what is said may stand elsewhere."""
    others: Sequence[tuple[str, str, Callable[[object], object]]]
    """The names of what else it holds, how they are called in the message, and what reads them."""


def messages(value: object, role: str = "") -> list[object] | None:
    """A list of messages, from its JSON or itself; a lone message is a list of one, and so is a
    text, which somebody of this ``role`` said. None when it is no list."""
    entries = unwrapped(value)
    if type(entries) is not list or not entries or type(entries[0]) is not dict:
        entries = _listed(entries, role)
        if entries is None:
            return None
    told: list[object] = []
    for entry in entries:
        if isinstance(entry, dict):
            told += _told_by(entry, role)
        elif entry is not None:
            told.append(entry)
    return told


def _listed(value: object, role: str) -> list[object] | None:
    """What may be no list of messages yet as one: a lone message, a text that somebody of this
    role said, texts that hold messages, a list in a list."""
    if isinstance(value, str):
        return [{"role": role, "content": value}] if role and value else None
    if isinstance(value, dict):
        value = _in_object(value, role)
    elif isinstance(value, (list, tuple)) and value and isinstance(value[0], str):
        value = [parsed(entry) for entry in value]  # an attribute's array can hold texts only
    if not isinstance(value, list) or not value:
        return None
    is_batch = len(value) == 1 and isinstance(value[0], list)  # so LangChain sends
    return value[0] if is_batch else value


def _in_object(value: dict[str, object], role: str) -> list[object] | None:
    """The messages of an object that is one, or that holds a list of them (and nothing else, where
    we would know who says it)."""
    inner = value.get("messages", value.get("items"))
    if isinstance(inner, list):
        return inner if not role or len(value) == 1 else None
    return [value] if "role" in value or "parts" in value else None


def _told_by(entry: Fields, role: str = "") -> list[Fields]:
    """The messages of an entry: one, or one for each answer of a tool in it. What has no shape that
    is known is told as it is."""
    source: Entry = entry
    outline = _outline_of(source)
    said = outline.says(source)
    if said is None and outline.may_say_otherwise:
        found = _told_otherwise(entry, role)
        if found is None:
            return [entry]
        source, said = found
        outline = _outline_of(source)
    if type(said) is list:
        if len(said) != 1:
            return _of_several(said, outline, source)
        fields = fields_of(said[0])
    elif type(said) is str and said.startswith("[{"):
        return _told_by({**source, "parts": _decoded(said)})
    else:
        fields = {"content": said}
    message = outline.empty | fields
    if outline.others:
        _add_others(message, outline, source)
    return [message]


def _of_several(blocks: Sequence[object], outline: _Outline, source: Entry) -> list[Fields]:
    """The messages of several blocks, or of none."""
    messages = [outline.empty | fields for fields in _together(blocks)]
    for message in messages:
        _add_others(message, outline, source)
    return messages


def _decoded(text: str) -> list[object]:
    """The blocks of a message that were encoded once more; any other text as the one that it is."""
    blocks = parsed(text)
    return blocks if isinstance(blocks, list) and all(map(is_block, blocks)) else [text]


def _together(blocks: Sequence[object]) -> Iterator[Fields]:
    """The fields of the messages of these blocks, which are one, but for the answers of tools, of
    which each stands alone (Anthropic, Bedrock, Gemini, tools that the provider runs)."""
    told = [fields for fields in map(fields_of, blocks) if fields]
    answers = [parsed(fields["content"]) for fields in told if "role" in fields]
    group: list[Fields] = []
    for fields in told:
        if "role" not in fields:
            if not answers or _says_more(fields, answers):
                group.append(fields)
            continue
        if group:
            yield _joined(group)
        yield fields
        group = []
    if group or not told:
        yield _joined(group)


def _says_more(fields: Fields, answers: Sequence[object]) -> bool:
    """Whether a block is more than a text that says what the answer of a tool beside it says."""
    return fields.keys() != {"content"} or parsed(fields["content"]) not in answers


def _joined(group: Sequence[Fields]) -> Fields:
    """The fields of several blocks as those of one message."""
    joined: Fields = {}
    for name in _FIELDS:
        found = [fields[name] for fields in group if name in fields]
        if found:
            joined[name] = found[0] if len(found) == 1 else _FIELDS[name](found)
    return joined


def _of_texts(texts: list[object]) -> object:
    """One text of several, each on a line of its own; where some are none, all as they are."""
    said = [text for text in texts if isinstance(text, str)]
    return "\n".join(said) if len(said) == len(texts) else texts


def _of_lists(lists: list[object]) -> object:
    return [each for entries in lists if isinstance(entries, list) for each in entries]


_FIELDS: Final = {
    "content": _of_texts,
    "tool_calls": _of_lists,
    "content_details": _of_lists,
    "reasoning": _of_texts,
    "reasoning_details": _of_lists,
}
"""The fields that blocks fill, and how those of several become one."""


def _outline(key: kept.Outline) -> _Outline:
    """The outline of entries of a role and with these names."""
    role, *names = key
    speaker = _usual_role(role) if isinstance(role, str) else role
    is_message = "role" in names or "parts" in names
    calls = [(name, "tool_calls", _calls) for name in _CALLS if name in names]
    others = [
        (name, _THOUGHTS.get(name, name), itself)
        for name in map(str, names)
        if name not in _SHOWN and name not in _CALLS and not name.startswith("gen_ai.")
    ]
    return _Outline(
        empty={"role": speaker, "content": None},
        says=_says(names) if is_message else _nothing,
        may_say_otherwise=not is_message or not _ELSEWHERE.isdisjoint(names),
        others=(*calls, *others),
    )


_OUTLINES: Final = Kept(_outline)
_ELSEWHERE: Final = frozenset({"refusal", "message"})
"""Where a message without content may say something: a refusal, Cohere's text."""


def _says(names: Collection[object]) -> Callable[[Entry], object]:
    """What gets what a message says, of those with these names."""
    if "parts" in names:
        if "content" in names or not _ELSEWHERE.isdisjoint(names):
            return lambda entry: entry["parts"] or entry.get("content")
        return itemgetter("parts")
    return itemgetter("content") if "content" in names else _nothing


def _nothing(entry: Entry) -> None:
    return None


def _outline_of(entry: Entry) -> _Outline:
    key = (entry.get("role"), *entry)
    try:
        return _OUTLINES[key]
    except TypeError:  # an object where a role is expected
        return _outline(key)


def _add_others(message: Fields, outline: _Outline, source: Entry) -> None:
    """Add what a message's source holds beside what it says, but for what its blocks told."""
    for name, field, read in outline.others:
        value = read(source[name]) if field not in message else None
        if value:
            message[field] = value


def _calls(told: object) -> list[Fields]:
    """The calls beside what a message says, or the one of OpenAI's functions."""
    calls = unwrapped(told)
    if isinstance(calls, (list, tuple)):
        return [*map(call_of, calls)]
    return [call_of(calls)] if calls else []


_SHOWN: Final = frozenset({"role", "content", "parts", "type", "finish_reason"})
"""What of a message is shown under a name of ours; whatever else it holds stays in it."""
_CALLS: Final = ("tool_calls", "function_call")
_THOUGHTS: Final = {"reasoning_content": "reasoning", "thinking": "reasoning"}
"""Other names of a message's thoughts: DeepSeek's and Ollama's."""


def _usual_role(role: str) -> str:
    """The usual name of a role."""
    word = role.rpartition(".")[2].lower()  # it may be the member of an enum
    return _ROLES.get(role) or _ROLES.get(word) or (word if word in _USUAL_ROLES else role)


# -- messages that say it elsewhere -------------------------------------------------------

Said = tuple[Entry, object]
"""What stands around what a message says, and that."""


def _told_otherwise(entry: dict[str, object], role: str) -> Said | None:
    """What an entry says that has no role, or nothing under the usual names; None if it is no
    message of any shape that is known."""
    if "role" in entry or "parts" in entry:
        return _said_elsewhere(entry)
    found = _without_role(entry, role)
    if found is None and role and not _OF_MESSAGE.isdisjoint(entry):
        said = entry.get("content")
        source: Entry = {"role": role, **entry}
        return (source, said) if said is not None else _said_elsewhere(source)
    return found


_OF_MESSAGE: Final = frozenset(
    {"content", "tool_calls", "function_call", "refusal", "finish_reason"}
)
"""What says of an entry among messages that it is one."""


def _said_elsewhere(entry: Entry) -> Said:
    """What a message without content says."""
    for name in ("refusal", "message"):
        if name in entry and isinstance(entry[name], str):
            return {key: value for key, value in entry.items() if key != name}, entry[name]
    return entry, None


def _without_role(entry: dict[str, object], role: str) -> Said | None:
    """A message inside of one of OpenAI's choices, one of LangChain's, or an item of OpenAI's
    Responses, which is a block."""
    chosen = entry.get("message")
    if isinstance(chosen, dict) and "role" in chosen:
        around = {name: value for name, value in entry.items() if name not in ("message", "index")}
        return around | chosen, chosen.get("parts") or chosen.get("content")
    inner = _wrapped(entry)
    if inner is not None:
        return _of_langchain(inner, entry)
    speaker = speaker_of(entry.get("type"), role)
    if speaker is not None:
        return {"role": speaker}, [entry]
    return _of_langchain(entry, entry) if "type" in entry and "content" in entry else None


def _of_langchain(inner: Entry, outer: Entry) -> Said:
    kind = inner.get("type") or inner.get("role") or outer.get("type")
    known = {name: inner[name] for name in ("tool_call_id", "name") if name in inner}
    if "status" in inner or "artifact" in inner:
        known |= failure_in(inner) | {"artifact": inner.get("artifact")}
    content = inner.get("content")
    return {"role": kind, "tool_calls": inner.get("tool_calls"), **known}, (
        content if content and isinstance(content, list) else text_of(content)
    )


def _wrapped(entry: Entry) -> dict[str, object] | None:
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


# -- messages of other places -------------------------------------------------------------


def from_event(role: str, content: object, attributes: Entry) -> list[Fields]:
    """The messages of a span event ``gen_ai.<role>.message`` or ``gen_ai.choice``: mostly one."""
    told = parsed(content)
    is_message = isinstance(told, dict) and not told.keys().isdisjoint(("content", "tool_calls"))
    if isinstance(told, dict) and is_message and told.get("role", role) == role:
        return _told_by({"role": role, **told})
    return _told_by({**attributes, "role": role, "content": content})


def texts_of(value: object) -> list[object] | None:
    """The texts of messages that hold nothing else; OpenLLMetry writes so what became vectors."""
    told = messages(value) or []
    texts = [entry.get("content") for entry in told if isinstance(entry, dict)]
    return texts if texts and all(isinstance(text, str) for text in texts) else None


def answer_of(said: object, calls: object) -> list[Fields] | None:
    """The message of an answer that is told in two values, what was said and which tools were
    called; None where neither says anything."""
    calls = parsed(calls)
    if not said and not (isinstance(calls, (list, tuple)) and calls):
        return None
    return _told_by({"role": "assistant", "content": said or None, "tool_calls": calls or None})


def question(told: list[object]) -> list[object] | None:
    """Everything up to and including the last message of the user: what comes after is the
    answer. Without any, what stands before the first answer."""
    roles = [entry.get("role") if isinstance(entry, dict) else None for entry in told]
    if "user" in roles:
        return told[: len(roles) - roles[::-1].index("user")]
    return told[: roles.index("assistant")] if "assistant" in roles else told or None


def last_content(answered: object) -> object:
    """What the last message says, but for what a tool has answered behind it."""
    if not isinstance(answered, list) or not answered or not isinstance(answered[-1], dict):
        return answered
    last = answered[-1]
    if last.get("role") == TOOL:
        others = (m for m in reversed(answered) if isinstance(m, dict) and m.get("role") != TOOL)
        spoken = next(others, {})
        is_answer = spoken.get("role") == "assistant" and spoken.get("content")
        last = spoken if is_answer else last
    return last.get("content", last)


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


# -- chunks of a stream -------------------------------------------------------------------


def whole_answer(value: object) -> object:
    """The messages of an answer; chunks of a stream, of which only the last says why it ended, are
    one message. Where messages stopped for several reasons, these stay as they are."""
    told = messages(value, "assistant")
    if told is None or len(told) == 1:
        return told
    if _is_stream(unwrapped(value)):
        return [_of_chunks([entry for entry in told if isinstance(entry, dict)])]
    return told if len(finish_reasons(value)) <= 1 else Told({"answered": told}, whole=False)


def _is_stream(entries: object) -> bool:
    if not isinstance(entries, list):
        return False
    *before, last = [
        entry.get("finish_reason") if isinstance(entry, dict) else 1 for entry in entries
    ]
    return bool(before and last) and all(reason in ("", None) for reason in before)


def _of_chunks(chunks: list[Fields]) -> Fields:
    texts = [text for chunk in chunks if isinstance(text := chunk.get("content"), str)]
    calls: dict[str, Fields] = {}
    for call in tool_calls(chunks):
        if isinstance(call, dict):
            known = calls.setdefault(repr(call.get("id") or len(calls)), {})
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
