"""A pipeline of Haystack with its own tracing, or an agent: ``rag|agent CITY``."""

import sys
from typing import Any

from haystack import Document, Pipeline, tracing
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import create_tool_from_function
from haystack_integrations.tracing.opentelemetry import OpenTelemetryTracer
from opentelemetry import trace
from weather import INSTRUCTIONS, MODEL, get_weather, question


def look_up(city: str) -> str:
    """Weather of a city."""
    return get_weather(city)


def rag(city: str) -> Any:
    store = InMemoryDocumentStore()
    store.write_documents([Document(content="Paris: sunny, 21C"), Document(content="Oslo: rain")])
    told = [
        ChatMessage.from_system(INSTRUCTIONS),
        ChatMessage.from_user("{% for d in documents %}{{ d.content }};{% endfor %} {{ query }}"),
    ]
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=1))
    pipeline.add_component("prompt", ChatPromptBuilder(told, required_variables="*"))
    pipeline.add_component("llm", OpenAIChatGenerator(model=MODEL))
    pipeline.connect("retriever", "prompt.documents")
    pipeline.connect("prompt.prompt", "llm.messages")
    asked = {"query": question(city)}
    return pipeline.run({"retriever": asked, "prompt": asked})


def main(way: str, city: str) -> None:
    tracing.enable_tracing(OpenTelemetryTracer(trace.get_tracer("haystack")))
    if way == "rag":
        print(rag(city))
        return
    tool = create_tool_from_function(look_up, name="get_weather")
    agent = Agent(
        chat_generator=OpenAIChatGenerator(model=MODEL), tools=[tool], system_prompt=INSTRUCTIONS
    )
    print(agent.run(messages=[ChatMessage.from_user(question(city))])["last_message"].text)


main(*sys.argv[1:])
