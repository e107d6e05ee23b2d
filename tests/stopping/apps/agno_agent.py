"""An agent of Agno: ``openinference CITY``."""

import sys

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from openinference.instrumentation.agno import AgnoInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question

AgnoInstrumentor().instrument()
agent = Agent(model=OpenAIChat(id=MODEL), tools=[get_weather], instructions=INSTRUCTIONS)
print(agent.run(question(sys.argv[2])).content)
