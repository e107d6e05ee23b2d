"""An agent of smolagents: ``agent CITY``."""

import os
import sys

from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.genai.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
from weather import MODEL, get_weather, question


def main(_way: str, city: str) -> None:
    SmolagentsInstrumentor().instrument()
    OpenAIInstrumentor().instrument()
    model = OpenAIServerModel(MODEL, api_base=os.environ["OPENAI_BASE_URL"], api_key="none")
    agent = ToolCallingAgent(
        [tool(get_weather)], model, name="weather_agent", description="Weather"
    )
    print(agent.run(question(city)))


main(*sys.argv[1:])
