"""An agent of Strands, which records itself: ``app.py chat|stream QUESTION``."""

import asyncio
import sys

from strands import Agent, tool
from strands.models.openai import OpenAIModel

from prefactor_otel import configure


def get_weather(city: str) -> str:
    """The weather in a city."""
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return f"sunny, 21C in {city}"


async def ask(agent: Agent, way: str, question: str) -> str:
    if way == "chat":
        return str(await agent.invoke_async(question))
    *_, last = [event async for event in agent.stream_async(question)]
    return str(last["result"])


def main(way: str, question: str) -> None:
    configure()
    model = OpenAIModel(model_id="gpt-4o-mini")
    agent = Agent(model, tools=[tool(get_weather)], name="weather_agent", callback_handler=None)
    print(asyncio.run(ask(agent, way, question)).strip())


main(*sys.argv[1:])
