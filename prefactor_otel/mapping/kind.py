"""Which type of agent span an OpenTelemetry span is. The scope's name is no evidence: different
instrumentations share one. Only of a span that is open and silent is anything guessed by it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from prefactor_otel.semconv.content import INPUT_KEYS, OUTPUT_KEYS
from prefactor_otel.semconv.genai import GenAI
from prefactor_otel.semconv.logfire import TEMPLATE
from prefactor_otel.span import Attributes

SCHEMA_PREFIX: Final = "otel"
TYPE_KEY: Final = "prefactor.span_type"
"""The attribute by which a span says that it is of a type of the application's own."""


class SpanType(StrEnum):
    """The span types declared at registration, without their prefix."""

    AGENT = "agent"
    LLM = "llm"
    TOOL = "tool"
    CHAIN = "chain"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    GUARDRAIL = "guardrail"
    EVALUATOR = "evaluator"
    HANDOFF = "handoff"
    SPAN = "span"

    schema_name: str
    """The name under which the API knows the type."""

    def __init__(self, value: str) -> None:
        self.schema_name = f"{SCHEMA_PREFIX}:{value}"


@dataclass(frozen=True, slots=True)
class Below:
    """What lies under a span, as far as it tells what the span is."""

    calls: bool = False
    """Whether a model call lies somewhere under it."""
    agent: str | None = None
    """The name of its only child, if that is an agent."""
    agents: bool = False
    """Whether an agent lies somewhere under it."""


NOTHING: Final = Below()

AGENT_NAME: Final = (
    "gen_ai.agent.name",
    "agent.name",
    "agent_name",
    "graph.node.name",
    "graph.node.id",
    "traceloop.entity.name",
    "name",
)

_BY_OPENINFERENCE: Final = {
    name: SpanType(name)
    for name in (
        *("agent", "llm", "tool", "chain", "retriever"),
        *("embedding", "reranker", "guardrail", "evaluator"),
    )
}
_BY_TRACELOOP: Final = {
    "workflow": SpanType.CHAIN,
    "task": SpanType.CHAIN,
    "agent": SpanType.AGENT,
    "tool": SpanType.TOOL,
}
_BY_OPERATION: Final = {
    "chat": SpanType.LLM,
    "text_completion": SpanType.LLM,
    "generate_content": SpanType.LLM,
    "chat.completions": SpanType.LLM,  # Semantic Kernel before 1.38, as the next three
    "chat.streaming_completions": SpanType.LLM,
    "text.completions": SpanType.LLM,
    "text.streaming_completions": SpanType.LLM,
    "embedding": SpanType.EMBEDDING,  # before the conventions had a word for it
    "embeddings": SpanType.EMBEDDING,
    "execute_tool": SpanType.TOOL,
    "invoke_agent": SpanType.AGENT,
    "retrieval": SpanType.RETRIEVER,
    "vector_db_retrieve": SpanType.RETRIEVER,
    "invoke_workflow": SpanType.CHAIN,
    "invoke_graph": SpanType.CHAIN,
    "invoke_swarm": SpanType.CHAIN,
    "execute_task": SpanType.CHAIN,
    "execute_event_loop_cycle": SpanType.CHAIN,
    "handoff": SpanType.HANDOFF,
    "agent_handoff": SpanType.HANDOFF,
}
_STEP_OF_SDK: Final = {
    **_BY_OPENINFERENCE,
    "generation": SpanType.LLM,
    "chat_model": SpanType.LLM,
    "task": SpanType.CHAIN,
    "workflow": SpanType.CHAIN,
}
_BY_SDK: Final = ("langfuse.observation.type", "mlflow.spanType", "langsmith.span.kind")
_BY_VERCEL: Final = {
    "doGenerate": SpanType.LLM,
    "doStream": SpanType.LLM,
    "toolCall": SpanType.TOOL,
    "embed": SpanType.EMBEDDING,
    "embedMany": SpanType.EMBEDDING,
    "doEmbed": SpanType.EMBEDDING,
    "doRerank": SpanType.RERANKER,
}
_BY_FIELDS: Final = (
    ({"name", "input", "output", "mcp_data"}, SpanType.TOOL),
    ({"name", "handoffs", "tools"}, SpanType.AGENT),
    ({"from_agent", "to_agent"}, SpanType.HANDOFF),
    ({"name", "triggered"}, SpanType.GUARDRAIL),
    ({"sdk_span_type"}, SpanType.CHAIN),
    ({"agent_trace_id"}, SpanType.CHAIN),
)
_BY_REQUEST: Final = {
    "chat": SpanType.LLM,
    "completion": SpanType.LLM,
    "embedding": SpanType.EMBEDDING,
    "rerank": SpanType.RERANKER,
}
"""OpenLLMetry's ``llm.request.type``, from before it wrote operations."""
_MODEL_KEYS: Final = (
    GenAI.REQUEST_MODEL,
    GenAI.RESPONSE_MODEL,
    "llm.model_name",
    "llm.request.type",
)
_USAGE_KEYS: Final = (
    GenAI.INPUT_TOKENS,
    GenAI.OUTPUT_TOKENS,
    "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "llm.token_count.prompt",
)


