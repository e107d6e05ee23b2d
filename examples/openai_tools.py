"""A loop around OpenAI's client: OpenLLMetry records the model, two spans by hand the rest.

pip install 'prefactor-otel[local]' 'openai>=3' opentelemetry-instrumentation-openai
python openai_tools.py           # a scripted model, no key
python openai_tools.py --live    # OpenAI's, with OPENAI_API_KEY

With PREFACTOR_API_TOKEN (and PREFACTOR_API_URL) set, the run goes there; else to a local API.
"""

import json
import os
import sys
from contextlib import nullcontext
from typing import Any

import httpx2
import rich
from openai import OpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

from prefactor_otel import configure
from prefactor_otel.cli.tree import run_tree
from prefactor_otel.devserver import DevServer

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
CALL = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
ASK = {"tool_calls": [{"id": "1", "type": "function", "function": CALL}]}
SCRIPT: Any = iter([ASK, {"content": "It is sunny, 21C in Paris."}])
TRACER = trace.get_tracer("weather")


def scripted(request: httpx2.Request) -> httpx2.Response:
    usage = {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49}
    return httpx2.Response(200, json={"choices": [{"message": next(SCRIPT)}], "usage": usage})


def get_weather(given: str) -> str:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": given}
    with TRACER.start_as_current_span("get_weather", attributes=tool) as span:
        weather = f"sunny, 21C in {json.loads(given)['city']}"
        span.set_attribute("gen_ai.tool.call.result", weather)
        return weather


def answer(client: OpenAI, question: str) -> str:
    messages: list[Any] = [{"role": "user", "content": question}]
    asked = {"model": "gpt-4o-mini", "tools": TOOLS, "messages": messages}
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "weather agent"}
    with TRACER.start_as_current_span("weather agent", attributes=agent):
        said = client.chat.completions.create(**asked).choices[0].message
        messages.append(said.model_dump(exclude_none=True))
        for call in said.tool_calls:
            weather = get_weather(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": weather})
        return str(client.chat.completions.create(**asked).choices[0].message.content)


script = httpx2.Client(transport=httpx2.MockTransport(scripted))
client = OpenAI() if "--live" in sys.argv else OpenAI(api_key="-", http_client=script)
local = None if "PREFACTOR_API_TOKEN" in os.environ else DevServer()
with local or nullcontext():
    provider = configure(local.url, local.token) if local else configure()
    OpenAIInstrumentor().instrument()
    print(answer(client, "What is the weather in Paris?"))
    provider.shutdown()
    if local:
        rich.print(run_tree(local.instances()[0], local.spans()))
