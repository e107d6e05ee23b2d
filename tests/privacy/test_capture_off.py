"""With capture off, content leaves only if it is known to be none, whatever its name."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import Status, StatusCode

from prefactor_otel.mapping import Capture, agent_span
from prefactor_otel.payload.encode import encode
from prefactor_otel.privacy.content import NOT_CAPTURED
from prefactor_otel.spans.view import Event, SpanKey, SpanView
from tests.made_spans import Recorder, one_view, with_attributes

CANARY = "canary 7f3a"
OFF = Capture(inputs=False, outputs=False)
INPUT_WORDS = ["input", "prompt", "argument", "arguments", "args", "request", "query", "question"]
INPUT_WORDS += ["instruction", "instructions"]
OUTPUT_WORDS = ["output", "result", "response", "completion", "answer", "explanation"]
WORDS = [*INPUT_WORDS, *OUTPUT_WORDS, "message", "messages", "text", "content", "transcript"]
WORDS += ["record", "records", "document", "documents", "body"]
VENDORS = ["", "gen_ai.", "llm.", "ai.", "traceloop.entity.", "acme.", "acme.rocket_", "lk.pii."]
KINDS: list[dict[str, object]] = [
    {},
    {"gen_ai.operation.name": "chat"},
    {"gen_ai.operation.name": "execute_tool"},
    {"gen_ai.operation.name": "invoke_agent"},
    {"gen_ai.operation.name": "something_new"},
    {"openinference.span.kind": "LLM"},
    {"openinference.span.kind": "TOOL"},
    {"openinference.span.kind": "AGENT"},
    {"openinference.span.kind": "CHAIN"},
    {"openinference.span.kind": "RETRIEVER"},
    {"traceloop.span.kind": "agent"},
    {"traceloop.span.kind": "tool"},
    {"traceloop.span.kind": "workflow"},
    {"ai.operationId": "ai.generateText.doGenerate"},
]
VALUES = [
    CANARY,
    (CANARY, "other"),
    json.dumps({"role": "user", "content": CANARY}),
    json.dumps([{"role": "user", "parts": [{"type": "text", "content": CANARY}]}]),
    json.dumps({"id": [CANARY]}),
    {"nested": [CANARY]},
]


def names(words: list[str]) -> st.SearchStrategy[str]:
    """Dotted, underscored and camel-cased names that hold nothing but these words."""
    told = st.lists(st.sampled_from(words), min_size=1, max_size=4)
    joined = st.tuples(told, st.sampled_from([".", "_", ".0."])).map(lambda of: of[1].join(of[0]))
    camel = told.map(lambda of: of[0] + "".join(word.title() for word in of[1:]))
    return st.tuples(st.sampled_from(VENDORS), joined | camel).map("".join)


def sent(view: SpanView, capture: Capture) -> str:
    return encode(agent_span(view, capture)._asdict()).decode()


@given(names(WORDS), st.sampled_from(KINDS), st.sampled_from(VALUES))
def test_an_attribute_whose_name_says_content_is_gone(
    name: str, kind: dict[str, object], value: object
) -> None:
    assert CANARY not in sent(with_attributes(one_view(), {**kind, name: value}), OFF)


@given(names(WORDS), st.sampled_from(KINDS), st.sampled_from(VALUES))
def test_so_it_is_in_events_and_links(name: str, kind: dict[str, object], value: object) -> None:
    told = {name: value, "said": value}
    for event in (name, "gen_ai.choice", "exception", "gen_ai.user.message"):
        view = replace(
            with_attributes(one_view(), kind),
            events=(Event(event, 1, told),),
            links=((SpanKey(1, 2), {name: value}),),
        )
        assert CANARY not in sent(view, OFF)


@given(names(INPUT_WORDS), names(OUTPUT_WORDS), st.sampled_from(KINDS))
def test_each_side_is_gone_by_its_own_switch(
    asked: str, answered: str, kind: dict[str, object]
) -> None:
    if not asked.startswith("ai.") and not answered.startswith("ai."):
        asked_alone = with_attributes(one_view(), {**kind, asked: CANARY})
        assert CANARY not in sent(asked_alone, Capture(inputs=False))
        answered_alone = with_attributes(one_view(), {**kind, answered: CANARY})
        assert CANARY not in sent(answered_alone, Capture(outputs=False))


@pytest.mark.parametrize("capture", [OFF, Capture(inputs=False), Capture(outputs=False)])
def test_what_an_error_says_is_gone_and_that_there_was_one_is_not(capture: Capture) -> None:
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("step") as span:
        span.record_exception(ValueError(CANARY))
        span.set_attribute("error.message", CANARY)
        span.set_status(Status(StatusCode.ERROR, f"ValueError: {CANARY}"))
    (view,) = recorder.views
    assert CANARY not in sent(view, capture)
    error = {"error_type": "ValueError", "message": NOT_CAPTURED, "stacktrace": None}
    assert agent_span(view, capture).payload["error"] == error


@pytest.mark.parametrize(
    "name",
    [
        *("gen_ai.response.id", "gen_ai.conversation.id", "gen_ai.agent.id", "gen_ai.tool.type"),
        *("gen_ai.request.choice.count", "gen_ai.request.top_p", "gen_ai.request.max_tokens"),
        *("gen_ai.prompt.name", "gen_ai.prompt.version", "gen_ai.evaluation.score.value"),
        *("gen_ai.evaluation.name", "gen_ai.usage.cost", "llm.is_streaming", "ai.model.provider"),
        *("http.request.method", "http.response.status_code", "db.system", "rpc.method"),
        *("messaging.message.id", "prefactor.span_type", "app.order", "traceloop.entity.path"),
    ],
)
def test_what_is_known_to_be_no_content_stays_under_one_name(name: str) -> None:
    metadata = agent_span(with_attributes(one_view(), {name: "98765"}), OFF).payload["metadata"]
    assert encode(metadata).decode().count("98765") == 1


def test_results_of_databases_and_vectors_are_content() -> None:
    told = {
        "db.statement": CANARY,
        "db.query.parameter.name": CANARY,
        "db.response.rows": (CANARY,),
        "db.vector.query": CANARY,
        "embedding.embeddings.0.embedding.vector": (0.12345, 0.5),
        "acme.vectors": (0.12345,),
    }
    for kind in KINDS:
        text = sent(with_attributes(one_view(), {**kind, **told}), OFF)
        assert CANARY not in text
        assert "0.12345" not in text


def test_a_template_that_was_filled_in_names_no_span() -> None:
    filled = {"logfire.msg_template": "asks {who}", "logfire.msg": CANARY, "agent_name": "a"}
    view = with_attributes(one_view("asks {who}"), {**filled, "openinference.span.kind": "CHAIN"})
    assert CANARY not in sent(view, OFF)


PLAIN = ["acme.state", "langgraph.checkpoint", "acme.blob", "acme.x", "acme.order.details"]
LONG = f"{CANARY} and so on, " * 20
STRUCTURES = [
    json.dumps({"user": CANARY}),
    json.dumps([CANARY]),
    f"  {json.dumps({'user': CANARY})}",
    json.dumps({"user": CANARY})[:-2],
    str({"user": CANARY}),
    f"State(messages=[Message(content='{CANARY}')])",
    f"state: {json.dumps({'user': CANARY})}",
    f"one line\n{CANARY}",
    LONG,
    (CANARY, "other"),
    {"user": CANARY},
    CANARY.encode(),
]


@pytest.mark.parametrize("capture", [OFF, Capture(inputs=False), Capture(outputs=False)])
@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("value", STRUCTURES)
def test_a_value_that_is_no_word_is_content_under_whatever_name(
    name: str, value: object, capture: Capture
) -> None:
    for kind in KINDS:
        view = with_attributes(one_view(), {**kind, name: value})
        view = replace(view, links=((SpanKey(1, 2), {name: value}),), resource={name: value})
        view = replace(view, events=(Event("acme.saved", 1, {name: value}),))
        text = sent(view, capture)
        assert CANARY not in text
        assert "Y2FuYXJ5" not in text  # base64


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acme.order", "deliver order 66"),
        ("acme.retries", 3),
        ("acme.is_vip", True),
        ("acme.ratio", 0.25),
        ("acme.team.names", ("red", "green")),
        ("acme.region.names", '["eu", "us"]'),
        ("acme.scores", (0.1, 0.2)),
        ("acme.state", "running"),
        ("acme.size", "1024x1024"),
        ("acme.latency", "12.5 ms"),
        ("acme.price", "0.01"),
        ("http.status_code", "404"),
        ("gen_ai.agent.name", "The desk"),
        ("acme.usage_details", '{"input": 10, "output": {"audio": 5}}'),
        ("server.address", "[2001:db8::1]:443"),
        ("url.full", "https://example.org/a/b"),
        ("http.route", "/orders/{id}"),
    ],
)
def test_a_word_a_number_and_what_is_counted_stay(name: str, value: object) -> None:
    metadata = agent_span(with_attributes(one_view(), {name: value}), OFF).payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen_ai.usage.note", CANARY),
        ("acme.cost.why", CANARY),
        ("acme.usage", json.dumps({"input": 3, "of": CANARY})),
        ("otel.status_description", CANARY),
        ("acme.description", CANARY),
        ("acme.comment", CANARY),
        ("url.full", f"https://example.org/a?q={CANARY}"),
        ("http.target", f"/search?q={CANARY}"),
        ("process.command_line", f"agent -p '{CANARY}'"),
        ("acme.reply.id", json.dumps({"text": CANARY})),
        ("gen_ai.usage.input_tokens", f"{CANARY}@example.org"),
        ("gen_ai.usage.output_tokens", CANARY),
        ("gen_ai.request.temperature", f"{CANARY}@example.org"),
        *(
            (name, f"Dear {CANARY}, I am ill")
            for name in (
                *("http.status_code", "server.port", "gen_ai.request.seed", "acme.order.id"),
                *("task", "agent.task", "crew.task", "goal", "value", "acme.data", "retval"),
                *("next.action", "agent.plan", "state", "search", "acme.reason", "tool_calls"),
                *("patient", "memo", "acme.todo", "agent.memory"),
            )
        ),
    ],
)
def test_a_text_where_a_number_or_a_word_belongs_is_content(name: str, value: object) -> None:
    view = replace(with_attributes(one_view(), {name: value}), resource={name: value})
    assert CANARY not in sent(view, OFF)


def test_of_a_resource_what_it_is_stays_and_what_was_said_goes() -> None:
    told: dict[str, object] = {
        "service.name": "desk",
        "os.description": "Linux " * 60,
        "process.runtime.description": "CPython 3.11\n[GCC 12]",
        "container.image.tags": ("latest", "1.2"),
        "acme.zone": "b",
    }
    said = {"acme.system_prompt": CANARY, "input": CANARY, "process.command_args": (CANARY,)}
    view = replace(one_view(), resource={**told, **said})
    metadata = agent_span(view, OFF).payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["resource"] == told
    metadata = agent_span(view, Capture()).payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["resource"] == {**told, **said}


REQUEST = {
    "temperature": 0.3,
    "max_tokens": 100,
    "stream": True,
    "tool_choice": "auto",
    "modalities": ["text", "audio"],
    "stop": ["END"],
    "reasoning": {"effort": "high", "summary": CANARY},
    "response_format": {"type": "json_schema", "json_schema": {CANARY: {"type": "string"}}},
    "system": CANARY,
    "user": CANARY,
    "metadata": {"ticket": 7, "note": CANARY},
    "prediction": {"type": "content", "content": CANARY},
    "n": "2",
}
SETTINGS = {
    "temperature": 0.3,
    "max_tokens": 100,
    "stream": True,
    "tool_choice": "auto",
    "modalities": ["text", "audio"],
    "stop": ["END"],
    "reasoning": {"effort": "high"},
    "response_format": {"type": "json_schema"},
    "prediction": {"type": "content"},
    "n": 2,
}


@pytest.mark.parametrize("capture", [OFF, Capture(inputs=False)])
def test_the_settings_of_a_call_are_no_content(capture: Capture) -> None:
    view = with_attributes(
        one_view(),
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.invocation_parameters": json.dumps(REQUEST),
        },
    )
    span = agent_span(view, capture)
    assert span.payload["inputs"] == {"model": "m", "parameters": SETTINGS}
    assert CANARY not in sent(view, capture)


def test_who_handed_over_to_whom_is_no_content() -> None:
    told = {"from_agent": "triage", "to_agent": "refunds"}
    view = with_attributes(one_view(), {"gen_ai.operation.name": "handoff", **told})
    span = agent_span(view, OFF)
    assert span.payload["inputs"] == told
