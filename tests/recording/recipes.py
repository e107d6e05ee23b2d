"""What is recorded, and with what: data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Recipe:
    """One recording: an application of ``apps``, run with these packages. ``versions_of`` begins
    the names of the packages whose versions the recording tells (on Node.js: is their names)."""

    framework: str
    instrumentation: str
    case: str
    requirements: tuple[str, ...]
    app: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    versions_of: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_node(self) -> bool:
        """Whether the application and its packages are those of Node.js."""
        return self.app.endswith(".mjs")

    @property
    def name(self) -> str:
        """What the recording's file is called, without its ending."""
        return "__".join((self.framework, self.instrumentation, self.case))


_ON_SPANS: Final = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only"}
_MODES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {},
    "_span_only": _ON_SPANS,
    "_span_and_event": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"},
    "_event_only": {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "event_only"},
}
"""The official family's ways to capture content, by how the instrumentation's name ends."""

Cases = Mapping[str, tuple[str, ...]]
"""The arguments of each case."""


def _cases(
    framework: str,
    instrumentation: str,
    requirements: tuple[str, ...],
    app: str,
    cases: Cases,
    environment: Mapping[str, str] | None = None,
    *,
    of: tuple[str, ...] = (),
) -> tuple[Recipe, ...]:
    return tuple(
        Recipe(
            framework,
            instrumentation,
            case,
            requirements,
            app,
            arguments,
            environment or {},
            of or (framework.partition("_")[0],),
        )
        for case, arguments in cases.items()
    )


def _family(
    framework: str,
    package: str,
    requirements: tuple[str, ...],
    app: str,
    cases: Cases,
    *,
    of: tuple[str, ...] = (),
) -> tuple[Recipe, ...]:
    """Every case with content on spans, and the first one in the other modes, too."""
    instrumentation = f"official_{package}"
    first = dict([next(iter(cases.items()))])
    return tuple(
        recipe
        for mode, environment in _MODES.items()
        for recipe in _cases(
            framework,
            instrumentation + mode,
            requirements,
            app,
            cases if environment is _ON_SPANS else first,
            environment,
            of=of,
        )
    )


_TOOL_CASES: Final = {"tool_ok": ("agent", "Paris"), "tool_error": ("agent", "Atlantis")}
_GENAI: Final = "opentelemetry-instrumentation-genai"
_OPENAI: Final = ("openai>=3.57,<4", f"{_GENAI}-openai==1.3b0")
_ANTHROPIC: Final = (
    "anthropic>=2.10,<3",
    f"{_GENAI}-anthropic==1.3b0",
    "openinference-instrumentation-anthropic",
)
_GEMINI: Final = (
    "google-genai>=2,<3",
    "openinference-instrumentation-google-genai",
    "opentelemetry-instrumentation-google-generativeai",
)
_BEDROCK: Final = (
    "boto3>=1.44,<2",
    "openinference-instrumentation-bedrock",
    "opentelemetry-instrumentation-bedrock",
    "opentelemetry-instrumentation-botocore",
)

