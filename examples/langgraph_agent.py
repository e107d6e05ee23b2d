"""An agent of LangGraph, recorded by OpenInference's instrumentation of LangChain.

pip install 'prefactor-otel[local]' langgraph langchain-openai \\
    openinference-instrumentation-langchain
python langgraph_agent.py           # a scripted model, no key
python langgraph_agent.py --live    # OpenAI's, with OPENAI_API_KEY

With PREFACTOR_API_TOKEN (and PREFACTOR_API_URL) set, the run goes there; else to a local API.
"""

import os
import sys
from contextlib import nullcontext
from typing import Any

import rich
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openinference.instrumentation.langchain import LangChainInstrumentor

from prefactor_otel import configure
from prefactor_otel.cli.tree import run_tree
from prefactor_otel.devserver import DevServer


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny, 21C in {city}"


CALL = {"id": "1", "name": "get_weather", "args": {"city": "Paris"}}
USAGE: Any = {"input_tokens": 40, "output_tokens": 9, "total_tokens": 49}
SCRIPT = [
    AIMessage("", tool_calls=[CALL], usage_metadata=USAGE),
    AIMessage("It is sunny, 21C in Paris.", usage_metadata=USAGE),
]


def weather_agent(model: Any) -> Any:
    """A graph of two nodes: the model, and the tools that it calls."""
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([get_weather]))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(name="weather agent")


model: Any = GenericFakeChatModel(messages=iter(SCRIPT))
if "--live" in sys.argv:
    model = ChatOpenAI(model="gpt-4o-mini").bind_tools([get_weather])
local = None if "PREFACTOR_API_TOKEN" in os.environ else DevServer()
with local or nullcontext():
    provider = configure(local.url, local.token) if local else configure()
    LangChainInstrumentor().instrument()
    asked = {"messages": [("user", "What is the weather in Paris?")]}
    print(weather_agent(model).invoke(asked)["messages"][-1].content)
    provider.shutdown()
    if local:
        rich.print(run_tree(local.instances()[0], local.spans()))
