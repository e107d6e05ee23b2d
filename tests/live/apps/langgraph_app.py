"""A LangGraph agent, recorded by OpenInference: ``app.py chat|stream QUESTION [live]``."""

import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor


def get_weather(city: str) -> str:
    """The weather in a city."""
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return f"sunny, 21C in {city}"


def ask(way: str, question: str) -> str:
    model = ChatOpenAI(model="gpt-4o-mini", streaming=way == "stream", stream_usage=True)
    agent = create_agent(model, tools=[get_weather], name="weather_agent")
    asked = {"messages": [{"role": "user", "content": question}]}
    if way == "chat":
        return str(agent.invoke(asked)["messages"][-1].content)
    pieces = (piece for piece, _ in agent.stream(asked, stream_mode="messages"))
    return "".join(piece.text for piece in pieces if piece.type == "AIMessageChunk")


def main(way: str, question: str, door: str = "batched") -> None:
    provider = TracerProvider()
    if door == "live":
        provider.add_span_processor(PrefactorSpanProcessor())
    else:
        provider.add_span_processor(BatchSpanProcessor(PrefactorExporter()))
    LangChainInstrumentor().instrument(tracer_provider=provider)
    try:
        print(ask(way, question))
    except LookupError as error:
        print(f"failed: {error}")


main(*sys.argv[1:])
