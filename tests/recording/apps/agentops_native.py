"""AgentOps' decorators around the OpenAI client: ``agent CITY``."""

import json
import sys
from typing import Any

from agentops.instrumentation import instrument_all
from agentops.sdk.core import tracer
from agentops.sdk.decorators import agent, operation, session, tool
from openai import OpenAI
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from recorder import EXPORTER
from weather import INSTRUCTIONS, MODEL, question
from weather import get_weather as look_up

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather of a city.", "parameters": CITY}
NOWHERE = "http://127.0.0.1:9"


@tool(name="get_weather")
def get_weather(city: str) -> str:
    return look_up(city)


@agent(name="weather_agent")
class WeatherAgent:
    @operation(name="answer")
    def answer(self, city: str) -> Any:
        system = {"role": "system", "content": INSTRUCTIONS}
        messages: list[Any] = [system, {"role": "user", "content": question(city)}]
        for _ in range(2):
            declared: Any = [{"type": "function", "function": FUNCTION}]
            asked: Any = {"model": MODEL, "messages": messages, "tools": declared}
            message = OpenAI().chat.completions.create(**asked).choices[0].message
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls or ():
                result = get_weather(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        return messages[-1]["content"]


@session(name="weather")
def run(city: str) -> Any:
    return WeatherAgent().answer(city)


def main(_way: str, city: str) -> None:
    tracer.initialize(exporter_endpoint=NOWHERE, metrics_endpoint=NOWHERE)
    tracer.provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    instrument_all()
    print(run(city))


main(*sys.argv[1:])
