"""The kinds of things that the cases show, in other spellings and of other vendors."""

import json
from dataclasses import replace
from typing import Any

import pytest

from prefactor_otel.mapping import AgentSpan, Capture, agent_span
from tests.made_spans import one_view, with_attributes

CHAT: dict[str, object] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
TOOL: dict[str, object] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "w"}
ASKED = json.dumps([{"role": "user", "content": "hi"}])


def mapped(attributes: dict[str, object], name: str = "step") -> AgentSpan:
    return agent_span(with_attributes(one_view(name), attributes), Capture())


def failed(message: str, **attributes: object) -> dict[str, Any]:
    view = with_attributes(
        one_view(), CHAT | {k.replace("__", "."): v for k, v in attributes.items()}
    )
    span = agent_span(replace(view, status="error", status_message=message), Capture())
    error = span.payload["error"]
    return {"status": span.status, **(error if isinstance(error, dict) else {})}


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        (
            {
                "gen_ai.usage.prompt_tokens": 10,
                "gen_ai.usage.completion_tokens": 5,
                "gen_ai.usage.prompt_tokens_details.cached_tokens": 4,
                "gen_ai.usage.completion_tokens_details.reasoning_tokens": 2,
            },
            {"prompt_tokens": 10, "cached_tokens": 4, "reasoning_tokens": 2, "total_tokens": 15},
        ),
        (
            {
                "ai.usage.inputTokens": "12",
                "ai.usage.outputTokens": 3.0,
                "ai.usage.inputTokenDetails.cacheReadTokens": 8,
                "ai.usage.inputTokenDetails.cacheWriteTokens": 1,
            },
            {"prompt_tokens": 12, "cached_tokens": 8, "cache_write_tokens": 1, "total_tokens": 15},
        ),
        (
            {
                "acme.usage.input_tokens": 3,
                "acme.usage.output_tokens": -1,
                "acme.usage.cache_creation_input_tokens": 6,
            },
            {"prompt_tokens": 9, "cache_write_tokens": 6, "total_tokens": 9},
        ),
        (
            {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
            | {"llm.token_count.prompt": 90, "llm.token_count.completion": 40}
            | {"llm.token_count.total": 130},
            {"prompt_tokens": 90, "completion_tokens": 40, "total_tokens": 130},
        ),
    ],
)
def test_counts_are_read_by_their_words(told: dict[str, object], counted: dict[str, int]) -> None:
    usage = mapped(CHAT | told).payload["token_usage"]
    assert isinstance(usage, dict)
    assert {name: usage.get(name) for name in counted} == counted


def test_parts_of_a_modality_or_a_lifetime_are_details_and_no_totals() -> None:
    told = {
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.audio.input_tokens": 2,
        "gen_ai.usage.cache_creation.ephemeral_5m_input_tokens": 6,
    }
    span = mapped(CHAT | told)
    assert span.payload["token_usage"] == {"prompt_tokens": 9, "total_tokens": 9}
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["usage_details"] == {"input_audio": 2, "cache_write_ephemeral_5m": 6}


@pytest.mark.parametrize(
    ("attributes", "span_type", "inputs", "outputs"),
    [
        (
            {
                "acme.span.kind": "LLM",
                "acme.model_name": "x",
                "acme.input": ASKED,
                "acme.output": "yo",
            },
            "llm",
            {"model": "x", "messages": [{"role": "user", "content": "hi"}]},
            {"content": "yo"},
        ),
        (
            {"zeta_span_type": "tool", "zeta_arguments": '{"a": 1}', "zeta_result": "ok"},
            "tool",
            {"a": 1},
            {"output": "ok"},
        ),
        (
            {"zeta.entity.type": "agent", "zeta.question": "why?", "zeta.answer": "so"},
            "agent",
            {"input": "why?"},
            {"output": "so"},
        ),
        (
            {"genkit:metadata:subtype": "tool", "genkit:input": '{"a": 1}', "genkit:output": '"b"'},
            "tool",
            {"a": 1},
            {"output": "b"},
        ),
    ],
)
def test_a_vendor_whom_nobody_knows_is_read_by_its_words(
    attributes: dict[str, object], span_type: str, inputs: object, outputs: object
) -> None:
    span = mapped(attributes)
    assert span.schema_name == f"otel:{span_type}"
    assert (span.payload["inputs"], span.payload["outputs"]) == (inputs, outputs)


