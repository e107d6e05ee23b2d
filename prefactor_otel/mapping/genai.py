"""Reader of the OpenTelemetry GenAI conventions: structured attributes (trusted most)."""

from typing import Final

from prefactor_otel.mapping.content import Content, parsed, settings
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import (
    finish_reasons,
    messages,
    text_of,
    texts_of,
    tool_arguments,
    tool_result,
)
from prefactor_otel.semconv.genai import REQUEST_PARAMETERS, GenAI

VOCABULARY: Final = (
    *("gen_ai.system_instructions", "gen_ai.input.", "gen_ai.output.", "gen_ai.request."),
    *("gen_ai.tool.", "gen_ai.agent.tools", "gen_ai.retrieval.", "gen_ai.embeddings."),
)


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from ``gen_ai.*`` attributes."""
    content.offer("system", [GenAI.SYSTEM_INSTRUCTIONS], text_of)
    content.offer("asked", [GenAI.INPUT_MESSAGES], messages)
    if GenAI.OUTPUT_MESSAGES in content.attributes:
        answered = parsed(content.attributes[GenAI.OUTPUT_MESSAGES])
        reasons = finish_reasons(answered)
        shown = [GenAI.OUTPUT_MESSAGES] if len(reasons) < 2 else []
        content.fill("answered", messages(answered), shown)
        content.fill("stop_reason", reasons[0] if reasons else None)
    fill_tools(content, GenAI.TOOL_DEFINITIONS)
    fill_tools(content, GenAI.AGENT_TOOLS)
    if span_type is SpanType.TOOL:
        content.offer("arguments", [GenAI.TOOL_ARGUMENTS], tool_arguments)
        content.offer("result", [GenAI.TOOL_RESULT], tool_result)
    if span_type is SpanType.RETRIEVER:
        content.offer("query", [GenAI.RETRIEVAL_QUERY])
        content.offer("documents", [GenAI.RETRIEVAL_DOCUMENTS], parsed)
    if span_type is SpanType.EMBEDDING:
        content.offer("texts", [GenAI.INPUT_MESSAGES], texts_of)
        content.offer("dimensions", [GenAI.EMBEDDING_DIMENSIONS])
    if not REQUEST_PARAMETERS.keys().isdisjoint(content.keys):
        given = [key for key in REQUEST_PARAMETERS if key in content.attributes]
        named = {REQUEST_PARAMETERS[key]: content.attributes[key] for key in given}
        content.fill("parameters", settings(named), given)


def fill_tools(content: Content, key: str) -> None:
    """Show the names of declared tools; a declaration that tells more stays where it is."""
    declared = parsed(content.attributes.get(key))
    if declared is not None:
        content.fill("tools", tool_names(declared), [key] if only_names(declared) else [])


def tool_names(value: object) -> object:
    """The names of declared tools, whatever shape their definitions have."""
    value = parsed(value)
    if not isinstance(value, (list, tuple)):
        return value
    return [_tool_name(tool) for entry in value for tool in _declared(entry)]


def only_names(value: object) -> bool:
    """Whether names are all that these definitions of tools hold."""
    value = parsed(value)
    if not isinstance(value, (list, tuple)):
        return True
    return all(isinstance(tool, str) for entry in value for tool in _declared(entry))


def _declared(entry: object) -> list[object]:
    """The tools of one entry: Gemini declares several in one."""
    entry = parsed(entry)
    inner = entry.get("function_declarations") if isinstance(entry, dict) else None
    return inner if isinstance(inner, list) else [entry]


def _tool_name(tool: object) -> object:
    if not isinstance(tool, dict):
        return tool
    for holder in ("function", "toolSpec"):
        inner = tool.get(holder)
        if isinstance(inner, dict):
            return inner.get("name", tool)
    return tool.get("name", tool)
