"""An agent of Google's ADK: ``native CITY``."""

import asyncio
import os
import sys

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
from google.genai import types
from weather import INSTRUCTIONS, get_weather, question


async def main(city: str) -> None:
    os.environ["GOOGLE_GEMINI_BASE_URL"] = os.environ["MODEL_HOST"]
    agent = Agent(
        name="weather", model="gemini-2.5-flash", instruction=INSTRUCTIONS, tools=[get_weather]
    )
    runner = InMemoryRunner(agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="user")
    asked = types.Content(role="user", parts=[types.Part(text=question(city))])
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=asked):
        print(event.content)


asyncio.run(main(sys.argv[2]))
