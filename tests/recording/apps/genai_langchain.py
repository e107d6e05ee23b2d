"""An agent of LangChain: ``agent|stream|chain|error CITY``."""

import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question


def main(way: str, city: str) -> None:
    LangChainInstrumentor().instrument()
    asked: Any = {"messages": [{"role": "user", "content": question(city)}]}
    model = ChatOpenAI(model="no-such-model" if way == "error" else MODEL, max_retries=0)
    if way == "chain":
        prompt = ChatPromptTemplate([("system", INSTRUCTIONS), ("user", "{question}")])
        print((prompt | model).invoke({"question": question(city)}))
        return
    agent: Any = create_agent(
        model, [get_weather], system_prompt=INSTRUCTIONS, name="weather_agent"
    )
    if way == "stream":
        print([*agent.stream(asked)])
    else:
        print(agent.invoke(asked))


main(*sys.argv[1:])
