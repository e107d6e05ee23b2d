"""An agent of any-agent with its own tracing: ``agent CITY``."""

import os
import sys

from any_agent import AgentConfig, AnyAgent
from weather import INSTRUCTIONS, MODEL, get_weather, question


def main(_way: str, city: str) -> None:
    config = AgentConfig(
        model_id=f"openai:{MODEL}",
        api_base=os.environ["OPENAI_BASE_URL"],
        api_key="none",
        name="weather_agent",
        instructions=INSTRUCTIONS,
        tools=[get_weather],
    )
    print(AnyAgent.create("tinyagent", config).run(question(city)).final_output)


main(*sys.argv[1:])
