"""An agent of pydantic-ai, which records itself.

pip install 'prefactor-otel[local]' 'pydantic-ai-slim[openai]'
python pydantic_ai_agent.py           # a scripted model, no key
python pydantic_ai_agent.py --live    # OpenAI's, with OPENAI_API_KEY

With PREFACTOR_API_TOKEN (and PREFACTOR_API_URL) set, the run goes there; else to a local API.
"""

import os
import sys
from contextlib import nullcontext

import rich
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from prefactor_otel import configure
from prefactor_otel.cli.tree import run_tree
from prefactor_otel.devserver import DevServer


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny, 21C in {city}"


def script(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Ask for the weather first, then answer."""
    if len(messages) == 1:
        return ModelResponse([ToolCallPart("get_weather", {"city": "Paris"})])
    return ModelResponse([TextPart("It is sunny, 21C in Paris.")])


model = "openai-chat:gpt-4o-mini" if "--live" in sys.argv else FunctionModel(script)
Agent.instrument_all()
agent = Agent(model, name="weather agent", tools=[get_weather])
local = None if "PREFACTOR_API_TOKEN" in os.environ else DevServer()
with local or nullcontext():
    provider = configure(local.url, local.token) if local else configure()
    print(agent.run_sync("What is the weather in Paris?").output)
    provider.shutdown()
    if local:
        rich.print(run_tree(local.instances()[0], local.spans()))
