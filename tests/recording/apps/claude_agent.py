"""An agent of the Claude Agent SDK: ``query CITY openinference|logfire``."""

import asyncio
import sys
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, create_sdk_mcp_server, tool
from weather import INSTRUCTIONS, get_weather, question


def instrument(instrumentation: str) -> None:
    if instrumentation == "openinference":
        from openinference.instrumentation.claude_agent_sdk import ClaudeAgentSDKInstrumentor

        ClaudeAgentSDKInstrumentor().instrument()
    else:
        import logfire
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from recorder import EXPORTER

        logfire.configure(
            send_to_logfire=False,
            console=False,
            additional_span_processors=[SimpleSpanProcessor(EXPORTER)],
        )
        logfire.instrument_claude_agent_sdk()


@tool("get_weather", "Weather of a city.", {"city": str})
async def look_up(given: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": get_weather(given["city"])}]}


async def main(_way: str, city: str, instrumentation: str) -> None:
    instrument(instrumentation)
    name = "mcp__weather__get_weather"
    options = ClaudeAgentOptions(
        model="claude-sonnet-4-5",
        system_prompt=INSTRUCTIONS,
        mcp_servers={"weather": create_sdk_mcp_server("weather", tools=[look_up])},
        tools=[],
        allowed_tools=[name],
        max_turns=4,
        env={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1"},
    )
    async with ClaudeSDKClient(options) as client:
        await client.query(question(city))
        async for message in client.receive_response():
            print(message)


asyncio.run(main(*sys.argv[1:]))
