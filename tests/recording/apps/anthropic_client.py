"""The Anthropic client: ``messages|stream|runner|error CITY INSTRUMENTATION``.

``runner`` is the client's own loop of tools. The client traces itself unless it is told not to; the
instrumentation, ``none``, ``genai`` or ``openinference``, comes on top.
"""

import sys
from typing import Any

from anthropic import Anthropic, beta_tool
from opentelemetry import trace
from weather import INSTRUCTIONS, get_weather, question

MODEL = "claude-sonnet-4-5"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: Any = {"name": "get_weather", "description": "Weather of a city.", "input_schema": CITY}
TRACER = trace.get_tracer("weather")


def instrument(instrumentation: str) -> None:
    if instrumentation == "genai":
        from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor as Official

        Official().instrument()
    elif instrumentation == "openinference":
        from openinference.instrumentation.anthropic import AnthropicInstrumentor

        AnthropicInstrumentor().instrument()


def messages(client: Anthropic, asked: list[Any]) -> None:
    for _ in range(2):
        answer = client.messages.create(
            model=MODEL, max_tokens=200, system=INSTRUCTIONS, messages=asked, tools=[TOOL]
        )
        asked.append({"role": "assistant", "content": answer.model_dump()["content"]})
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": get_weather(**block.input)}
            for block in answer.content
            if block.type == "tool_use"
        ]
        asked.append({"role": "user", "content": results})


def stream(client: Anthropic, asked: list[Any]) -> None:
    with client.messages.stream(model=MODEL, max_tokens=200, messages=asked) as events:
        print("".join(events.text_stream))


def runner(client: Anthropic, asked: list[Any]) -> None:
    tool = beta_tool(get_weather)
    loop = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=200, system=INSTRUCTIONS, messages=asked, tools=[tool]
    )
    print(loop.until_done().content)


def main(way: str, city: str, instrumentation: str) -> None:
    instrument(instrumentation)
    client = Anthropic(max_retries=0)
    asked: list[Any] = [{"role": "user", "content": question(city)}]
    with TRACER.start_as_current_span("weather"):
        if way == "error":
            client.messages.create(model="no-such-model", max_tokens=200, messages=asked)
        else:
            {"messages": messages, "stream": stream, "runner": runner}[way](client, asked)


main(*sys.argv[1:])
