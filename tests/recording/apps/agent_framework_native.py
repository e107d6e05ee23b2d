"""An agent of the Agent Framework, alone or in a workflow: ``agent|chat|workflow CITY``."""

import asyncio
import sys
from typing import Any

from agent_framework import Agent, WorkflowBuilder
from agent_framework.observability import enable_instrumentation
from agent_framework.openai import OpenAIChatClient, OpenAIChatCompletionClient
from weather import INSTRUCTIONS, MODEL, get_weather, question


async def main(way: str, city: str) -> None:
    enable_instrumentation(enable_sensitive_data=True)
    client: Any = OpenAIChatClient if way == "agent" else OpenAIChatCompletionClient
    agent: Any = Agent(
        client=client(model=MODEL),
        name="weather_agent",
        instructions=INSTRUCTIONS,
        tools=[get_weather],
    )
    if way == "workflow":
        workflow = WorkflowBuilder(start_executor=agent, name="weather").build()
        print((await workflow.run(question(city))).get_outputs())
    else:
        print(await agent.run(question(city)))


asyncio.run(main(*sys.argv[1:]))
