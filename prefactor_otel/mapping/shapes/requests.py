"""Whole requests and responses in one value each: what of them is a message, a tool, a setting.

Shapes seen: OpenAI's and Anthropic's requests, OpenAI's ``choices``, the ``input`` and ``output``
of its Responses, LangChain's ``generations``, Gemini's ``contents`` and ``content``, a single
message, a list of them.
"""

from typing import Final

from prefactor_otel.mapping.rules import Part, Slot, Told
from prefactor_otel.mapping.shapes.blocks import text_of
from prefactor_otel.mapping.shapes.messages import last_content, messages, unshown
from prefactor_otel.mapping.shapes.texts import is_setting, model_name, parsed
from prefactor_otel.mapping.shapes.tools import only_names, tool_names

Fields = dict[str, object]

_SHOWN_OTHERWISE: Final = frozenset(
    {
        *("messages", "contents", "input", "model", "tools"),
        *("system", "system_instruction", "instructions", "config"),
    }
)
_SYSTEM: Final = ("system", "system_instruction", "instructions")


def request(value: object) -> object:
    """A model's whole request: its messages, and whatever else of it can be shown."""
    given = parsed(value)
    asked = messages_in(given)
    if asked is None:
        return None
    if not isinstance(given, dict):
        return asked
    config = given.get("config")
    fields: Fields = given if not isinstance(config, dict) else {**given, **config}
    slots: dict[Slot, object] = {"asked": asked}
    told = [name for name in _SYSTEM if fields.get(name) is not None]
    if told:
        slots["system"] = text_of(fields[told[0]])
    tools = fields.get("tools")
    if tools is not None:
        slots["tools"] = tool_names(tools)
    rest: Fields = {}
    if tools and not only_names(tools):
        inside = isinstance(config, dict) and "tools" in config
        rest = {"config": {"tools": tools}} if inside else {"tools": tools}
    beside = unshown(given.get("messages"))
    if beside:
        rest["messages"] = beside
    settings = {
        name: setting
        for name, setting in fields.items()
        if name not in _SHOWN_OTHERWISE and is_setting(name, setting)
    }
    if settings:
        slots["parameters"] = settings
    return Told(slots, rest)


def response(value: object) -> object:
    """A model's whole response: its messages, and why it stopped; of one without an answer the
    error that it tells of."""
    got = parsed(value)
    answered, is_whole = answer_in(got)
    if answered is None:
        error = _error_in(got)
        return Told({"failed": error}, whole=False) if error is not None else None
    return Told({"answered": answered, "stop_reason": stop_reason(got)}, whole=is_whole)


def _error_in(response: object) -> dict[str, object] | None:
    """The error of a response as ``{error_type, message}``: Google's ADK tells it beside the
    answer, OpenAI and Anthropic in its place."""
    if not isinstance(response, dict):
        return None
    told = response.get("error")
    fields: Fields = told if isinstance(told, dict) else {}
    code = response.get("error_code") or fields.get("code") or fields.get("type")
    message = response.get("error_message") or fields.get("message")
    if not code and not message:
        return None
    is_code = isinstance(code, (str, int)) and len(str(code).split()) == 1
    return {
        "error_type": str(code) if is_code else "Error",
        "message": message if isinstance(message, str) else "",
    }


def model_in(value: object) -> str | None:
    """The model that a request names."""
    given = parsed(value)
    if not isinstance(given, dict):
        return None
    model = given.get("model") or given.get("model_name")
    return model_name(model)


def stopped(value: object) -> object:
    """Why the model stopped, out of its whole response or its JSON."""
    return stop_reason(parsed(value))


def messages_in(value: object) -> list[object] | None:
    """The messages of a request, or a list of them; None when there are none."""
    value = parsed(value)
    if isinstance(value, dict):
        given = next(
            (value[name] for name in ("messages", "contents", "items") if name in value), None
        )
        value = given if given is not None else _items(value.get("input"))
    if not isinstance(value, list) or not value:
        return None
    first = value[0][0] if isinstance(value[0], list) and value[0] else value[0]
    return messages(value) if isinstance(first, dict) else None


def _items(value: object) -> object:
    """What OpenAI's Responses are asked or answer, if it is a list of items and nothing else."""
    is_items = isinstance(value, list) and all(
        isinstance(item, dict) and ("role" in item or "type" in item) for item in value
    )
    return value if is_items else None


def messages_alone(value: object) -> list[object] | None:
    """The messages of a value that holds nothing else."""
    value = parsed(value)
    if not isinstance(value, dict):
        return None
    is_alone = len(value) == 1 or sum(other is not None for other in value.values()) == 1
    return messages_in(value) if is_alone else None


def asked_alone(value: object) -> object:
    """The same; where LangChain's messages tell more than is shown of them, a ``Part``."""
    value = parsed(value)
    told = messages_alone(value)
    rest = unshown(value.get("messages")) if told and isinstance(value, dict) else None
    return Part(told, {"messages": rest}) if rest else told


def messages_of_updates(value: object) -> list[object] | None:
    """What a node of LangGraph added to the messages, if all that it did is that."""
    commands = parsed(value)
    if not isinstance(commands, list):
        return None
    added: list[object] = []
    for command in commands:
        told = messages_alone(_only_update(command))
        if told is None:
            return None
        added += told
    return added or None


