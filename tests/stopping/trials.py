"""What is tried: a framework under an instrumentation, and an application that calls a tool."""

from pathlib import Path
from typing import Final

from tests.recording.recipes import RECIPES, Recipe

APPS: Final = Path(__file__).with_name("apps")

_RECORDED: Final = {
    *("openai__official_genai_openai__chat_tool_ok", "anthropic__native__runner_tool_ok"),
    *("langchain__official_genai_langchain__agent_tool_ok", "mistral__native__chat_tool_ok"),
    "openai_agents__official_genai_openai_agents__agent_tool_ok",
    "google_genai__official_google_genai__content_tool_ok",
    "llama_index__official_genai_llama_index__agent_tool_ok",
    "smolagents__official_genai_smolagents__agent_tool_ok",
    *("haystack__native__tool_ok", "semantic_kernel__native_2026__tool_ok"),
    "agent_framework__native__responses_tool_ok",
    *("any_agent__native__tool_ok", "agentops__native__tool_ok"),
}
_LANGCHAIN: Final = ("langchain>=1.5,<2", "langchain-openai>=1.7,<2")
_ALONE: Final = "openinference-instrumentation"
_TRACELOOP: Final = "opentelemetry-instrumentation-langchain>=0.62,<0.63"


def _alone(framework: str, instrumentation: str, *requirements: str, app: str = "") -> Recipe:
    app = app or f"{framework}_agent.py"
    way = (instrumentation.partition("_")[0], "Paris")
    return Recipe(framework, instrumentation, "tool", requirements, app, way)


TRIALS: Final = (
    *(recipe for recipe in RECIPES if recipe.name in _RECORDED),
    _alone("pydantic_ai", "native_v5", "pydantic-ai-slim[openai]>=2.60,<3"),
    _alone("strands", "native", "strands-agents[openai]>=1.62,<2"),
    _alone("google_adk", "native_v1", "google-adk>=1.39,<2"),
    _alone("crewai", "traceloop_crewai", "crewai>=1.15,<2", "opentelemetry-instrumentation-crewai"),
    _alone(
        *("openai_agents", "openinference_openai_agents", "openai-agents>=0.24,<1"),
        f"{_ALONE}-openai-agents",
    ),
    _alone("langchain", "openinference_langchain", *_LANGCHAIN, f"{_ALONE}-langchain>=0.1.80"),
    _alone("langchain", "traceloop_langchain", *_LANGCHAIN, _TRACELOOP),
    _alone(
        *("langgraph", "openinference_langchain", *_LANGCHAIN, f"{_ALONE}-langchain>=0.1.80"),
        app="langchain_agent.py",
    ),
    _alone(
        *("langgraph", "traceloop_langchain", *_LANGCHAIN, _TRACELOOP), app="langchain_agent.py"
    ),
    _alone("agno", "openinference_agno_plus_openai", "agno>=3,<4", "openai", f"{_ALONE}-agno"),
    _alone(
        *("autogen", "openinference_autogen_agentchat", "autogen-agentchat>=0.7,<0.8"),
        *("autogen-ext[openai]>=0.7,<0.8", f"{_ALONE}-autogen-agentchat"),
    ),
    _alone("dspy", "openinference_dspy", "dspy>=3.3,<4", f"{_ALONE}-dspy"),
    _alone(
        *("smolagents", "openinference_smolagents", "smolagents[openai]"), f"{_ALONE}-smolagents"
    ),
)
