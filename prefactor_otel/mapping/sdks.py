"""Reader of SDKs with a vocabulary of their own: Langfuse, MLflow, LangSmith, Google's ADK, CrewAI
by OpenLLMetry, Logfire before it spoke GenAI, and the Vercel AI SDK."""

from collections.abc import Sequence
from typing import Final

from prefactor_otel.mapping.content import Content, decoded, parsed, settings
from prefactor_otel.mapping.genai import fill_tools
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import message
from prefactor_otel.mapping.whole import messages_in, read_call, read_pair

STEPS: Final = (
    ("langfuse.observation.input", "langfuse.observation.output"),
    ("mlflow.spanInputs", "mlflow.spanOutputs"),
    ("gen_ai.prompt", "gen_ai.completion"),
    ("gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"),
    ("crewai.task.description", "crewai.crew.result"),
)
"""What a step was given and what it gave back, each whole in one attribute."""
CALLS: Final = (
    ("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response"),
    ("request_data", "response_data"),
)
"""The same for calls of models alone; on other steps these hold something else."""
CREW_TASKS: Final = "crewai.crew.tasks"
VERCEL: Final = "ai.operationId"
PARAMETERS: Final = "langfuse.observation.model.parameters"
VOCABULARY: Final = (
    *(VERCEL, PARAMETERS, CREW_TASKS),
    *(key for pair in (*STEPS, *CALLS) for key in pair),
)


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from what these SDKs write."""
    for given, got in content.names[_steps]:
        read_pair(content, span_type, given, got)
    content.offer("input", [CREW_TASKS], _descriptions, partly=True)
    if span_type is SpanType.LLM:
        for given, got in CALLS:
            if given in content.attributes:
                read_call(content, given, got)
        content.offer("parameters", [PARAMETERS], settings)
    if VERCEL in content.attributes:
        _read_vercel(content, span_type)


def _steps(keys: tuple[str, ...]) -> Sequence[tuple[str, str]]:
    return [(given, got) for given, got in STEPS if given in keys or got in keys]


def _descriptions(value: object) -> object:
    """What a crew was asked: the description of its task, or of each where they are several."""
    tasks = parsed(value)
    if not isinstance(tasks, list):
        return None
    told = [task.get("description") for task in tasks if isinstance(task, dict)]
    return told[0] if len(told) == 1 else told or None


def _read_vercel(content: Content, span_type: SpanType) -> None:
    if span_type is SpanType.TOOL:
        content.offer("arguments", ["ai.toolCall.args", "ai.toolCall.input"], decoded)
        content.offer("result", ["ai.toolCall.result", "ai.toolCall.output"], decoded)
    elif span_type is SpanType.EMBEDDING:
        content.offer("texts", ["ai.values", "ai.value"], _texts)
        content.offer("output", ["ai.embeddings", "ai.embedding"], _vectors)
    else:
        fill_tools(content, "ai.prompt.tools")
        content.offer("asked", ["ai.prompt.messages", "ai.prompt"], messages_in)
        content.offer("input", ["ai.prompt"], decoded)
        _read_answer(content)


def _read_answer(content: Content) -> None:
    text, object_ = "ai.response.text", "ai.response.object"
    said = content.attributes.get(text) or content.attributes.get(object_)
    calls = parsed(content.attributes.get("ai.response.toolCalls"))
    if said or isinstance(calls, list):
        answer = message({"role": "assistant", "content": said, "tool_calls": calls})
        content.fill("answered", [answer], [text, object_, "ai.response.toolCalls"])


def _texts(value: object) -> list[object]:
    return (
        [decoded(text) for text in value] if isinstance(value, (list, tuple)) else [decoded(value)]
    )


def _vectors(value: object) -> object:
    return [parsed(text) for text in value] if isinstance(value, (list, tuple)) else parsed(value)
