"""The OpenTelemetry conventions for generative AI: structured attributes, trusted most."""

from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Under, types
from prefactor_otel.mapping.shapes.blocks import instructions
from prefactor_otel.mapping.shapes.messages import (
    finish_reasons,
    messages,
    texts_of,
    tool_calls,
    whole_answer,
)
from prefactor_otel.mapping.shapes.requests import documents, request, response
from prefactor_otel.mapping.shapes.texts import decoded, model_name, parsed, settings, text
from prefactor_otel.mapping.shapes.tools import declared
from prefactor_otel.mapping.shapes.used_tools import tool_arguments, tool_result
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVIDENCE,
    FIELDS,
    HANDOFF,
    LLM,
    OPERATION,
    OPERATION_WORDS,
    RERANKER,
    RETRIEVER,
    SPAN,
    TOOL,
    ByNames,
    ByValue,
)

OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
SYSTEM_NAME: Final = "gen_ai.system"
"""The provider's name in conventions before 1.37."""
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

OPERATIONS: Final = {
    "chat": LLM,
    "text_completion": LLM,
    "generate_content": LLM,
    "chat.completions": LLM,  # Semantic Kernel before 1.38, as the next three
    "chat.streaming_completions": LLM,
    "text.completions": LLM,
    "text.streaming_completions": LLM,
    "embeddings": EMBEDDING,
    "embedding": EMBEDDING,  # before the conventions had a word for it
    "execute_tool": TOOL,
    "invoke_agent": AGENT,
    "create_agent": SPAN,  # builds one, and runs nothing
    "retrieval": RETRIEVER,
    "vector_db_retrieve": RETRIEVER,
    "model_generation": CHAIN,  # Mastra: what is around the steps of an answer, and its pieces
    "model_chunk": CHAIN,
    "invoke_workflow": CHAIN,
    "execute_task": CHAIN,
    "handoff": HANDOFF,
    **dict.fromkeys(
        ("search_memory", "retrieve_memory", "query_memory", "recall_memory"), RETRIEVER
    ),
    **dict.fromkeys(("responses", "completions", "call_llm", "completion"), LLM),
    # by emitters that have words of their own
    **dict.fromkeys(("llm_call", "generation", "generate", "chat_completion", "messages"), LLM),
    **dict.fromkeys(("text_generation", "generate_text", "stream_text", "chat_stream"), LLM),
    **dict.fromkeys(("invoke_model", "converse", "converse_stream"), LLM),
    **dict.fromkeys(("agent", "agent_run", "run_agent", "agent_call"), AGENT),
    **dict.fromkeys(("tool", "tool_call", "call_tool", "run_tool"), TOOL),
    **dict.fromkeys(("retrieve", "retriever", "vector_search"), RETRIEVER),
    **dict.fromkeys(("rerank", "reranking"), RERANKER),
    "embed": EMBEDDING,
    "anthropic_messages": LLM,  # LiteLLM
    **dict.fromkeys(("image_generation", "speech", "transcription"), LLM),
    **dict.fromkeys(("text_to_speech", "speech_to_text"), LLM),
    **dict.fromkeys(("execute_code", "code_execution", "code_interpreter"), TOOL),
    **dict.fromkeys(("conversation", "speaker_selection", "await_human_input"), CHAIN),  # AG2
    **dict.fromkeys(("user_prompt", "schedule_tool_calls"), CHAIN),  # Gemini's command line
}

TYPES: Final = (
    ByValue(OPERATION, OPERATION_NAME, OPERATIONS, OPERATION_WORDS),
    ByValue(FIELDS, "mcp.method.name", {"tools/call": TOOL}, ()),
    ByNames(EVIDENCE + 1, ("gen_ai.tool.name",), TOOL),
)


def asked(value: object) -> list[object] | None:
    """The messages that were asked; a lone text is the user's."""
    return messages(value, "user")


def _asked_of_tool(value: object) -> object:
    """The arguments of the one call among messages; what is none, as it is."""
    calls = tool_calls(messages(value))
    one = calls[0] if len(calls) == 1 else None
    return one["arguments"] if isinstance(one, dict) else tool_arguments(value)


def _answered_by_tool(value: object) -> object:
    """What the one message of a tool says; what is none, as it is."""
    told = messages(value)
    one = told[0] if told is not None and len(told) == 1 else None
    is_answer = isinstance(one, dict) and one.get("role") == "tool"
    return (
        one.get("content") if isinstance(one, dict) and is_answer else tool_result(decoded(value))
    )


def anything(value: object) -> object:
    """What stands in place of messages and is none."""
    return parsed(value) or None


def stopped(value: object) -> object:
    """Why the first of the messages ended."""
    reasons = finish_reasons(value)
    return reasons[0] if reasons else None


RULES: Final = (
    Rule("requested", ("gen_ai.request.model",), model_name),
    Rule("answering", ("gen_ai.response.model",), model_name),
    Rule("system", (SYSTEM_INSTRUCTIONS,), instructions, INPUT),
    Rule("asked", (INPUT_MESSAGES,), asked, INPUT),
    Rule("asked", (INPUT_MESSAGES,), request, INPUT),
    Rule("input", (INPUT_MESSAGES,), anything, INPUT, types(LLM, AGENT, CHAIN)),
    Rule("texts", (INPUT_MESSAGES,), texts_of, INPUT, types(EMBEDDING)),
    Rule("answered", (OUTPUT_MESSAGES,), whole_answer, OUTPUT),
    Rule("answered", (OUTPUT_MESSAGES,), response, OUTPUT),
    Rule("output", (OUTPUT_MESSAGES,), anything, OUTPUT, types(LLM, AGENT, CHAIN)),
    Rule("stopped", (OUTPUT_MESSAGES,), stopped, OUTPUT, types(LLM), partly=True),
    Rule("tools", (TOOL_DEFINITIONS, "gen_ai.agent.tools"), declared, INPUT),
    Rule("arguments", ("gen_ai.tool.call.arguments",), tool_arguments, INPUT),
    Rule("result", ("gen_ai.tool.call.result",), lambda value: tool_result(decoded(value)), OUTPUT),
    Rule("arguments", (INPUT_MESSAGES,), _asked_of_tool, INPUT, types(TOOL)),
    Rule("result", (OUTPUT_MESSAGES,), _answered_by_tool, OUTPUT, types(TOOL)),
    Rule("query", ("gen_ai.retrieval.query.text",), side=INPUT),
    Rule("documents", ("gen_ai.retrieval.documents",), parsed, OUTPUT),
    Rule("query", ("gen_ai.memory.query.text",), side=INPUT),
    Rule("documents", ("gen_ai.memory.records",), documents, OUTPUT, types(RETRIEVER)),
    Rule("input", ("gen_ai.memory.records",), parsed, INPUT, types(CHAIN)),
    Rule("dimensions", ("gen_ai.embeddings.dimension.count",)),
    Rule("parameters", Under("gen_ai.request.", "gen_ai.openai.request."), settings, of=types(LLM)),
    Rule("name", ("gen_ai.tool.name",), text, of=types(TOOL)),
    Rule("name", ("gen_ai.agent.name",), text, of=types(AGENT)),
    Rule("provider", (PROVIDER_NAME, SYSTEM_NAME)),
    Rule("response_id", ("gen_ai.response.id",), text, partly=True),
)
