"""An agent of smolagents: ``openinference CITY``."""

import os
import sys

from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIServerModel, ToolCallingAgent, tool
from weather import MODEL, get_weather, question

SmolagentsInstrumentor().instrument()
model = OpenAIServerModel(MODEL, api_base=os.environ["OPENAI_BASE_URL"], api_key="none")
print(ToolCallingAgent([tool(get_weather)], model).run(question(sys.argv[2])))
