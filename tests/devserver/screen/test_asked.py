"""What a run was asked and has answered, as the page tells it: what people and models said, and
nothing else that its spans hold."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import prefactor_otel
from prefactor_otel import PrefactorExporter, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation
from tests.devserver.screen.browser import Browser
from tests.recorded import readable

PARIS, ATLANTIS = "What is the weather in Paris?", "What is the weather in Atlantis?"
SUNNY = "It is sunny, 21C in Paris."

RECORDED: dict[str, tuple[str | None, str | None]] = {
    "agent_framework__native__responses_tool_ok": (PARIS, SUNNY),
    "agno__openinference_agno_plus_openai__tool_ok": (PARIS, SUNNY),
    "ai_sdk__native_6__embeddings": (PARIS, None),
    "ai_sdk__native_7__tool_ok": (PARIS, SUNNY),
    "anthropic__traceloop_anthropic__messages_tool_ok": (PARIS, SUNNY),
    "claude_agent__logfire_claude_agent_sdk__tool_error": (ATLANTIS, SUNNY),
    "crewai__traceloop_crewai__tool_ok": (PARIS, SUNNY),
    "dspy__official_genai_dspy__predict": (None, None),
    "google_adk__native_v1__tool_ok": (PARIS, SUNNY),
    "google_genai__official_google_genai__content_tool_ok": (None, None),
    "haystack__native__rag": (PARIS, SUNNY),
    "haystack__openinference_haystack__rag": ("sunny where?", SUNNY),
    "langchain__openinference_langchain__agent_tool_ok_config": (PARIS, SUNNY),
    "langchain__traceloop_langchain__agent_tool_ok": (PARIS, SUNNY),
    "langgraph__openinference_langchain__stategraph": ("weather?", SUNNY),
    "llama_index__official_genai_llama_index_span_only__retrieve": (PARIS, None),
    "llama_index__traceloop_llamaindex__tool_ok": (None, SUNNY),
    "openai__official_openai_v2__chat_image_input": (None, None),
    "openai__openinference_openai__chat_image_input": ("what is it?", SUNNY),
    "openai_agents__openinference_openai_agents__handoff": (PARIS, SUNNY),
    "pydantic_ai__native_v6__tool_ok": (PARIS, SUNNY),
    "smolagents__openinference_smolagents__tool_ok": (PARIS, SUNNY),
    "strands__native__graph_multiagent": (PARIS, SUNNY),
}
IMAGE = "[media: image/png, 68 bytes, sha256 0123456789abcdef]"


def told(browser: Browser, run: str) -> tuple[str | None, str | None]:
    found = browser.opened().read(f"/page/runs/{run}")
    return found["question"], found["answer"]


@pytest.mark.parametrize("name", RECORDED)
def test_frameworks_are_asked_and_answer_what_was_said(
    name: str, server: DevServer, browser: Browser
) -> None:
    exporter = PrefactorExporter(server.url, server.token)
    exporter.export(readable(name))
    exporter.shutdown()
    run = exporter.run_id
    assert run is not None
    assert told(browser, run) == RECORDED[name]


def test_what_a_person_decides_or_thinks_is_no_question_and_no_answer(
    server: DevServer, browser: Browser
) -> None:
    exporter = PrefactorExporter(server.url, server.token)
    provider = TracerProvider(span_processors=[SimpleSpanProcessor(exporter)])
    tracer = provider.get_tracer("agent")
    with (
        tracer.start_as_current_span("work"),
        prefactor_otel.approval("refund", inputs={"text": "80"}, tracer=tracer) as waiting,
    ):
        waiting.decided(by="ann", answer=True, rating="up")
    with prefactor_otel.approval("again", inputs={"text": "90"}, tracer=tracer) as waiting:
        waiting.decided(by="ann", answer="later")
    assert provider.force_flush()
    run = exporter.run_id
    assert run is not None
    how: Any = {"api_url": server.url, "api_token": server.token}
    prefactor_otel.feedback(run, rating="up", comment="nice", **how)
    assert told(browser, run) == (None, None)
    provider.shutdown()


@pytest.mark.parametrize(
    ("content", "question"),
    [
        ([{"type": "text", "text": "What is it?"}, IMAGE], "What is it?"),
        ([IMAGE, "What is", {"type": "text", "text": "it?"}], "What is\nit?"),
        (f"{IMAGE} What is it?", "What is it?"),
        ([IMAGE], IMAGE),
    ],
    ids=["behind", "before", "within", "alone"],
)
def test_media_are_the_question_only_where_there_is_no_text(
    call: Caller, browser: Browser, content: Any, question: str
) -> None:
    run = call.active()
    call.span(run, payload={"inputs": {"messages": [{"role": "user", "content": content}]}})
    assert told(browser, run)[0] == question


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        ({"inputs": {"model": "example-model"}}, {"stop_reason": "stop"}),
        ({"inputs": {"system": "Be good.", "tools": ["find"]}}, {"tool_calls": [{"name": "find"}]}),
        ({"inputs": {"parameters": {"user": "x"}}}, {"output": {"meta": {"model": "m"}}}),
    ],
    ids=["model", "tools", "meta"],
)
def test_labels_of_a_call_are_neither_asked_nor_answered(
    call: Caller, browser: Browser, payload: Any, result: Any
) -> None:
    run = call.active()
    call.span(run, payload=payload, status="complete", result_payload=result)
    assert told(browser, run) == (None, None)


def test_of_steps_below_the_root_only_what_talks_is_heard(call: Caller, browser: Browser) -> None:
    schema = {
        "span_type_schemas": [
            {"name": f"otel:{kind}", "params_schema": {}, "result_schema": {}}
            for kind in ("agent", "span", "tool", "chain", "llm")
        ]
    }
    run = call.active(agent_schema_version=schema)
    root = call.span(run, schema_name="otel:agent", payload={"name": "agent"}).details["id"]
    said = (("span", "SELECT 1"), ("llm", "What?"), ("tool", "a tool's"), ("chain", "a step's"))
    call.bulk(
        *(
            creation(
                run,
                f"key-{kind:>5}",
                schema_name=f"otel:{kind}",
                parent_span_id=root,
                status="complete",
                payload={"inputs": {"input": text}},
                result_payload={"output": f"answer to {text}"},
            )
            for kind, text in said
        )
    )
    assert told(browser, run) == ("What?", "answer to What?")
