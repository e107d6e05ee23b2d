"""A loop around the OpenAI client, without a word of any exporter: ``app.py chat|stream QUESTION``.

The instrumentation of OpenLLMetry records the calls of the model; the agent and the tool are
recorded by hand.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from openai import OpenAI
from opentelemetry import trace

TRACER = trace.get_tracer("weather")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]


def get_weather(city: str) -> str:
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return f"sunny, 21C in {city}"


def call_tool(name: str, arguments: str) -> str:
    with TRACER.start_as_current_span(f"execute_tool {name}") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", name)
        span.set_attribute("gen_ai.tool.call.arguments", arguments)
        result = get_weather(**json.loads(arguments))
        span.set_attribute("gen_ai.tool.call.result", result)
        return result


def spoken(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def answer(client: OpenAI, messages: list[Any], way: str) -> dict[str, Any]:
    asked = {"model": "gpt-4o-mini", "messages": messages, "tools": TOOLS}
    if way == "chat":
        message = client.chat.completions.create(**asked).choices[0].message
        return dict(message.model_dump(exclude_none=True))
    wanted = {"include_usage": True}
    return joined(client.chat.completions.create(**asked, stream=True, stream_options=wanted))


def joined(chunks: Iterable[Any]) -> dict[str, Any]:
    """The message that the chunks of a stream add up to; it calls one tool at most."""
    content, function = "", {"name": "", "arguments": ""}
    call: dict[str, Any] = {"id": "", "type": "function", "function": function}
    for chunk in chunks:
        for choice in chunk.choices:
            content += choice.delta.content or ""
            for piece in choice.delta.tool_calls or ():
                call["id"] += piece.id or ""
                function["name"] += piece.function.name or ""
                function["arguments"] += piece.function.arguments or ""
    if call["id"]:
        return {"role": "assistant", "tool_calls": [call]}
    return {"role": "assistant", "content": content}


def main(way: str, question: str) -> None:
    client = OpenAI()
    messages: list[Any] = [{"role": "user", "content": question}]
    with TRACER.start_as_current_span("invoke_agent weather_agent") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("gen_ai.agent.name", "weather_agent")
        span.set_attribute("gen_ai.input.messages", spoken("user", question))
        messages.append(answer(client, messages, way))
        for asked in messages[-1]["tool_calls"]:
            result = call_tool(asked["function"]["name"], asked["function"]["arguments"])
            messages.append({"role": "tool", "tool_call_id": asked["id"], "content": result})
        said = answer(client, messages, way)["content"]
        span.set_attribute("gen_ai.output.messages", spoken("assistant", said))
        print(said)


try:
    main(*sys.argv[1:])
except LookupError as error:
    print(f"failed: {error}")