RECIPES: Final = (
    *_family(
        "openai",
        "genai_openai",
        _OPENAI,
        "genai_openai.py",
        {
            "chat_tool_ok": ("chat", "Paris"),
            "chat_tool_error": ("chat", "Atlantis"),
            "chat_stream": ("stream", "Paris"),
            "responses_tool_ok": ("responses", "Paris"),
            "embeddings": ("embeddings", "Paris"),
            "llm_error": ("error", "Paris"),
        },
    ),
    *_family(
        "anthropic",
        "genai_anthropic",
        _ANTHROPIC,
        "anthropic_client.py",
        {
            "messages_tool_ok": ("messages", "Paris", "genai"),
            "messages_stream": ("stream", "Paris", "genai"),
            "llm_error": ("error", "Paris", "genai"),
        },
    ),
    *(
        recipe
        for instrumentation, beside, mode in (
            ("native", "none", "metadata_only"),
            ("native_content", "none", "content"),
            ("native_plus_openinference", "openinference", "metadata_only"),
        )
        for recipe in _cases(
            "anthropic",
            instrumentation,
            _ANTHROPIC,
            "anthropic_client.py",
            {
                "messages_tool_ok": ("messages", "Paris", beside),
                "messages_stream": ("stream", "Paris", beside),
                "runner_tool_ok": ("runner", "Paris", beside),
                "runner_tool_error": ("runner", "Atlantis", beside),
            },
            {"ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": mode},
        )
    ),
    *_family(
        "langchain",
        "genai_langchain",
        ("langchain>=1.5,<2", "langchain-openai>=1.7,<2", f"{_GENAI}-langchain==1.3b0"),
        "genai_langchain.py",
        {
            "agent_tool_ok": ("agent", "Paris"),
            "agent_tool_error": ("agent", "Atlantis"),
            "agent_stream": ("stream", "Paris"),
            "chain": ("chain", "Paris"),
            "llm_error": ("error", "Paris"),
        },
    ),
    *_family(
        "openai_agents",
        "genai_openai_agents",
        (*_OPENAI, "openai-agents>=0.24,<1", f"{_GENAI}-openai-agents==1.3b0"),
        "genai_openai_agents.py",
        {
            "agent_tool_ok": ("agent", "Paris"),
            "agent_tool_error": ("agent", "Atlantis"),
            "handoff": ("handoff", "Paris"),
            "guardrail": ("guardrail", "Paris"),
        },
        of=("openai",),
    ),
    *_family(
        "google_genai",
        "google_genai",
        ("google-genai>=1.32,<3", "opentelemetry-instrumentation-google-genai==1.3b0"),
        "google_genai_client.py",
        {
            "content_tool_ok": ("content", "Paris", "official"),
            "content_tool_error": ("content", "Atlantis", "official"),
            "content_stream": ("stream", "Paris", "official"),
            "llm_error": ("error", "Paris", "official"),
        },
        of=("google",),
    ),
    *(
        recipe
        for instrumentation in ("openinference_google_genai", "traceloop_google_generativeai")
        for recipe in _cases(
            "google_genai",
            instrumentation,
            _GEMINI,
            "google_genai_client.py",
            {
                "content_tool_ok": ("content", "Paris", instrumentation),
                "content_stream": ("stream", "Paris", instrumentation),
                "llm_error": ("error", "Paris", instrumentation),
            },
            of=("google",),
        )
    ),
    *(
        recipe
        for instrumentation in ("openinference_bedrock", "traceloop_bedrock", "official_botocore")
        for recipe in _cases(
            "bedrock",
            instrumentation,
            _BEDROCK,
            "bedrock_client.py",
            {
                "converse_tool_ok": ("converse", "Paris", instrumentation),
                "llm_error": ("error", "Paris", instrumentation),
            },
            of=("boto",),
        )
    ),
    *_cases(
        "litellm",
        "openinference_litellm",
        ("litellm>=1.110,<2", "openinference-instrumentation-litellm"),
        "litellm_client.py",
        {
            "chat_tool_ok": ("chat", "Paris"),
            "stream": ("stream", "Paris"),
            "embeddings": ("embeddings", "Paris"),
            "llm_error": ("error", "Paris"),
        },
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    *_family(
        "llama_index",
        "genai_llama_index",
        (
            "llama-index-core",
            "llama-index-llms-openai",
            "llama-index-embeddings-openai",
            f"{_GENAI}-llama-index==1.3b0",
        ),
        "genai_llama_index.py",
        {
            "agent_tool_ok": ("agent", "Paris"),
            "agent_tool_error": ("agent", "Atlantis"),
            "retrieve": ("retrieve", "Paris"),
        },
        of=("llama",),
    ),
    *_family(
        "dspy",
        "genai_dspy",
        ("dspy>=3.3,<4", f"{_GENAI}-dspy==1.3b0"),
        "genai_dspy.py",
        {"predict": ("predict", "Paris")},
    ),
    *_family(
        "smolagents",
        "genai_smolagents",
        (*_OPENAI, "smolagents[openai]", f"{_GENAI}-smolagents==1.2b0"),
        "genai_smolagents.py",
        {
            "agent_tool_ok": ("agent", "Paris"),
            "agent_tool_error": ("agent", "Atlantis"),
        },
    ),
    *_cases(
        "haystack",
        "native",
        ("haystack-ai>=3.4,<4", "opentelemetry-haystack"),
        "haystack_native.py",
        {"rag": ("rag", "Paris"), **_TOOL_CASES},
        {"HAYSTACK_CONTENT_TRACING_ENABLED": "true"},
    ),
    *_cases(
        "mistral",
        "native",
        ("mistralai>=3.7,<4",),
        "mistral_client.py",
        {
            "chat_tool_ok": ("chat", "Paris", "itself"),
            "conversation": ("conversation", "Paris", "itself"),
        },
        {"MISTRAL_SDK_TELEMETRY": "global"},
    ),
    *_cases(
        "mistral",
        "openinference_mistralai",
        ("mistralai>=3.7,<4", "openinference-instrumentation-mistralai"),
        "mistral_client.py",
        {"chat_tool_ok": ("chat", "Paris", "openinference")},
    ),
    *_cases(
        "semantic_kernel",
        "native_2026",
        ("semantic-kernel>=1.45,<2",),
        "semantic_kernel_native.py",
        _TOOL_CASES,
        {"SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE": "true"},
    ),
    *_cases(
        "agent_framework",
        "native",
        ("agent-framework-core>=1.23,<2", "agent-framework-openai>=1.17,<2"),
        "agent_framework_native.py",
        {
            "responses_tool_ok": ("agent", "Paris"),
            "chat_tool_error": ("chat", "Atlantis"),
            "workflow": ("workflow", "Paris"),
        },
        of=("agent-framework",),
    ),
    *(
        recipe
        for instrumentation in ("openinference", "logfire")
        for recipe in _cases(
            "claude_agent",
            f"{instrumentation}_claude_agent_sdk",
            (
                "claude-agent-sdk>=0.2.189,<0.3",
                "openinference-instrumentation-claude-agent-sdk",
                "logfire",
            ),
            "claude_agent.py",
            {
                "tool_ok": ("query", "Paris", instrumentation),
                "tool_error": ("query", "Atlantis", instrumentation),
            },
            of=("claude", "logfire"),
        )
    ),
    *_cases(
        "livekit",
        "native",
        ("livekit-agents[openai]>=1.8,<2",),
        "livekit_agent.py",
        {"tool_ok": ("session", "Paris"), "tool_error": ("session", "Atlantis")},
    ),
    *_cases(
        "pipecat",
        "native",
        ("pipecat-ai[openai,tracing]>=1.14,<2",),
        "pipecat_native.py",
        {"turn": ("turn", "Paris")},
    ),
    *_cases(
        "any_agent",
        "native",
        ("any-agent[openai]>=1.18,<2", "mcp<2"),
        "any_agent_native.py",
        _TOOL_CASES,
        of=("any-agent",),
    ),
    *_cases(
        "agentops",
        "native",
        ("agentops>=0.4.21,<0.5", "openai<2"),
        "agentops_native.py",
        _TOOL_CASES,
    ),
    *(
        recipe
        for version, requirements in (
            ("native_6", ("ai@6", "@ai-sdk/openai@3")),
            ("native_7", ("ai@7", "@ai-sdk/openai@4", "@ai-sdk/otel")),
        )
        for recipe in _cases(
            "ai_sdk",
            version,
            (*requirements, "zod"),
            "ai_sdk.mjs",
            {**_TOOL_CASES, "stream": ("stream", "Paris"), "embeddings": ("embed", "Paris")},
            of=("ai",),
        )
    ),
    *_cases(
        "mastra",
        "native",
        (
            *("@mastra/core@1", "@mastra/observability@1", "@mastra/otel-exporter@1"),
            *("@ai-sdk/openai@3", "zod"),
        ),
        "mastra.mjs",
        _TOOL_CASES,
        of=("@mastra/core", "@mastra/otel-exporter"),
    ),
)
