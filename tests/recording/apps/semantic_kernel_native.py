"""An agent of Semantic Kernel with its own tracing: ``agent CITY``."""

import asyncio
import sys

from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function
from weather import INSTRUCTIONS, MODEL, get_weather, question


class Weather:
    """A plug-in."""

    @kernel_function(name="get_weather", description="Weather of a city.")
    def get_weather(self, city: str) -> str:
        """Weather of a city."""
        return get_weather(city)


async def main(_way: str, city: str) -> None:
    agent = ChatCompletionAgent(
        service=OpenAIChatCompletion(ai_model_id=MODEL),
        name="weather_agent",
        instructions=INSTRUCTIONS,
        plugins=[Weather()],
    )
    print(await agent.get_response(messages=question(city)))


asyncio.run(main(*sys.argv[1:]))
