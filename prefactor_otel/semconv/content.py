"""Keys of every known vocabulary whose values are content: what users, models and tools said.

Used only to keep content out when its capture is switched off.
"""

from typing import Final

INPUT_KEYS: Final = (
    "gen_ai.input.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments",
    "gen_ai.prompt",
    "input.",
    "llm.input_messages.",
    "llm.prompts",
    "llm.prompt_template.",
    "llm.tools",
    "llm.request.functions.",
    "tool.parameters",
    "tool_arguments",
    "traceloop.entity.input",
    "gen_ai.task.input",
    "gen_ai.retrieval.query",
    "llm.invocation_parameters",
    "model_request_parameters",
    "retrieval.query",
    "embedding.embeddings.",
    "embedding.text",
    "reranker.query",
    "reranker.input_documents.",
    "pydantic_ai.all_messages",
    "all_messages_events",
)
OUTPUT_KEYS: Final = (
    "gen_ai.output.messages",
    "gen_ai.tool.call.result",
    "gen_ai.completion",
    "output.",
    "llm.output_messages.",
    "tool_response",
    "traceloop.entity.output",
    "gen_ai.task.output",
    "gen_ai.retrieval.documents",
    "retrieval.documents.",
    "reranker.output_documents.",
    "final_result",
    "pydantic_ai.all_messages",
    "all_messages_events",
)
INPUT_EVENTS: Final = (
    "gen_ai.system.message",
    "gen_ai.user.message",
    "gen_ai.tool.message",
    "gen_ai.content.prompt",
    "gen_ai.client.inference.operation.details",
)
OUTPUT_EVENTS: Final = (
    "gen_ai.choice",
    "gen_ai.assistant.message",
    "gen_ai.content.completion",
    "gen_ai.client.inference.operation.details",
)
