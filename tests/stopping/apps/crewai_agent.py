"""A crew of CrewAI: ``traceloop CITY``."""

import sys

from opentelemetry.instrumentation.crewai import CrewAIInstrumentor

CrewAIInstrumentor().instrument()

from crewai import LLM, Agent, Crew, Task  # noqa: E402
from crewai.tools import tool  # noqa: E402
from weather import MODEL, get_weather, question  # noqa: E402

agent = Agent(
    role="forecaster",
    goal="Tell the weather.",
    backstory="You know it.",
    tools=[tool("get_weather")(get_weather)],
    llm=LLM(model=f"openai/{MODEL}"),
)
task = Task(description=question(sys.argv[2]), expected_output="The weather.", agent=agent)
print(Crew(agents=[agent], tasks=[task]).kickoff())
