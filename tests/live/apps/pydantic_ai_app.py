"""An agent of pydantic-ai, which records itself: ``app.py chat|stream QUESTION``."""

import asyncio
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent

from prefactor_otel import PrefactorExporter, TracerProvider


def get_weather(city: str) -> str:
    """The weather in a city."""
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return f"sunny, 21C in {city}"


async def ask(agent: Agent[None, str], way: str, question: str) -> str:
    if way == "chat":
        return str((await agent.run(question)).output)
    async with agent.run_stream(question) as answer:
        return "".join([piece async for piece in answer.stream_text(delta=True)])


def main(way: str, question: str) -> None:
    exporter = PrefactorExporter()
    trace.set_tracer_provider(TracerProvider(span_processors=[BatchSpanProcessor(exporter)]))
    Agent.instrument_all()
    agent = Agent("openai-chat:gpt-4o-mini", name="weather_agent", tools=[get_weather])
    try:
        print(asyncio.run(ask(agent, way, question)))
    except LookupError as error:
        print(f"failed: {error}")


main(*sys.argv[1:])