def _only_update(command: object) -> object:
    """The update of a LangGraph command that neither goes anywhere nor resumes anything."""
    if not isinstance(command, dict) or "graph" not in command:
        return None
    others = any(value for name, value in command.items() if name != "update")
    return command.get("update") if not others else None


def last_answer(value: object) -> object:
    """What the last message of a graph's state, or the message itself, says."""
    value = parsed(value)
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        others = [other for name, other in value.items() if name != "text"]
        if others and not any(others):  # an answer with room for what it does not hold
            return value["text"]
    said = messages_in(value) if isinstance(value, dict) else None
    return last_content(said if said is not None else _gemini(value)) or None


def answer_in(response: object) -> tuple[list[object] | None, bool]:
    """The messages of a response, and whether they are all that it holds."""
    if isinstance(response, list):
        if response and all(map(_is_call, response)):
            return messages([{"role": "assistant", "content": None, "tool_calls": response}]), True
        is_messages = all(isinstance(entry, dict) and "role" in entry for entry in response)
        return (messages(response), True) if is_messages else (None, False)
    if not isinstance(response, dict):
        return None, False
    if "role" in response and ("content" in response or "tool_calls" in response):
        return messages([response]), True
    output = response.get("output")
    said = response.get("message", output.get("message") if isinstance(output, dict) else None)
    if isinstance(said, dict):  # Ollama, Bedrock
        return messages([said]), False
    if isinstance(response.get("messages"), list):
        return messages_in(response), len(response) == 1
    replies = response.get("replies")
    if isinstance(replies, list):  # Haystack
        return messages([_reply(reply) for reply in replies]), False
    choices = response.get("choices", response.get("generations"))
    if isinstance(choices, list):
        return _of_choices(choices), False
    candidates = response.get("candidates")
    if isinstance(candidates, list):
        told = [answer for each in candidates for answer in _gemini(each) or ()]
        return told or None, False
    items = _items(response.get("output"))
    if items is not None:
        return messages(items), False
    return _gemini(response), False


def _is_call(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and "role" not in entry
        and (isinstance(entry.get("function"), dict) or {"name", "arguments"} <= entry.keys())
    )


def _reply(reply: object) -> object:
    if not isinstance(reply, dict):
        return {"role": "assistant", "content": reply}
    return {name: value for name, value in reply.items() if name not in ("meta", "_meta")}


def answering_model(response: object) -> str | None:
    """The model that a whole response, or its first reply, names."""
    got = parsed(response)
    if not isinstance(got, dict):
        return None
    replies = got.get("replies")
    first = replies[0] if isinstance(replies, list) and replies else None
    holders = (got, got.get("meta"), first.get("meta") if isinstance(first, dict) else None)
    return next((model for holder in holders if (model := model_in(holder))), None)


def query(value: object) -> object:
    """What was searched for, out of what was given with it."""
    value = parsed(value)
    if not isinstance(value, dict) or value.get("query") is None:
        return value
    rest = {name: other for name, other in value.items() if other and name != "query"}
    return Part(value["query"], rest)


def documents(value: object) -> object:
    """The documents that a search or a reordering found; what came with them stays."""
    found = parsed(value)
    told = _documents(found)
    is_whole = not isinstance(found, dict) or len(found) == 1
    return Told({"documents": told}, whole=is_whole) if told is not None else None


def _documents(found: object) -> list[object] | None:
    """What was found, as ``{content, id?, score?, metadata?}`` where it is a document."""
    if isinstance(found, dict):
        found = found.get("documents")
    return [_document(entry) for entry in found] if isinstance(found, (list, tuple)) else None


def _document(entry: object) -> object:
    """One of LangChain's, serialised or not; any other as it is."""
    if isinstance(entry, dict) and entry.keys() == {"document"}:
        entry = entry["document"]
    inner = entry.get("kwargs") if isinstance(entry, dict) and "lc" in entry else entry
    if not isinstance(inner, dict) or "page_content" not in inner:
        return entry
    others = {name: value for name, value in inner.items() if name not in ("page_content", "type")}
    told = {name: value for name, value in others.items() if value is not None and value != {}}
    return {"content": inner["page_content"], **told}


def stop_reason(response: object) -> object:
    """Why the model stopped, out of its whole response."""
    if not isinstance(response, dict):
        return None
    choice = response.get("choices") or response.get("generations")
    choice = choice or response.get("candidates") or response.get("replies")
    while isinstance(choice, list) and choice:
        choice = choice[0]
    if isinstance(choice, dict):
        info = choice.get("generation_info", choice.get("meta"))
        said = info if isinstance(info, dict) else choice
        return said.get("finish_reason", said.get("finishReason"))
    incomplete = response.get("incomplete_details")  # OpenAI's Responses
    if isinstance(incomplete, dict):
        return incomplete.get("reason")
    for name in _STOPS:
        if response.get(name):
            return response[name]
    return None


_STOPS: Final = ("finish_reason", "stop_reason", "stopReason", "finishReason", "done_reason")


def _of_choices(choices: list[object]) -> list[object] | None:
    if choices and isinstance(choices[0], list):  # LangChain batches what it sends
        choices = choices[0]
    said = [choice.get("message") for choice in choices if isinstance(choice, dict)]
    return messages([message for message in said if isinstance(message, dict)])


def _gemini(response: object) -> list[object] | None:
    said = response.get("content") if isinstance(response, dict) else None
    return messages([said]) if isinstance(said, dict) and "parts" in said else None