_SECOND_OPINIONS: Final = ("openinference.span.kind", "traceloop.span.kind", *_BY_SDK)
_OPINIONS: Final = frozenset(
    {
        *(GenAI.OPERATION_NAME, "ai.operationId", "gcp.vertex.agent.llm_request", TEMPLATE),
        *_SECOND_OPINIONS,
    }
)
_ASKED: Final = ("gen_ai.input.messages", "llm.input_messages.", "gen_ai.prompt.")
_ANSWERED: Final = ("gen_ai.output.messages", "llm.output_messages.", "gen_ai.completion.")


def _openinference(attributes: Attributes) -> SpanType | None:
    kind = attributes.get("openinference.span.kind")
    return _BY_OPENINFERENCE.get(kind.lower()) if isinstance(kind, str) else None


def _operation(attributes: Attributes) -> SpanType | None:
    operation = attributes.get(GenAI.OPERATION_NAME)
    if not isinstance(operation, str) or not operation:
        return None
    found = _BY_OPERATION.get(operation)
    if found is SpanType.AGENT and (
        attributes.get("traceloop.span.kind") in ("workflow", "task")
        or "crewai.crew.id" in attributes
    ):
        return SpanType.CHAIN  # what it wraps is the agent; one agent span an agent
    if found is SpanType.EMBEDDING and "langsmith.span.kind" in attributes:
        return _sdk(attributes)  # LangSmith calls retrievers so as well
    if found is None and "guardrail" in operation:
        return SpanType.GUARDRAIL
    return found or _sdk(attributes) or _of_unknown(attributes)


def _is_unknown(attributes: Attributes) -> bool:
    """Whether it is called a model's call for what it carries, and not for its operation."""
    operation = attributes.get(GenAI.OPERATION_NAME)
    return (
        bool(operation)
        and operation not in _BY_OPERATION
        and _openinference(attributes) is None
        and _sdk(attributes) is None
    )


def _of_unknown(attributes: Attributes) -> SpanType:
    """Of an operation of another name: a model's call if it carries all of one, because its tokens
    would count nowhere else."""
    calls = (
        "traceloop.span.kind" not in attributes
        and any(key in attributes for key in _MODEL_KEYS)
        and any(key in attributes for key in _USAGE_KEYS)
        and any(key.startswith(_ASKED + _ANSWERED) for key in attributes)
    )
    return SpanType.LLM if calls else SpanType.SPAN


def _traceloop(attributes: Attributes) -> SpanType | None:
    kind = attributes.get("traceloop.span.kind")
    if kind == "task" and "tool.name" in attributes and "tool.arguments" in attributes:
        return SpanType.TOOL  # LlamaIndex: any step is a task, this one runs a tool
    return _BY_TRACELOOP.get(kind) if isinstance(kind, str) else None


