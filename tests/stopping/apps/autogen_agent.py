"""An agent of AutoGen: ``openinference CITY``."""

import asyncio
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from openinference.instrumentation.autogen_agentchat import AutogenAgentChatInstrumentor
from weather import MODEL, get_weather, question


async def main(city: str) -> None:
    AutogenAgentChatInstrumentor().instrument()
    model = OpenAIChatCompletionClient(model=MODEL)
    agent = AssistantAgent("weather", model, tools=[get_weather], reflect_on_tool_use=True)
    print(await agent.run(task=question(city)))


asyncio.run(main(sys.argv[2]))
