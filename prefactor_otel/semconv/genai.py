"""OpenTelemetry semantic conventions for generative AI: the keys that this package reads."""

from typing import Final


class GenAI:
    """Attributes of GenAI spans (semantic conventions, GenAI spans and agent spans)."""

    OPERATION_NAME: Final = "gen_ai.operation.name"
    PROVIDER_NAME: Final = "gen_ai.provider.name"
    SYSTEM: Final = "gen_ai.system"
    """The provider's name in conventions before 1.37."""
    REQUEST_MODEL: Final = "gen_ai.request.model"
    RESPONSE_MODEL: Final = "gen_ai.response.model"
    FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
    INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
    CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
    CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
    INPUT_MESSAGES: Final = "gen_ai.input.messages"
    OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
    SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
    TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
    TOOL_NAME: Final = "gen_ai.tool.name"
    TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
    TOOL_RESULT: Final = "gen_ai.tool.call.result"
    AGENT_NAME: Final = "gen_ai.agent.name"
    AGENT_TOOLS: Final = "gen_ai.agent.tools"
    """Strands' list of tool names."""
    RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"
    RETRIEVAL_DOCUMENTS: Final = "gen_ai.retrieval.documents"
    EMBEDDING_DIMENSIONS: Final = "gen_ai.embeddings.dimension.count"


REQUEST_PARAMETERS: Final = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.stop_sequences": "stop_sequences",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
}
"""Sampling parameters: attribute, and its name inside ``inputs.parameters``."""
