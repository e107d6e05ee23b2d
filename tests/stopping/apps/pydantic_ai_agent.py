"""An agent of pydantic-ai: ``native CITY``."""

import sys

from pydantic_ai import Agent
from weather import INSTRUCTIONS, MODEL, get_weather, question

Agent.instrument_all()
agent = Agent(f"openai-chat:{MODEL}", instructions=INSTRUCTIONS, tools=[get_weather])
print(agent.run_sync(question(sys.argv[2])).output)