def _sdk(attributes: Attributes) -> SpanType | None:
    for key in _BY_SDK:
        kind = attributes.get(key)
        if isinstance(kind, str):
            name = attributes.get("langsmith.trace.name")
            if name is not None and name == attributes.get("langsmith.metadata.lc_agent_name"):
                return SpanType.AGENT
            return _STEP_OF_SDK.get(kind.strip('"').lower(), SpanType.SPAN)
    operation = attributes.get("ai.operationId")
    if isinstance(operation, str):
        return _BY_VERCEL.get(operation.rpartition(".")[2], SpanType.CHAIN)
    request = attributes.get("gcp.vertex.agent.llm_request")
    return SpanType.LLM if isinstance(request, str) and request != "{}" else None


def _agents_sdk(attributes: Attributes) -> SpanType | None:
    """OpenAI's Agents SDK by Logfire, which says what a step is by the fields that it has."""
    if TEMPLATE not in attributes:
        return None
    return next((found for fields, found in _BY_FIELDS if attributes.keys() >= fields), None)


def _evidence(attributes: Attributes) -> SpanType | None:
    request = attributes.get("llm.request.type")
    if isinstance(request, str) and request in _BY_REQUEST:
        return _BY_REQUEST[request]
    if "logfire.msg_template" in attributes and _asks_a_model(attributes.get("request_data")):
        return SpanType.LLM
    if any(key in attributes for key in _MODEL_KEYS) and any(k in attributes for k in _USAGE_KEYS):
        return SpanType.LLM
    if GenAI.TOOL_NAME in attributes or attributes.get("mcp.method.name") == "tools/call":
        return SpanType.TOOL
    return None


def _asks_a_model(request: object) -> bool:
    """Logfire, from before it wrote operations."""
    return isinstance(request, str) and '"messages":' in request and '"model":' in request


Rule = Callable[[Attributes], SpanType | None]

RULES: Final[dict[Rule, frozenset[str]]] = {
    _openinference: frozenset({"openinference.span.kind"}),
    _operation: frozenset({GenAI.OPERATION_NAME}),
    _traceloop: frozenset({"traceloop.span.kind"}),
    _sdk: frozenset({*_BY_SDK, "ai.operationId", "gcp.vertex.agent.llm_request"}),
    _agents_sdk: frozenset({TEMPLATE}),
    _evidence: frozenset(
        {*_MODEL_KEYS, "llm.request.type", TEMPLATE, GenAI.TOOL_NAME, "mcp.method.name"}
    ),
}
"""In this order; the first that knows the span decides. Without any of these attributes a rule
knows nothing."""


