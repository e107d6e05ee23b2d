"""Agents of the OpenAI Agents SDK: ``agent|handoff|guardrail CITY``."""

import sys
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    Runner,
    function_tool,
    input_guardrail,
    set_tracing_disabled,
)
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.genai.openai_agents import OpenAIAgentsInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question


@input_guardrail
async def no_maths(_context: Any, _agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info={"maths": False}, tripwire_triggered=False)


def main(way: str, city: str) -> None:
    set_tracing_disabled(False)
    OpenAIAgentsInstrumentor().instrument()
    OpenAIInstrumentor().instrument()
    checks: Any = [no_maths] if way == "guardrail" else []
    weather = Agent(
        name="weather_agent",
        instructions=INSTRUCTIONS,
        model=MODEL,
        tools=[function_tool(get_weather)],
        input_guardrails=checks,
    )
    triage = Agent(name="triage", instructions="Hand over.", model=MODEL, handoffs=[weather])
    print(Runner.run_sync(triage if way == "handoff" else weather, question(city)).final_output)


main(*sys.argv[1:])
