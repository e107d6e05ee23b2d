"""A voice agent of LiveKit in a session of text: ``session CITY``."""

import asyncio
import sys

from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.telemetry import set_tracer_provider
from livekit.plugins import openai
from opentelemetry import trace
from weather import INSTRUCTIONS, MODEL, get_weather, question


class WeatherAgent(Agent):
    """Knows the weather."""

    def __init__(self) -> None:
        super().__init__(instructions=INSTRUCTIONS)

    @function_tool(name="get_weather")
    async def look_up(self, context: RunContext, city: str) -> str:
        """Weather of a city."""
        return get_weather(city)


async def main(_way: str, city: str) -> None:
    set_tracer_provider(trace.get_tracer_provider())
    async with AgentSession(llm=openai.LLM(model=MODEL)) as session:
        await session.start(WeatherAgent())
        result = await session.run(user_input=question(city))
        print(result.events)


asyncio.run(main(*sys.argv[1:]))
