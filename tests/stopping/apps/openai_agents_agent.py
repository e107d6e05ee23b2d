"""An agent of the OpenAI Agents SDK: ``openinference CITY``."""

import sys

from agents import Agent, Runner, function_tool
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question

OpenAIAgentsInstrumentor().instrument()
agent = Agent(
    name="weather", instructions=INSTRUCTIONS, model=MODEL, tools=[function_tool(get_weather)]
)
print(Runner.run_sync(agent, question(sys.argv[2])).final_output)
