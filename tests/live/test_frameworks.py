"""Frameworks and instrumentations as they are published, from the question to the read API.

What each is known to leave off its spans is said by what is expected of it here.
"""

from typing import Final

import pytest

from tests.live.conftest import Tell
from tests.live.frameworks import (
    FRAMEWORKS,
    LANGGRAPH,
    LANGGRAPH_LIVE,
    OPENAI,
    PYDANTIC_AI,
    STRANDS,
    Framework,
)
from tests.model import ANSWER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("frameworks"),
]
everywhere = pytest.mark.parametrize("framework", FRAMEWORKS, ids=str)
both_ways = pytest.mark.parametrize("way", ["chat", "stream"])

FLAT: Final = """
agent weather_agent: complete
  llm {model}: complete
  tool get_weather: complete
  llm {model}: complete
"""
ANSWERED: Final = {
    PYDANTIC_AI: FLAT.format(model="chat gpt-4o-mini"),
    OPENAI: FLAT.format(model="gpt-4o-mini"),
    LANGGRAPH: """
agent weather_agent: complete
  chain model: complete
    llm gpt-4o-mini: complete
  chain tools: complete
    tool get_weather: complete
  chain model: complete
    llm gpt-4o-mini: complete
""",
    STRANDS: """
agent weather_agent: complete
  chain execute_event_loop_cycle: complete
    llm gpt-4o-mini: complete
    tool get_weather: complete
  chain execute_event_loop_cycle: complete
    llm gpt-4o-mini: complete
""",
}

FLAT_FAILURE: Final = """
agent weather_agent: failed LookupError
  llm {model}: complete
  tool get_weather: failed LookupError
"""
RAISED: Final = {
    PYDANTIC_AI: FLAT_FAILURE.format(model="chat gpt-4o-mini"),
    OPENAI: FLAT_FAILURE.format(model="gpt-4o-mini"),
    LANGGRAPH: """
agent weather_agent: failed LookupError
  chain model: complete
    llm gpt-4o-mini: complete
  chain tools: failed LookupError
    tool get_weather: failed LookupError
""",
    # Strands tells the model of the error, and that goes on.
    STRANDS: """
agent weather_agent: complete
  chain execute_event_loop_cycle: complete
    llm gpt-4o-mini: complete
    tool get_weather: failed LookupError
  chain execute_event_loop_cycle: complete
    llm gpt-4o-mini: complete
""",
}

for outlines in (ANSWERED, RAISED):
    outlines[LANGGRAPH_LIVE] = outlines[LANGGRAPH]

NO_REASONING: Final = {(OPENAI, "stream"), (STRANDS, "chat"), (STRANDS, "stream")}
"""These instrumentations put no count of reasoning tokens on the span."""


@everywhere
@both_ways
def test_a_question_becomes_one_tree_of_typed_spans(
    ask: Tell, framework: Framework, way: str
) -> None:
    story = ask(framework, way, "Paris")
    assert story.outline == ANSWERED[framework].strip()
    assert story.outline.count("\n") + 1 == len(story.spans)
    assert [run["status"] for run in story.runs] == ["complete"]


@everywhere
@both_ways
def test_the_tool_shows_what_it_was_given_and_what_it_gave(
    ask: Tell, framework: Framework, way: str
) -> None:
    [tool] = ask(framework, way, "Paris").of_type("tool")
    # OpenInference's span of a LangChain tool with one argument says its value, not its name.
    given = {"input": "Paris"} if framework.name == "langgraph" else {"city": "Paris"}
    assert (tool.name, tool.inputs) == ("get_weather", given)
    assert tool.result == {"output": "sunny, 21C in Paris"}


@everywhere
@both_ways
def test_the_question_and_the_answer_are_on_the_agent_and_on_the_model(
    ask: Tell, framework: Framework, way: str
) -> None:
    story = ask(framework, way, "Paris")
    [agent], [first, second] = story.of_type("agent"), story.of_type("llm")
    question = {"role": "user", "content": "What is the weather in Paris?"}
    assert agent.inputs == {"messages": [question]}
    assert agent.result["output"].strip() == ANSWER
    assert (first.inputs["model"], first.inputs["messages"]) == ("gpt-4o-mini", [question])
    call = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
    assert (first.result["tool_calls"], first.result["stop_reason"]) == (
        [call],
        "tool_calls",
    )
    asked, called, told = second.inputs["messages"]
    assert (asked, called["tool_calls"]) == (question, [call])
    assert (told["tool_call_id"], told["content"]) == ("call_1", "sunny, 21C in Paris")
    assert second.result["messages"] == [{"role": "assistant", "content": ANSWER}]
    assert second.result["stop_reason"] == "stop"


@everywhere
@both_ways
def test_every_call_of_the_model_is_counted_once(ask: Tell, framework: Framework, way: str) -> None:
    story = ask(framework, way, "Paris")
    counted = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}
    counted |= {"cached_tokens": 64}
    if (framework, way) not in NO_REASONING:
        counted |= {"reasoning_tokens": 16}
    assert story.answered == 2
    assert [span.token_usage for span in story.of_type("llm")] == [counted, counted]
    assert not [span for span in story.spans if span.token_usage and span.type != "llm"]


@everywhere
def test_a_tool_that_raises_fails_with_its_error(ask: Tell, framework: Framework) -> None:
    story = ask(framework, "chat", "Atlantis")
    assert story.outline == RAISED[framework].strip()
    [tool] = story.of_type("tool")
    assert tool.result["message"] == "no weather station in Atlantis"
    assert "raise LookupError" in tool.result["stacktrace"]
    [run], [root] = story.runs, [span for span in story.spans if not span.parent]
    assert run["status"] == root.status


@everywhere
@pytest.mark.parametrize(
    ("way", "city", "said"),
    [
        ("chat", "Paris", ANSWER),
        ("stream", "Paris", ANSWER),
        ("chat", "Atlantis", "failed: no weather station in Atlantis"),
    ],
)
def test_the_application_notices_nothing_and_nothing_is_refused(
    ask: Tell, framework: Framework, way: str, city: str, said: str
) -> None:
    story = ask(framework, way, city)
    if framework is STRANDS:
        said = ANSWER
    assert (story.code, story.stdout, story.stderr) == (0, f"{said}\n", "")
    assert story.refused == []
    assert [span.mismatches for span in story.spans] == [[]] * len(story.spans)
