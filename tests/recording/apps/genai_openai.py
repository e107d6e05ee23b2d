"""The OpenAI client in a loop: ``chat|stream|responses|embeddings|error CITY``."""

import json
import sys
from typing import Any

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": CITY}
TRACER = trace.get_tracer("weather")


def chat(client: OpenAI, messages: list[Any]) -> None:
    for _ in range(2):
        answer = client.chat.completions.create(
            model=MODEL,
            messages=messages,
            tools=[{"type": "function", "function": FUNCTION}],
            temperature=0.2,
            max_tokens=200,
        )
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls or ():
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def stream(client: OpenAI, messages: list[Any]) -> None:
    wanted: Any = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in client.chat.completions.create(model=MODEL, messages=messages, **wanted):
        print(chunk.choices)


def responses(client: OpenAI, given: list[Any]) -> None:
    for _ in range(2):
        answer = client.responses.create(
            model=MODEL,
            instructions=INSTRUCTIONS,
            input=given,
            tools=[{"type": "function", **FUNCTION}],
        )
        given += [item.model_dump() for item in answer.output]
        for item in answer.output:
            if item.type == "function_call":
                result = get_weather(**json.loads(item.arguments))
                output = {"call_id": item.call_id, "output": result}
                given.append({"type": "function_call_output", **output})


def main(way: str, city: str) -> None:
    OpenAIInstrumentor().instrument()
    client = OpenAI(max_retries=0)
    asked: list[Any] = [{"role": "user", "content": question(city)}]
    told: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, *asked]
    with TRACER.start_as_current_span("weather"):
        if way == "chat":
            chat(client, told)
        elif way == "stream":
            stream(client, told)
        elif way == "responses":
            responses(client, asked)
        elif way == "embeddings":
            client.embeddings.create(model="text-embedding-3-small", input=[question(city)])
        else:
            client.chat.completions.create(model="no-such-model", messages=told)


main(*sys.argv[1:])