@pytest.mark.parametrize("value", ["client", "internal", "web", "", 7, None, ["llm"]])
def test_another_word_for_a_kind_of_span_says_nothing(value: object) -> None:
    assert mapped({"span.kind": value, "input": "x"}).schema_name == "otel:span"


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("GraphInterrupt((Interrupt(value='x'),))", "cancelled"),
        ("langgraph.errors.ParentCommand: Command(goto='b')", "complete"),
        ("CancelledError: ", "cancelled"),
        ("ValueError: no", "failed"),
    ],
)
def test_control_flow_that_only_a_description_names_fails_nothing(
    message: str, status: str
) -> None:
    assert failed(message)["status"] == status


@pytest.mark.parametrize(
    ("message", "error_type", "told"),
    [
        ("Error code: 429 - {'error': {'message': 'slow down'}}", "Error", "slow down"),
        ("LookupError('not found')", "LookupError", "not found"),
        ("ExceptionGroup('many', [ValueError('a')])", "ExceptionGroup", "many"),
        ("ValueError: no such city", "ValueError", "no such city"),
        ("Bad gateway: try later", "Error", "Bad gateway: try later"),
    ],
)
def test_a_description_is_told_as_a_person_would(message: str, error_type: str, told: str) -> None:
    error = failed(message)
    assert (error["error_type"], error["message"]) == (error_type, told)


def test_a_number_for_an_error_says_what_it_means() -> None:
    assert failed("", error__type=503)["error_type"] == "503"
    assert failed("", error__type=503)["message"] == "503 Service Unavailable"


@pytest.mark.parametrize(
    "result",
    [
        {"content": [{"type": "text", "text": "boom"}], "isError": True},
        {"content": "boom", "is_error": True},
        {"type": "tool", "data": {"content": "boom", "tool_call_id": "c", "status": "error"}},
    ],
)
def test_a_tool_has_failed_where_its_result_says_so(result: object) -> None:
    span = mapped(TOOL | {"gen_ai.tool.call.result": json.dumps(result)})
    assert span.status == "failed"
    assert isinstance(span.payload["error"], dict)
    assert span.payload["error"]["message"] == "boom"
    assert span.result_payload == span.payload["error"]


def test_a_result_that_is_about_errors_is_none() -> None:
    result = json.dumps({"status": "error", "rows": 3})
    assert mapped(TOOL | {"gen_ai.tool.call.result": result}).status == "complete"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("task_9f86d081884c7d659a2feaa0c55ad015", "task"),
        ("run-1234567890123.step", "run.step"),
        ("0b7cf1de-1111-4222-8333-444455556666", "chain"),
        ("deliver order 66", "deliver order 66"),
    ],
)
def test_no_name_holds_an_id(name: str, shown: str) -> None:
    assert mapped({"openinference.span.kind": "CHAIN"}, name).payload["name"] == shown


def test_what_two_vocabularies_say_alike_is_shown_once() -> None:
    told = {
        "gen_ai.input.messages": ASKED,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "hi",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "something else",
    }
    metadata = mapped(CHAT | told).payload["metadata"]
    assert isinstance(metadata, dict)
    left = {name for name in told if name in metadata}
    assert left == {"gen_ai.prompt.0.role", "gen_ai.prompt.0.content"}


def test_what_is_under_a_request_and_no_setting_stays_where_it_is() -> None:
    told = {"choice.count": "2", "stream": True, "user": "u-1", "api_base": "http://a", "id": "r"}
    span = mapped(CHAT | {f"gen_ai.request.{name}": value for name, value in told.items()})
    assert isinstance(span.payload["inputs"], dict)
    assert span.payload["inputs"]["parameters"] == {"choice.count": 2, "stream": True}


def test_a_session_of_a_protocol_is_none_of_a_user() -> None:
    metadata = mapped({"mcp.session.id": "m-1"}).payload["metadata"]
    assert isinstance(metadata, dict)
    assert "session_id" not in metadata