@lru_cache(maxsize=512)  # an instrumentation writes the same names again and again
def _rules_for(keys: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(rule for rule, needed in RULES.items() if not needed.isdisjoint(keys))


def span_type(
    attributes: Attributes, name: str = "", *, serves: bool = False, below: Below = NOTHING
) -> SpanType:
    """The type of the span of this name, by the first rule that knows; a span that no vocabulary
    knows is a plain one. ``serves`` says that it is the root of what a server did."""
    found = SpanType.SPAN
    for rule in _rules_for(tuple(attributes)):
        said = rule(attributes)
        if said is not None:
            found = said
            break
    if found is SpanType.LLM and below.calls and _is_unknown(attributes):
        return SpanType.SPAN  # a step that repeats what the calls in it tell
    if found is SpanType.LLM or found is SpanType.AGENT:
        found = _by_what_it_did(found, attributes, below)
    if found is SpanType.AGENT and _is_wrapper(attributes, name, serves, below):
        return SpanType.CHAIN
    return found


def says_what_it_is(attributes: Attributes) -> bool:
    """Whether a vocabulary of AI names the span's kind, be it one that is no type here."""
    return not attributes.keys().isdisjoint(_AI_OPINIONS)


_AI_OPINIONS: Final = _OPINIONS - {TEMPLATE} | {"mcp.method.name", TYPE_KEY}
_WRITES_LATE: Final = "openinference.instrumentation."


def speaks_late(attributes: Attributes, scope: str) -> bool:
    """Whether an open span is to say what it is, and has not yet: OpenInference's instrumentation
    of LangChain sets every attribute at the span's end. (Of an ended span the scope tells nothing.)
    """
    return scope.startswith(_WRITES_LATE) and attributes.keys().isdisjoint(_OPINIONS)


def expected_type(name: str) -> SpanType:
    """The type that such a span will have, as that instrumentation decides it for steps."""
    return SpanType.AGENT if "agent" in name.lower() else SpanType.CHAIN


def _by_what_it_did(found: SpanType, attributes: Attributes, below: Below) -> SpanType:
    """Two instrumentations wrote on one span, and call it an agent and a model call."""
    if attributes.keys().isdisjoint(_SECOND_OPINIONS) or len(attributes.keys() & _OPINIONS) < 2:
        return found
    if not {rule(attributes) for rule in RULES if rule is not _evidence} >= {
        SpanType.AGENT,
        SpanType.LLM,
    }:
        return found
    if below.calls:
        return SpanType.AGENT
    return SpanType.LLM if _calls_a_model(attributes) else found


def _is_wrapper(attributes: Attributes, name: str, serves: bool, below: Below) -> bool:
    """A run has one agent span an agent, not one more for each layer around it."""
    if serves and attributes.get(GenAI.OPERATION_NAME) == "invoke_agent":
        return attributes.keys().isdisjoint(AGENT_NAME)
    if below.agents and says_nothing(attributes) and not name.startswith(_INVOKE):
        return True
    return below.agent is not None and below.agent == agent_name(attributes, name)


def says_nothing(attributes: Attributes) -> bool:
    """Whether an agent tells neither its name nor what it was asked and answered: with agents
    under it, it is the frame around them."""
    return attributes.keys().isdisjoint(AGENT_NAME) and not any(
        key.startswith(_CONTENT) for key in attributes
    )


_CONTENT: Final = INPUT_KEYS + OUTPUT_KEYS


def agent_name(attributes: Attributes, span_name: str) -> str:
    """What the agent is called: where the span says so, else what its name says."""
    names = (attributes.get(key) for key in AGENT_NAME)
    return next((name for name in names if isinstance(name, str) and name), None) or agent_in(
        span_name
    )


def agent_in(name: str) -> str:
    """The agent's name in that of its span, where an instrumentation writes it nowhere else:
    ``invoke_agent weather_agent`` (the GenAI conventions), ``weather_agent.run`` (smolagents),
    ``agent_run [weather_agent]`` (Google's ADK)."""
    return _between(name, _AROUND_AGENTS)


_INVOKE: Final = "invoke_agent "
"""Before the agent's name in that of its span, by the GenAI conventions."""
_AROUND_AGENTS: Final = ((_INVOKE, ""), ("agent_run [", "]"), ("", ".run"))


def tool_in(name: str) -> str:
    """The same of a tool: ``execute_tool get_weather``, ``get_weather.__call__`` (DSPy),
    ``tools/call get_weather`` (MCP)."""
    return _between(name, _AROUND_TOOLS)


_AROUND_TOOLS: Final = (
    ("execute_tool ", ""),
    ("tools/call ", ""),
    ("MCP send tools/call ", ""),
    ("", ".__call__"),
    ("", ".tool"),
)


def _between(name: str, around: tuple[tuple[str, str], ...]) -> str:
    for before, after in around:
        if name.startswith(before) and name.endswith(after):
            return name[len(before) : len(name) - len(after)] or name
    return name


def _calls_a_model(attributes: Attributes) -> bool:
    """Whether it holds a model, what that was asked and what it answered."""
    return (
        any(key in attributes for key in _MODEL_KEYS)
        and any(key.startswith(_ASKED) for key in attributes)
        and any(key.startswith(_ANSWERED) for key in attributes)
    )
