"""What an OTel span becomes: payload, status, error, and what stays private."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import Status, StatusCode

from prefactor_otel.mapping import AgentSpan, Below, Capture, agent_span
from prefactor_otel.payload.encode import encode, fitted
from prefactor_otel.payload.size import cut
from tests.faults.poison import Unprintable, cycle, nested
from tests.made_spans import Recorder, one_view, with_attributes


def mapped(capture: Capture | None = None, /, **attributes: object) -> AgentSpan:
    return agent_span(with_attributes(one_view(), attributes), capture or Capture())


def mapped_genai(operation: str, **attributes: object) -> AgentSpan:
    prefixed = {f"gen_ai.{key.replace('__', '.')}": value for key, value in attributes.items()}
    return mapped(Capture(), **{"gen_ai.operation.name": operation} | prefixed)


@pytest.mark.parametrize(
    ("operation", "schema_name"),
    [
        ("chat", "otel:llm"),
        ("text_completion", "otel:llm"),
        ("generate_content", "otel:llm"),
        ("chat.completions", "otel:llm"),
        ("text.streaming_completions", "otel:llm"),
        ("embeddings", "otel:embedding"),
        ("embedding", "otel:embedding"),
        ("execute_tool", "otel:tool"),
        ("invoke_agent", "otel:agent"),
        ("retrieval", "otel:retriever"),
        ("invoke_workflow", "otel:chain"),
        ("handoff", "otel:handoff"),
        ("apply_guardrail", "otel:guardrail"),
        ("create_agent", "otel:span"),
        ("something_new", "otel:span"),
    ],
)
def test_the_operation_name_decides_the_type(operation: str, schema_name: str) -> None:
    assert mapped_genai(operation).schema_name == schema_name


CALL = {
    "request__model": "m",
    "usage__input_tokens": 3,
    "usage__output_tokens": 4,
    "input__messages": '[{"role": "user", "content": "hello"}]',
}


def test_an_operation_nobody_knows_that_carries_all_of_a_models_call_is_one() -> None:
    span = mapped_genai("responses", **CALL)
    assert span.schema_name == "otel:llm"
    assert span.payload["token_usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
    }
    inputs = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    assert span.payload["inputs"] == inputs


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ({"input_tokens": 10, "total_tokens": 17}, {"prompt_tokens": 10, "total_tokens": 17}),
        ({"input_tokens": 10}, {"prompt_tokens": 10, "total_tokens": 10}),
        ({"output_tokens": 7}, {"completion_tokens": 7, "total_tokens": 7}),
        ({"total_tokens": 17}, {"total_tokens": 17}),
    ],
)
def test_a_count_that_nobody_reported_is_not_made_up(
    reported: dict[str, int], shown: dict[str, int]
) -> None:
    told = {f"usage__{name}": tokens for name, tokens in reported.items()}
    assert mapped_genai("chat", request__model="m", **told).payload["token_usage"] == shown


def test_a_count_that_differs_from_the_one_that_is_trusted_stays_in_metadata() -> None:
    span = mapped_genai("chat", usage__input_tokens=10, usage__prompt_tokens=12)
    assert span.payload["token_usage"] == {"prompt_tokens": 10, "total_tokens": 10}
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["gen_ai.usage.prompt_tokens"] == 12
    assert "gen_ai.usage.input_tokens" not in metadata


def test_an_embedding_completes_nothing_and_says_so() -> None:
    usage = mapped_genai("embeddings", usage__input_tokens=10).payload["token_usage"]
    assert usage == {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}


@pytest.mark.parametrize("missing", ["request__model", "usage__"])
def test_an_operation_nobody_knows_is_a_plain_span_if_it_lacks_any_of_that(missing: str) -> None:
    carried = {name: value for name, value in CALL.items() if not name.startswith(missing)}
    assert mapped_genai("fetch_answer", **carried).schema_name == "otel:span"


@pytest.mark.parametrize(
    ("step", "schema_name"), [("workflow", "otel:chain"), ("agent", "otel:agent")]
)
def test_an_operation_nobody_knows_leaves_the_word_to_other_vocabularies(
    step: str, schema_name: str
) -> None:
    attributes = {f"gen_ai.{key.replace('__', '.')}": value for key, value in CALL.items()}
    named = {"gen_ai.operation.name": "run_loop", "traceloop.span.kind": step}
    assert mapped(Capture(), **(attributes | named)).schema_name == schema_name


def test_a_span_without_an_operation_is_a_plain_span_with_all_it_carries() -> None:
    span = mapped(**{"http.method": "GET", "answer": 42})
    assert span.schema_name == "otel:span"
    assert span.payload["name"] == "step"
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["http.method"] == "GET"
    assert metadata["answer"] == 42
    assert metadata["scope"] == {"name": "tests", "version": "1.0"}
    assert metadata["resource"]["telemetry.sdk.name"] == "opentelemetry"


def test_an_llm_call_tells_model_messages_and_tokens() -> None:
    asked = [
        {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
    ]
    answered = [
        {
            "role": "assistant",
            "parts": [
                {
                    "type": "tool_call",
                    "id": "c1",
                    "name": "weather",
                    "arguments": '{"city":"Paris"}',
                }
            ],
        }
    ]
    span = mapped_genai(
        "chat",
        request__model="gpt-4o",
        response__model="gpt-4o-2024",
        input__messages=json.dumps(asked),
        output__messages=json.dumps(answered),
        system_instructions=json.dumps([{"type": "text", "content": "Be brief."}]),
        response__finish_reasons=("tool_calls",),
        usage__input_tokens=120,
        usage__output_tokens=30,
        request__temperature=0.2,
    )
    assert span.payload["inputs"] == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Weather in Paris?"}],
        "system": "Be brief.",
        "parameters": {"temperature": 0.2},
    }
    assert span.payload["outputs"] == {
        "messages": [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Paris"}}],
            }
        ],
        "tool_calls": [{"id": "c1", "name": "weather", "arguments": {"city": "Paris"}}],
        "stop_reason": "tool_calls",
    }
    assert span.payload["token_usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
    }
    assert span.result_payload == span.payload["outputs"]


def test_a_tool_is_known_by_its_name_and_its_arguments_are_its_inputs() -> None:
    span = mapped_genai(
        "execute_tool",
        tool__name="get_weather",
        tool__call__arguments='{"city": "Paris"}',
        tool__call__result="18 degrees",
    )
    assert span.payload["name"] == "get_weather"
    assert span.payload["inputs"] == {"city": "Paris"}
    assert span.payload["outputs"] == {"output": "18 degrees"}
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["otel.name"] == "step"


def test_tokens_of_an_agent_count_where_nothing_under_it_counted_any() -> None:
    told = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 120}
    view = with_attributes(one_view(), told)
    alone = agent_span(view, Capture()).payload
    assert alone["token_usage"] == {"prompt_tokens": 120, "total_tokens": 120}
    above = agent_span(view, Capture(), Below(counted=True)).payload
    assert above["token_usage"] is None
    assert isinstance(above["metadata"], dict)
    assert above["metadata"]["gen_ai.usage.input_tokens"] == 120


def test_an_exception_becomes_the_error_and_the_result() -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError), recorder.tracer.start_as_current_span("divide"):
        _ = 1 / 0
    span = agent_span(recorder.views[0], Capture())
    error = span.payload["error"]
    assert isinstance(error, dict)
    assert span.status == "failed"
    assert error["error_type"] == "ZeroDivisionError"
    assert error["message"] == "division by zero"
    assert "Traceback" in str(error["stacktrace"])
    assert span.result_payload == error


def test_a_recovered_exception_fails_nothing() -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("retry") as otel_span:
        otel_span.record_exception(ValueError("first try"))
        otel_span.set_status(Status(StatusCode.OK))
    span = agent_span(recorder.views[0], Capture())
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert (span.status, span.payload["error"]) == ("complete", None)
    assert metadata["events"][0]["name"] == "exception"


def test_a_cancelled_task_is_cancelled_and_not_failed() -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("wait") as otel_span:
        otel_span.set_attribute("error.type", "asyncio.exceptions.CancelledError")
        otel_span.set_status(Status(StatusCode.ERROR))
    assert agent_span(recorder.views[0], Capture()).status == "cancelled"


def test_an_error_without_an_exception_takes_type_and_description() -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("call") as otel_span:
        otel_span.set_attribute("error.type", "rate_limit")
        otel_span.set_status(Status(StatusCode.ERROR, "too many requests\nsecond line"))
    error = agent_span(recorder.views[0], Capture()).payload["error"]
    assert error == {
        "error_type": "rate_limit",
        "message": "too many requests",
        "stacktrace": None,
    }


FRAMES = 'Traceback (most recent call last):\n  File "agent.py", line 1, in ask\n    ask()\n'


@pytest.mark.parametrize(
    ("description", "error_type", "message"),
    [
        (f"{FRAMES}ValueError: no such city", "ValueError", "no such city"),
        (f"{FRAMES}openai.RateLimitError: 429\nslow down", "RateLimitError", "429"),
        (f"{FRAMES}KeyError: 'a'\n\nDuring handling:\n\n{FRAMES}Wrong: b", "Wrong", "b"),
        (f"{FRAMES}TimeoutError", "TimeoutError", "TimeoutError"),
        (f"{FRAMES}12 monkeys: odd", "Error", "12 monkeys: odd"),
        (FRAMES, "Error", FRAMES.splitlines()[0]),
        (f"no such city\n{FRAMES}ValueError: no such city", "Error", "no such city"),
    ],
)
def test_a_traceback_for_a_description_tells_type_and_message_at_its_end(
    description: str, error_type: str, message: str
) -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("call") as otel_span:
        otel_span.set_status(Status(StatusCode.ERROR, description))
    error = agent_span(recorder.views[0], Capture()).payload["error"]
    assert error == {"error_type": error_type, "message": message, "stacktrace": description}


def test_a_type_that_is_told_wins_over_the_one_in_a_traceback() -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("call") as otel_span:
        otel_span.set_attribute("error.type", "rate_limit")
        otel_span.set_status(Status(StatusCode.ERROR, f"{FRAMES}ValueError: no such city"))
    error = agent_span(recorder.views[0], Capture()).payload["error"]
    assert isinstance(error, dict)
    assert (error["error_type"], error["message"]) == ("rate_limit", "no such city")


def test_a_cancellation_that_only_a_traceback_tells_is_no_failure() -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("call") as otel_span:
        otel_span.set_status(Status(StatusCode.ERROR, f"{FRAMES}asyncio.exceptions.CancelledError"))
    assert agent_span(recorder.views[0], Capture()).status == "cancelled"


CONTENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"SECRET-IN"}]}]',
    "gen_ai.output.messages": '[{"role":"model","parts":[{"type":"text","content":"SECRET-OUT"}]}]',
    "llm.input_messages.0.message.content": "SECRET-IN",
    "llm.output_messages.0.message.content": "SECRET-OUT",
    "gen_ai.prompt.0.content": "SECRET-IN",
    "gen_ai.completion.0.content": "SECRET-OUT",
    "input.value": "SECRET-IN",
    "output.value": "SECRET-OUT",
    "traceloop.entity.input": "SECRET-IN",
    "traceloop.entity.output": "SECRET-OUT",
}


@pytest.mark.parametrize(
    ("capture", "kept", "hidden"),
    [
        (Capture(inputs=False), "SECRET-OUT", "SECRET-IN"),
        (Capture(outputs=False), "SECRET-IN", "SECRET-OUT"),
    ],
)
def test_content_that_is_not_captured_appears_nowhere(
    capture: Capture, kept: str, hidden: str
) -> None:
    sent = encode(mapped(capture, **CONTENT).payload).decode()
    assert hidden not in sent
    assert kept in sent


def test_a_length_limit_cuts_with_a_marker_that_tells_the_original_length() -> None:
    span = mapped(
        Capture(max_input_length=5, max_output_length=3),
        **{
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": '{"text": "1234567890"}',
            "gen_ai.tool.call.result": "abcdef",
        },
    )
    assert span.payload["inputs"] == {"text": "12345…[cut: 10 characters]"}
    assert span.payload["outputs"] == {"output": "abc…[cut: 6 characters]"}


@pytest.mark.parametrize("length", [5, 2000])
def test_a_length_limit_does_not_hide_which_media_were_there(length: int) -> None:
    image = b"\x89PNG\r\n" + bytes(range(256)) * 20
    data = base64.b64encode(image).decode()
    shown = (
        f"[media: image/png, {len(image)} bytes, sha256 {hashlib.sha256(image).hexdigest()[:16]}]"
    )
    span = mapped(
        Capture(max_input_length=length),
        **{
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": json.dumps(
                {"photo": data, "said": f"See data:image/png;base64,{data}{'!' * 2000}"}
            ),
        },
    )
    inputs, metadata = span.payload["inputs"], span.payload["metadata"]
    assert isinstance(inputs, dict)
    assert isinstance(metadata, dict)
    assert inputs["photo"] == shown
    assert inputs["said"].startswith(f"See {shown}")
    assert "…[cut: " in inputs["said"]
    assert metadata["repaired"] == ["media were replaced by type, size and hash"]


def test_a_length_limit_holds_for_what_is_nested_too_deep_to_be_encoded() -> None:
    deep = "[" * 900 + json.dumps("word" * 1000) + "]" * 900
    span = mapped(
        Capture(max_input_length=5),
        **{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": deep},
    )
    assert b"wordword" not in encode(span.payload["inputs"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"\xff\x00raw",
        lambda: float("nan"),
        lambda: float("inf"),
        lambda: "lone \ud83e surrogate",
        lambda: 2**70,
        lambda: -(2**70),
        lambda: {1, 2},
        lambda: {(1, 2): "odd key", None: 1, 7: 2},
        lambda: {"\ud800": 1},
        lambda: nested(1000),
        cycle,
        Unprintable,
        lambda: "nul \x00 inside",
    ],
)
def test_any_value_becomes_json_that_a_strict_parser_reads(make: Callable[[], object]) -> None:
    encoded = encode({"before": 1, "bad": make(), "after": "ok"})
    decoded = orjson.loads(encoded)
    assert (decoded["before"], decoded["after"]) == (1, "ok")
    encoded.decode("utf-8")


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(json_like)
def test_encoding_never_fails(value: object) -> None:
    orjson.loads(encode(value))


@given(st.text(min_size=1), st.integers(min_value=1, max_value=50))
def test_a_cut_text_never_keeps_more_than_it_may(text: str, length: int) -> None:
    short = cut(text, length)
    assert short == text if len(text) <= length else short.startswith(text[:length])


def test_an_oversized_body_keeps_its_ids_and_status() -> None:
    view = replace(one_view(), attributes={"huge": "x" * 3_000_000, "small": "kept"})
    body = fitted(encode(agent_span(view, Capture()).payload), 100_000)
    payload = orjson.loads(body)
    assert len(body) <= 100_000
    assert payload["span_id"] == view.key.span_hex
    assert payload["status"] == "complete"
    assert payload["metadata"]["small"] == "kept"
    assert payload["metadata"]["huge"].endswith("[cut: 3000000 characters]")


def test_an_end_before_the_start_is_clamped_and_marked() -> None:
    view = one_view()
    span = agent_span(replace(view, end_ns=view.start_ns - 5_000_000), Capture())
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert span.finished_at == span.started_at
    assert metadata["repaired"] == ["end before start"]


def test_times_are_utc_with_microseconds() -> None:
    view = replace(one_view(), start_ns=1_700_000_000_123_456_789, end_ns=1_700_000_001_000_000_000)
    span = agent_span(view, Capture())
    assert span.started_at == "2023-11-14T22:13:20.123456Z"
    assert span.finished_at == "2023-11-14T22:13:21.000000Z"


def test_an_attribute_whose_name_is_taken_is_kept_apart() -> None:
    view = one_view("step", kind="special", user_id="u-own", events=3, **{"user.id": "u-1"})
    metadata = agent_span(view, Capture()).payload["metadata"]
    assert isinstance(metadata, dict)
    assert (metadata["kind"], metadata["user_id"]) == ("internal", "u-1")
    assert metadata["attributes"] == {"kind": "special", "user_id": "u-own", "events": 3}


def test_spans_of_the_same_names_tell_their_own_tools() -> None:
    declared = [
        json.dumps([{"type": "function", "function": {"name": name, "about": "x" * length}}])
        for name, length in (("weather", 10), ("news", 10), ("weather", 10), ("maps", 100_000))
    ]
    spans = [mapped_genai("chat", tool__definitions=text) for text in declared]
    told = [span.payload["inputs"] for span in spans]
    assert told == [{"tools": [name]} for name in ("weather", "news", "weather", "maps")]
    kept = [span.payload["metadata"] for span in spans]
    for metadata, text in zip(kept, declared, strict=True):
        assert isinstance(metadata, dict)
        assert metadata["gen_ai.tool.definitions"] == text


def test_what_has_no_place_in_a_message_stays_in_metadata() -> None:
    odd = {
        "llm.input_messages.0.message": "a value where the message is",
        "llm.input_messages.1.message.content.text": "a value inside of a value",
    }
    span = mapped(
        Capture(),
        **{
            "openinference.span.kind": "LLM",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Weather?",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "In Paris.",
        },
        **odd,
    )
    assert span.payload["inputs"] == {
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "user", "content": "In Paris."},
        ]
    }
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    assert odd.items() <= metadata.items()
