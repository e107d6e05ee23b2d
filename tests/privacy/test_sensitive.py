"""What is declared sensitive travels marked: at creation and finish, through spool and replay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from prefactor_otel import (
    PrefactorConfigError,
    PrefactorExporter,
    PrefactorSpanProcessor,
    TracerProvider,
)
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.payload.encode import item_body
from prefactor_otel.privacy.sensitivity import Rule, wrapped
from tests.patience import PATIENCE

ARGUMENTS = {"to": "anna@example.org", "amount": 12.5, "urgent": True, "note": None, "lines": ["a"]}
SENSITIVE = {"inputs.to": ["email"], "inputs.amount": "money", "inputs.lines": []}
WRAPPED = {
    "to": {"$sensitive": "string", "value": "anna@example.org", "labels": ["email"]},
    "amount": {"$sensitive": "number", "value": 12.5, "labels": ["money"]},
    "urgent": True,
    "note": None,
    "lines": [{"$sensitive": "string", "value": "a", "labels": []}],
}


def send(provider: TracerProvider, name: str = "execute_tool pay") -> None:
    with provider.get_tracer("agent").start_as_current_span(name) as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps(ARGUMENTS))
        span.set_attribute("gen_ai.tool.call.result", "paid by card of anna@example.org")


@contextmanager
def agent(api: DevServer, **options: object) -> Iterator[TracerProvider]:
    patient = {"shutdown_timeout": PATIENCE} | options
    processor = PrefactorSpanProcessor(api.url, api.token, **patient)  # type: ignore[arg-type]
    provider = TracerProvider(span_processors=[processor])
    yield provider
    provider.shutdown()


def test_what_stands_at_a_path_is_wrapped_with_its_labels(api: DevServer) -> None:
    with agent(api, sensitive=SENSITIVE) as provider:
        send(provider)
    (row,) = api.spans()
    assert row["payload"]["inputs"] == WRAPPED
    assert row["sensitive_encoding"] is True


def test_the_stock_door_marks_as_well(api: DevServer) -> None:
    exporter = PrefactorExporter(api.url, api.token, sensitive=SENSITIVE)
    provider = TracerProvider(span_processors=[BatchSpanProcessor(exporter)])
    send(provider)
    provider.shutdown()
    assert api.spans()[0]["payload"]["inputs"] == WRAPPED


def test_the_name_of_a_mask_marks_what_that_finds(api: DevServer) -> None:
    with agent(api, sensitive="emails, outputs") as provider:
        send(provider)
    (row,) = api.spans()
    assert row["payload"]["inputs"]["to"] == WRAPPED["to"]
    assert row["payload"]["inputs"]["amount"] == 12.5
    output = {"output": {"$sensitive": "string", "value": "paid by card of anna@example.org"}}
    output["output"]["labels"] = ["email"]  # type: ignore[assignment]
    assert row["payload"]["outputs"] == output
    assert row["result_payload"] == output


def test_creation_and_finish_of_a_span_both_say_so(api: DevServer) -> None:
    with agent(api, sensitive=["inputs", "outputs", "metadata.late"]) as provider:
        tracer = provider.get_tracer("agent")
        with tracer.start_as_current_span("invoke_agent clerk") as span:
            span.set_attribute("gen_ai.operation.name", "invoke_agent")
            with tracer.start_as_current_span("step"):
                pass
            assert provider.force_flush()  # the agent is created early
            span.set_attribute("late", "anna")
    items = [i for r in api.requests if r.path.endswith("/bulk") for i in r.body["items"]]
    about_spans = [i for i in items if i["_type"].startswith("agent_spans/")]
    said = [(i["_type"], i.get("details", i).get("sensitive_encoding")) for i in about_spans]
    assert set(said) == {("agent_spans/create", True), ("agent_spans/finish", True)}
    finished = [i for i in about_spans if i["_type"] == "agent_spans/finish"]
    assert finished[0]["result_payload"]["metadata"]["late"]["value"] == "anna"


def test_the_marks_outlive_the_process(api: DevServer, tmp_path: Path) -> None:
    api.faults.add(status=503, times=None)
    options = {"sensitive": SENSITIVE, "spool_dir": tmp_path / "spool", "shutdown_timeout": 0.3}
    with agent(api, **options) as provider:
        send(provider)
    api.faults.clear()
    heir = PrefactorSpanProcessor(api.url, api.token, spool_dir=tmp_path / "spool")
    assert api.wait_until(lambda api: api.spans(), 20.0)
    heir.shutdown()
    (row,) = api.spans()
    assert (row["payload"]["inputs"], row["sensitive_encoding"]) == (WRAPPED, True)


def test_nothing_is_marked_unless_asked(api: DevServer) -> None:
    with agent(api) as provider:
        send(provider)
    (row,) = api.spans()
    assert row["payload"]["inputs"] == ARGUMENTS
    assert row["sensitive_encoding"] is False


def test_wrapped_payloads_are_what_the_run_declared(api: DevServer) -> None:
    places = ["inputs", "outputs", "error", "metadata"]
    with agent(api, sensitive=places) as provider:
        send(provider)
        tracer = provider.get_tracer("agent")
        with tracer.start_as_current_span("chat m") as span:
            asked = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.request.model", "m")
            span.set_attribute("gen_ai.usage.input_tokens", 3)
            span.set_attribute("gen_ai.input.messages", json.dumps(asked))
            span.record_exception(ValueError("no"))
    rows = api.spans()
    assert [row["schema_mismatches"] for row in rows] == [[], []]
    assert rows[1]["payload"]["token_usage"]["prompt_tokens"] == 3


def test_masks_come_first(api: DevServer) -> None:
    with agent(api, sensitive=SENSITIVE, mask="emails") as provider:
        send(provider)
    assert api.spans()[0]["payload"]["inputs"]["to"]["value"] == "[email]"


def test_media_are_replaced_before_their_mark(api: DevServer) -> None:
    photo = "data:image/png;base64," + "iVBORw0KGgo" * 300
    with (
        agent(api, sensitive=["inputs"]) as provider,
        provider.get_tracer("agent").start_as_current_span("execute_tool see") as span,
    ):
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"photo": photo}))
    (row,) = api.spans()
    assert "iVBORw0KGgo" not in json.dumps(row)
    assert row["payload"]["metadata"]["repaired"] == ["media were replaced by type, size and hash"]


def test_what_is_too_large_loses_its_value_before_its_mark() -> None:
    many = {f"{number}": "x" * 40 for number in range(400)}
    for most in (400, 1000, 4000, 16_000):
        marked = {"payload": {"inputs": wrapped((Rule("inputs"),), "inputs", many)}}
        for inner in json.loads(item_body(marked, most))["payload"]["inputs"].values():
            assert isinstance(inner, str) or "value" not in inner or "$sensitive" in inner


def test_a_star_stands_for_one_name_and_a_wrapper_of_the_application_stays() -> None:
    rules = (Rule("inputs.*.b", ("l",)),)
    own = {"$sensitive": "string", "value": "v", "labels": []}
    given = {"a": {"b": "x", "c": "y"}, "b": "z", "d": {"b": own}, "repaired": {"b": "x"}}
    mark = {"$sensitive": "string", "value": "x", "labels": ["l"]}
    expected = {"a": {"b": mark, "c": "y"}, "b": "z", "d": {"b": own}, "repaired": {"b": mark}}
    assert wrapped(rules, "inputs", given) == expected


def test_it_can_be_set_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_SENSITIVE", "inputs.to, emails")
    assert load_config(None, "pf_token").sensitive == (Rule("inputs.to"), Rule("emails"))
    monkeypatch.setenv("PREFACTOR_SENSITIVE", '{"inputs.to": ["email", "person"]}')
    assert load_config(None, "pf_token").sensitive == (Rule("inputs.to", ("email", "person")),)


@pytest.mark.parametrize("given", ["input.to", "{", {"inputs.to": [1]}, 5, ["emials"]])
def test_what_cannot_be_meant_is_refused(given: object) -> None:
    with pytest.raises(PrefactorConfigError, match="sensitive"):
        load_config(None, "pf_token", sensitive=given)
