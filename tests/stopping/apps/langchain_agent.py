"""An agent of LangChain, which is a graph of LangGraph's: ``openinference|traceloop CITY``."""

import sys

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from weather import INSTRUCTIONS, MODEL, get_weather, question

if sys.argv[1] == "openinference":
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument()
else:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument()
agent = create_agent(ChatOpenAI(model=MODEL), tools=[get_weather], system_prompt=INSTRUCTIONS)
print(agent.invoke({"messages": [{"role": "user", "content": question(sys.argv[2])}]}))
