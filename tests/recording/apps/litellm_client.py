"""LiteLLM: ``chat|stream|error|embeddings CITY``."""

import json
import sys
from typing import Any

import litellm
from openinference.instrumentation.litellm import LiteLLMInstrumentor
from opentelemetry import trace
from weather import INSTRUCTIONS, MODEL, get_weather, question

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": CITY}
TOOLS: Any = [{"type": "function", "function": FUNCTION}]


def chat(messages: list[Any]) -> None:
    for _ in range(2):
        answer: Any = litellm.completion(model=f"openai/{MODEL}", messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def main(way: str, city: str) -> None:
    LiteLLMInstrumentor().instrument()
    system = {"role": "system", "content": INSTRUCTIONS}
    messages: list[Any] = [system, {"role": "user", "content": question(city)}]
    with trace.get_tracer("weather").start_as_current_span("weather"):
        if way == "stream":
            counted = {"include_usage": True}
            pieces: Any = litellm.completion(
                model=f"openai/{MODEL}", messages=messages, stream=True, stream_options=counted
            )
            print([*pieces])
        elif way == "embeddings":
            litellm.embedding(model="openai/text-embedding-3-small", input=[question(city)])
        elif way == "error":
            litellm.completion(model="openai/no-such-model", messages=messages)
        else:
            chat(messages)


main(*sys.argv[1:])
