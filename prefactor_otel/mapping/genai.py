"""Reader of the OpenTelemetry GenAI conventions: span attributes to payload fields."""

import orjson

from prefactor_otel.mapping.fields import Fields
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.semconv.genai import REQUEST_PARAMETERS, GenAI
from prefactor_otel.span import SpanView


def read(view: SpanView, span_type: SpanType) -> Fields:
    """The payload fields that GenAI attributes give; what is not there stays empty."""
    fields = Fields(view.attributes)
    if span_type is SpanType.LLM:
        _read_llm(fields)
    elif span_type is SpanType.TOOL:
        _read_tool(fields)
    elif span_type is SpanType.AGENT:
        _read_agent(fields)
    elif span_type is SpanType.EMBEDDING:
        _read_embedding(fields)
    return fields


def _read_llm(fields: Fields) -> None:
    _read_model(fields)
    _read_messages(fields)
    definitions = fields.take(GenAI.TOOL_DEFINITIONS)
    if definitions is not None:
        fields.inputs["tools"] = _tool_names(parsed(definitions))
    parameters = {
        name: fields.take(key) for key, name in REQUEST_PARAMETERS.items() if key in fields.source
    }
    if parameters:
        fields.inputs["parameters"] = parameters
    reasons = fields.take(GenAI.FINISH_REASONS)
    if isinstance(reasons, (list, tuple)) and reasons:
        fields.outputs["stop_reason"] = reasons[0]
    _read_usage(fields)


def _read_embedding(fields: Fields) -> None:
    _read_model(fields)
    _read_usage(fields)


def _read_model(fields: Fields) -> None:
    requested, answered = fields.take(GenAI.REQUEST_MODEL), fields.take(GenAI.RESPONSE_MODEL)
    if requested or answered:
        fields.inputs["model"] = requested or answered
    if requested and answered:
        fields.metadata["response_model"] = answered


def _read_messages(fields: Fields) -> None:
    system = fields.take(GenAI.SYSTEM_INSTRUCTIONS)
    if system is not None:
        fields.inputs["system"] = _joined_text(parsed(system))
    asked = fields.take(GenAI.INPUT_MESSAGES)
    if asked is not None:
        fields.inputs["messages"] = messages(parsed(asked))
    answered = fields.take(GenAI.OUTPUT_MESSAGES)
    if answered is not None:
        fields.outputs["messages"] = messages(parsed(answered))


def _read_tool(fields: Fields) -> None:
    name = fields.take(GenAI.TOOL_NAME)
    fields.name = name if isinstance(name, str) else None
    arguments = parsed(fields.take(GenAI.TOOL_ARGUMENTS))
    if isinstance(arguments, dict):
        fields.inputs.update(arguments)
    elif arguments is not None:
        fields.inputs["input"] = arguments
    result = fields.take(GenAI.TOOL_RESULT)
    if result is not None:
        fields.outputs["output"] = parsed(result)


def _read_agent(fields: Fields) -> None:
    name = fields.take(GenAI.AGENT_NAME)
    fields.name = name if isinstance(name, str) else None
    _read_messages(fields)
    answer = fields.outputs.pop("messages", None)
    if answer is not None:
        fields.outputs["output"] = _last_content(answer)


def _read_usage(fields: Fields) -> None:
    prompt, completion = fields.take(GenAI.INPUT_TOKENS), fields.take(GenAI.OUTPUT_TOKENS)
    if not isinstance(prompt, int) and not isinstance(completion, int):
        return
    asked = prompt if isinstance(prompt, int) else 0
    answered = completion if isinstance(completion, int) else 0
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
    }
    for key, name in (
        (GenAI.CACHE_READ_TOKENS, "cached_tokens"),
        (GenAI.CACHE_WRITE_TOKENS, "cache_write_tokens"),
    ):
        tokens = fields.take(key)
        if isinstance(tokens, int):
            usage[name] = tokens
    fields.token_usage = usage


def parsed(value: object) -> object:
    """The value of a JSON text that holds an object or array; anything else unchanged."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def messages(value: object) -> object:
    """Chat messages as ``{role, content, tool_calls?, tool_call_id?, name?}``, from the
    conventions' ``{role, parts}``; what has another shape unchanged."""
    if not isinstance(value, list):
        return value
    return [_message(entry) for entry in value]


def _message(entry: object) -> object:
    if not isinstance(entry, dict) or not isinstance(entry.get("parts"), list):
        return entry
    parts = [part for part in entry["parts"] if isinstance(part, dict)]
    message: dict[str, object] = {"role": entry.get("role")}
    content = [_content(part) for part in parts if part.get("type") != "tool_call"]
    message["content"] = content[0] if len(content) == 1 else content or None
    calls = [_tool_call(part) for part in parts if part.get("type") == "tool_call"]
    if calls:
        message["tool_calls"] = calls
    answers = [part["id"] for part in parts if part.get("type") == "tool_call_response"]
    if answers:
        message["tool_call_id"] = answers[0]
    if entry.get("name"):
        message["name"] = entry["name"]
    return message


def _content(part: dict[str, object]) -> object:
    if part.get("type") == "text":
        return part.get("content")
    if part.get("type") == "tool_call_response":
        return part.get("response", part.get("result"))
    return part


def _tool_call(part: dict[str, object]) -> dict[str, object]:
    return {
        "id": part.get("id"),
        "name": part.get("name"),
        "arguments": parsed(part.get("arguments")),
    }


def _joined_text(value: object) -> object:
    if not isinstance(value, list):
        return value
    texts = [part.get("content") for part in value if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str)) or value


def _last_content(answer: object) -> object:
    if isinstance(answer, list) and answer and isinstance(answer[-1], dict):
        return answer[-1].get("content", answer[-1])
    return answer


def _tool_names(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [tool.get("name", tool) if isinstance(tool, dict) else tool for tool in value]
