"""The OpenAI client asks a model, which calls a tool, and tells it what that answered. It knows of
no telemetry: OpenTelemetry's launcher does all of that."""

import json
from typing import Any

from openai import OpenAI

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"name": "get_weather", "description": "Weather of a city.", "parameters": CITY}
MESSAGES: list[Any] = [
    {"role": "system", "content": "You are a weather assistant."},
    {"role": "user", "content": "What is the weather in Paris?"},
]

client = OpenAI(max_retries=0)
for _ in range(2):
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, tools=[{"type": "function", "function": WEATHER}]
    )
    message = answer.choices[0].message
    MESSAGES.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls or ():
        city = json.loads(call.function.arguments)["city"]
        told = {"tool_call_id": call.id, "content": f"sunny, 21C in {city}"}
        MESSAGES.append({"role": "tool", **told})
