"""The demo's agent: plain OpenTelemetry after the GenAI conventions, no word of Prefactor.

The model is scripted, so the demo needs no key and no network; everything else is real.
"""

import json
import time
from collections.abc import Callable
from typing import Final

from opentelemetry.trace import SpanKind, Tracer

MODEL: Final = "scripted-model-1"
QUESTION: Final = "Pack for a weekend in Paris and Atlantis: what is the weather?"
ANSWER: Final = "Paris: sunny, 21 degrees, pack light. Atlantis is not on any weather map."
Message = dict[str, object]


def weather(city: str) -> str:
    """A tool that knows one city."""
    if city != "Paris":
        raise LookupError(f"no weather station in {city}")
    return "sunny, 21 degrees"


TOOLS: Final[dict[str, Callable[[str], str]]] = {"weather": weather}


class TravelAgent:
    """Asks its model, runs the tools that it asks for, and answers; at a pace of 0.0, at once."""

    def __init__(self, tracer: Tracer, *, pace: float = 1.0) -> None:
        self._tracer = tracer
        self._pace = pace

    def run(self, question: str) -> str:
        """The whole task, one span with all others inside."""
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "travel agent"}
        with self._tracer.start_as_current_span("invoke_agent travel agent") as span:
            span.set_attributes(attributes)
            messages: list[Message] = [_text("user", question)]
            span.set_attribute("gen_ai.input.messages", json.dumps(messages))
            for city, tokens in (("Paris", (61, 14)), ("Atlantis", (92, 15))):
                messages.append(self._ask(messages, _call(city), "tool_calls", tokens))
                messages.append(self._use_tool("weather", city))
            answer = self._ask(messages, _text("assistant", ANSWER), "stop", (123, 31))
            span.set_attribute("gen_ai.output.messages", json.dumps([answer]))
        return ANSWER

    def _ask(
        self, messages: list[Message], answer: Message, reason: str, tokens: tuple[int, int]
    ) -> Message:
        with self._tracer.start_as_current_span(f"chat {MODEL}", kind=SpanKind.CLIENT) as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "scripted",
                    "gen_ai.request.model": MODEL,
                    "gen_ai.request.temperature": 0.0,
                    "gen_ai.input.messages": json.dumps(messages),
                }
            )
            time.sleep(0.6 * self._pace)
            span.set_attributes(
                {
                    "gen_ai.output.messages": json.dumps([answer]),
                    "gen_ai.response.finish_reasons": [reason],
                    "gen_ai.usage.input_tokens": tokens[0],
                    "gen_ai.usage.output_tokens": tokens[1],
                }
            )
            return answer

    def _use_tool(self, name: str, city: str) -> Message:
        try:
            with self._tracer.start_as_current_span(f"execute_tool {name}") as span:
                span.set_attributes(
                    {
                        "gen_ai.operation.name": "execute_tool",
                        "gen_ai.tool.name": name,
                        "gen_ai.tool.call.arguments": json.dumps({"city": city}),
                    }
                )
                time.sleep(0.4 * self._pace)
                result = TOOLS[name](city)
                span.set_attribute("gen_ai.tool.call.result", result)
        except LookupError as error:  # the agent goes on; the span tells what happened
            result = f"error: {error}"
        part = {"type": "tool_call_response", "id": f"call_{city}", "response": result}
        return {"role": "tool", "parts": [part]}


def _text(role: str, content: str) -> Message:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _call(city: str) -> Message:
    part = {
        "type": "tool_call",
        "id": f"call_{city}",
        "name": "weather",
        "arguments": {"city": city},
    }
    return {"role": "assistant", "parts": [part]}
