"""An agent of Strands: ``native CITY``."""

import sys

from strands import Agent, tool
from strands.models.openai import OpenAIModel
from weather import MODEL, get_weather, question

agent = Agent(OpenAIModel(model_id=MODEL), tools=[tool(get_weather)], callback_handler=None)
print(agent(question(sys.argv[2])))
