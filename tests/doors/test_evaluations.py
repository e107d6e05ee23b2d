"""What evaluators found becomes a quality of the run that has declared it, and else stays told."""

from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, set_span_in_context

from prefactor_otel import (
    PrefactorExporter,
    PrefactorLogProcessor,
    PrefactorSpanProcessor,
    TracerProvider,
)
from prefactor_otel.devserver import DevServer

TONE = {"name": "tone", "schema": {"type": "object"}}
EVENT = "gen_ai.evaluation.result"
SAID: dict[str, Any] = {
    "gen_ai.evaluation.name": "tone",
    "gen_ai.evaluation.score.value": 0.75,
    "gen_ai.evaluation.score.label": "friendly",
    "gen_ai.evaluation.explanation": "It says please.",
}
FLAT = {
    "openinference.span.kind": "LLM",
    "evaluations.0.evaluation.name": "tone",
    "evaluations.0.evaluation.score": 0.75,
    "evaluations.0.evaluation.label": "friendly",
    "evaluations.0.evaluation.explanation": "It says please.",
    "evaluations.1.evaluation.name": "length",
    "evaluations.1.evaluation.score": 3,
}


def live(api: DevServer, **options: Any) -> TracerProvider:
    given = {"quality_schemas": [TONE]} | options
    return TracerProvider(span_processors=[PrefactorSpanProcessor(api.url, api.token, **given)])


def plain(api: DevServer, **options: Any) -> TracerProvider:
    given = {"quality_schemas": [TONE]} | options
    exporter = PrefactorExporter(api.url, api.token, **given)
    return TracerProvider(span_processors=[BatchSpanProcessor(exporter)])


def qualities(api: DevServer) -> dict[str, Any]:
    [run] = api.instances()
    found: dict[str, Any] = run["quality_payloads"]
    return found


def metadata(api: DevServer) -> dict[str, Any]:
    [row] = api.spans()
    found: dict[str, Any] = row["payload"]["metadata"]
    return found


def found_by(span: Span) -> dict[str, Any]:
    ids = format(span.get_span_context().span_id, "016x")
    told = {"score": 0.75, "label": "friendly", "explanation": "It says please."}
    return {"tone": {**told, "span_id": ids}}


def emit(span: Span, said: dict[str, Any] = SAID) -> LoggerProvider:
    """One log record of an evaluator, in the context of the span that it is about."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(PrefactorLogProcessor())
    where = set_span_in_context(span)
    record = LogRecord(event_name=EVENT, attributes=said, context=where)
    provider.get_logger("evaluator").emit(record)
    return provider


@pytest.mark.parametrize("door", [live, plain])
def test_an_event_of_an_evaluation_judges_its_run(api: DevServer, door: Any) -> None:
    provider = door(api)
    with provider.get_tracer("agent").start_as_current_span("chat") as span:
        span.add_event(EVENT, SAID)
    provider.shutdown()
    assert qualities(api) == found_by(span)


@pytest.mark.parametrize("door", [live, plain])
@pytest.mark.parametrize("whose", ["", "trace.", "session."])
@pytest.mark.parametrize("word", ["evaluation", "annotation"])
def test_flattened_evaluations_judge_it_where_they_are_declared(
    api: DevServer, door: Any, whose: str, word: str
) -> None:
    provider = door(api)
    said = {
        f"{whose}{name}".replace("evaluation", word) if name.startswith("eval") else name: value
        for name, value in FLAT.items()
    }
    span = provider.get_tracer("agent").start_span("chat", attributes=said)
    span.end()
    provider.shutdown()
    assert qualities(api) == found_by(span)
    assert metadata(api)[f"{whose}{word}s.1.{word}.score"] == 3


@pytest.mark.parametrize("door", [live, plain])
def test_what_no_schema_declares_stays_in_the_metadata(api: DevServer, door: Any) -> None:
    provider = door(api, quality_schemas=None)
    with provider.get_tracer("agent").start_as_current_span("chat", attributes=FLAT) as span:
        span.add_event(EVENT, SAID)
    provider.shutdown()
    assert qualities(api) == {}
    told = metadata(api)
    assert told["evaluations.0.evaluation.explanation"] == "It says please."
    [event] = told["events"]
    assert event["attributes"]["gen_ai.evaluation.explanation"] == "It says please."


def test_a_record_of_an_open_span_judges_its_run_and_is_told(api: DevServer) -> None:
    provider = live(api)
    with provider.get_tracer("agent").start_as_current_span("chat") as span:
        emit(span)
    provider.shutdown()
    assert qualities(api) == found_by(span)
    assert metadata(api)["events"][0]["name"] == EVENT


def test_a_record_of_a_span_that_has_ended_judges_its_run(api: DevServer) -> None:
    provider = live(api)
    span = provider.get_tracer("agent").start_span("chat")
    span.end()
    assert provider.force_flush()
    emit(span)
    emit(span, SAID | {"gen_ai.evaluation.name": "undeclared"})
    provider.shutdown()
    assert qualities(api) == found_by(span)


@pytest.mark.parametrize("hidden", ["capture_inputs", "capture_outputs"])
@pytest.mark.parametrize("door", [live, plain])
def test_what_explains_a_judgement_is_content(api: DevServer, door: Any, hidden: str) -> None:
    provider = door(api, **{hidden: False})
    with provider.get_tracer("agent").start_as_current_span("chat") as span:
        span.add_event(EVENT, SAID)
    provider.shutdown()
    told = found_by(span)["tone"]
    del told["explanation"]
    assert qualities(api) == {"tone": told}


def test_masks_see_it(api: DevServer) -> None:
    provider = live(api, mask=lambda path, text: text.replace("please", "***"))
    with provider.get_tracer("agent").start_as_current_span("chat") as span:
        span.add_event(EVENT, SAID)
    provider.shutdown()
    assert qualities(api)["tone"]["explanation"] == "It says ***."


def test_each_run_is_judged_by_what_is_said_in_it(api: DevServer) -> None:
    provider = live(api, run_scope="trace")
    tracer = provider.get_tracer("agent")
    for label in ("friendly", "rude"):
        with tracer.start_as_current_span(f"chat {label}") as span:
            span.add_event(EVENT, SAID | {"gen_ai.evaluation.score.label": label})
    provider.shutdown()
    labels = [run["quality_payloads"]["tone"]["label"] for run in api.instances()]
    assert sorted(labels) == ["friendly", "rude"]


@pytest.mark.parametrize(
    "said", [{}, {"gen_ai.evaluation.name": 5}, {"gen_ai.evaluation.name": ""}]
)
def test_what_has_no_name_judges_nothing_and_costs_no_span(
    api: DevServer, said: dict[str, Any]
) -> None:
    provider = live(api)
    with provider.get_tracer("agent").start_as_current_span("chat") as span:
        span.add_event(EVENT, said)
    provider.shutdown()
    assert qualities(api) == {}
    assert [row["status"] for row in api.spans()] == ["complete"]
