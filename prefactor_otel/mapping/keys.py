"""The attributes that hold single values, in every vocabulary: those trusted most come first."""

from typing import Final

REQUESTED_MODEL: Final = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "embedding.model_name",
    "reranker.model_name",
    "ai.model.id",
)
ANSWERED_MODEL: Final = (
    "gen_ai.response.model",
    "llm.response.model_name",
    "llm.model_name",
    "llm.response.model",
    "langfuse.observation.model.name",
    "mlflow.llm.model",
    "ai.response.model",
)
MODEL_HOLDERS: Final = (
    "llm.invocation_parameters",
    "input.value",
    "mlflow.spanInputs",
    "request_data",
)
PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
TOOL_NAME: Final = (
    "gen_ai.tool.name",
    "tool.name",
    "traceloop.entity.name",
    "ai.toolCall.name",
    "name",
)
OWN_TEXT: Final = ("crew_id", "crewai.task.description")
"""Ids and user texts that CrewAI's instrumentations write into names of spans."""
SESSION: Final = (
    "session.id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "langsmith.metadata.session_id",
    "langsmith.metadata.thread_id",
    "gcp.vertex.agent.session_id",
    "ai.telemetry.metadata.sessionId",
)
USER: Final = (
    "user.id",
    "enduser.id",
    "gen_ai.user",
    "traceloop.association.properties.user_id",
    "langsmith.metadata.user_id",
    "ai.telemetry.metadata.userId",
)
TAGS: Final = ("tag.tags", "tags")
STOP_REASON: Final = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "llm.finish_reason",
    "gen_ai.response.stop_reason",
    "llm.response.stop_reason",
    "llm.response.finish_reason",
    "anthropic.message.stop_reason",
    "ai.response.finishReason",
)
TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "prompt_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.usage.input_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
        "ai.usage.tokens",
    ),
    "completion_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.usage.output_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
        "ai.usage.totalTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.experimental.reasoning_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
}
USAGE_HOLDERS: Final = (
    "langfuse.observation.usage_details",
    "mlflow.chat.tokenUsage",
    "langsmith.metadata.usage_metadata",
    "response_data",
    "gcp.vertex.agent.llm_response",
    "gen_ai.usage.raw",
    "usage",
)
"""JSON objects of token counts, some of them with objects of details inside."""
TOKENS_INSIDE: Final = {
    "input_tokens": "prompt_tokens",
    "prompt_tokens": "prompt_tokens",
    "input": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "completion_tokens": "completion_tokens",
    "output": "completion_tokens",
    "total_tokens": "total_tokens",
    "total": "total_tokens",
    "cached_tokens": "cached_tokens",
    "cache_read": "cached_tokens",
    "cache_read_input_tokens": "cached_tokens",
    "input_cached_tokens": "cached_tokens",
    "cache_creation": "cache_write_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "prompt_token_count": "prompt_tokens",
    "total_token_count": "total_tokens",
    "cached_content_token_count": "cached_tokens",
    "thoughts_token_count": "reasoning_tokens",
    "reasoning": "reasoning_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
}
_STOP_REASONS: Final = {
    "stop": ("end_turn", "stop_sequence", "completed", "complete", "eos", "eos_token"),
    "length": ("max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
    "tool_calls": ("tool_call", "tool_use", "function_call", "function_calls"),
    "content_filter": (
        *("content_filtered", "guardrail_intervened", "refusal", "error_toxic"),
        *("safety", "image_safety", "recitation", "blocklist", "prohibited_content", "spii"),
    ),
    "error": (),
}
STOP_REASONS: Final = {
    word.replace("_", ""): reason
    for reason, others in _STOP_REASONS.items()
    for word in (reason, *others)
}
"""The usual word for why a model stopped, by those of the providers without what parts them."""
