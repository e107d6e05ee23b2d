"""The Mistral client: ``chat|conversation CITY INSTRUMENTATION``; the last is ``itself`` or
``openinference``."""

import json
import os
import sys
from typing import Any

from mistralai.client import Mistral
from opentelemetry import trace
from weather import INSTRUCTIONS, get_weather, question

MODEL = "mistral-small-latest"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": CITY}
TOOLS: Any = [{"type": "function", "function": FUNCTION}]


def instrument(instrumentation: str) -> None:
    if instrumentation == "openinference":
        from openinference.instrumentation.mistralai import MistralAIInstrumentor

        MistralAIInstrumentor().instrument()


def chat(client: Mistral, messages: list[Any]) -> None:
    for _ in range(2):
        answer = client.chat.complete(model=MODEL, messages=messages, tools=TOOLS)
        message: Any = answer.choices[0].message
        messages.append(message)
        for call in message.tool_calls or ():
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def main(way: str, city: str, instrumentation: str) -> None:
    instrument(instrumentation)
    client = Mistral(api_key="none", server_url=os.environ["MODEL_HOST"])
    with trace.get_tracer("weather").start_as_current_span("weather"):
        if way == "conversation":
            print(client.beta.conversations.start(model=MODEL, inputs=question(city)))
        else:
            system = {"role": "system", "content": INSTRUCTIONS}
            chat(client, [system, {"role": "user", "content": question(city)}])


main(*sys.argv[1:])
