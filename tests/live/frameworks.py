"""The frameworks that are run for real: the application of each, and what it needs."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

APPS: Final = Path(__file__).with_name("apps")


@dataclass(frozen=True)
class Framework:
    """``without_code`` applications know nothing of this package: OpenTelemetry's own launcher
    runs them. ``seen_open`` where the way in learns of spans when they start; ``door`` names it to
    applications that have several."""

    name: str
    requirements: tuple[str, ...]
    without_code: bool = False
    seen_open: bool = True
    door: tuple[str, ...] = ()

    @property
    def app(self) -> Path:
        return APPS / f"{self.name}_app.py"

    def __str__(self) -> str:
        return "-".join((self.name, *self.door))


PYDANTIC_AI: Final = Framework("pydantic_ai", ("pydantic-ai-slim[openai]>=2.60,<3",))
LANGGRAPH: Final = Framework(
    "langgraph",
    (
        "langchain>=1.5,<2",
        "langgraph>=1.2,<2",
        "langchain-openai>=1.7,<2",
        "openinference-instrumentation-langchain>=0.1.80,<0.2",
    ),
    seen_open=False,
)
LANGGRAPH_LIVE: Final = replace(LANGGRAPH, seen_open=True, door=("live",))
OPENAI: Final = Framework(
    "openai",
    (
        "openai>=3.57,<4",
        "opentelemetry-distro>=0.66b0",
        "opentelemetry-instrumentation-openai>=0.62,<0.63",
    ),
    without_code=True,
)
STRANDS: Final = Framework("strands", ("strands-agents[openai]>=1.62,<2",))

GRAPHS: Final = Framework(
    "graphs",
    (
        "langchain>=1.5,<2",
        "langgraph>=1.2,<2",
        "openinference-instrumentation-langchain>=0.1.80,<0.2",
        "opentelemetry-instrumentation-langchain>=0.62,<0.63",
        "opentelemetry-instrumentation-genai-langchain==1.3b0",
    ),
)
"""LangGraph without a model, under each of the instrumentations that watch it."""

FRAMEWORKS: Final = (PYDANTIC_AI, LANGGRAPH, LANGGRAPH_LIVE, OPENAI, STRANDS)
ENVIRONMENTS: Final = (*FRAMEWORKS, GRAPHS)
"""Those whose packages are installed: graphs answer no question."""
