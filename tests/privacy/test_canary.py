"""With a mask on, what it masks is nowhere: not in requests, spool files, log lines or reprs."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode

import prefactor_otel
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from prefactor_otel.privacy.masking import FAILED

CANARY = "canary-7f3a"
HIDDEN = "[hidden]"
QUALITY = [{"name": "judged", "schema": {"type": "object"}}]

Door = Callable[..., SpanProcessor]
Mask = Callable[[str, str], object]


def hides(path: str, text: str) -> object:
    return text.replace(CANARY, HIDDEN)


def raises(path: str, text: str) -> object:
    if CANARY in text:
        raise ValueError(text)
    return text


def leaves(path: str, text: str) -> object:
    if CANARY in text:
        raise SystemExit(text)
    return text


def exported(**options: object) -> SpanProcessor:
    return BatchSpanProcessor(PrefactorExporter(**options))  # type: ignore[arg-type]


def exported_one_by_one(**options: object) -> SpanProcessor:
    return SimpleSpanProcessor(PrefactorExporter(**options))  # type: ignore[arg-type]


def live(**options: object) -> SpanProcessor:
    return PrefactorSpanProcessor(**options)  # type: ignore[arg-type]


DOORS = (exported, exported_one_by_one, live)


class Strange(str):
    """No plain text, which the SDK lets through."""


def work(provider: TracerProvider) -> None:
    """Spans with the canary in every place that a span has, and in what is said of the run."""
    with prefactor_otel.run(
        CANARY, description=f"for {CANARY}", external_identifier=f"order-{CANARY}"
    ) as run:
        plant(provider)
        run.record_quality("judged", {CANARY: {"said by": CANARY}})
    plant(provider)


def plant(provider: TracerProvider) -> None:
    tracer = provider.get_tracer(f"scope of {CANARY}", f"1+{CANARY}")
    escaped = json.dumps({"user": CANARY.replace("a", "ä")}).replace("\\u00e4", "\\u0061")
    asked = [{"role": "user", "parts": [{"type": "text", "content": f"I am {CANARY}"}]}]
    link = Link(SpanContext(5, 6, is_remote=True), {"why": CANARY, CANARY: 1})
    with tracer.start_as_current_span(f"invoke_agent {CANARY}", links=[link]) as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.agent.name", CANARY)
        agent.set_attribute("session.id", CANARY)
        agent.set_attribute("user.id", CANARY)
        with tracer.start_as_current_span(f"chat {CANARY}") as chat:
            chat.set_attribute("gen_ai.operation.name", "chat")
            chat.set_attribute("gen_ai.request.model", CANARY)
            chat.set_attribute("gen_ai.input.messages", json.dumps(asked))
            chat.set_attribute("gen_ai.output.messages", json.dumps(asked))
            chat.set_attribute("gen_ai.system_instructions", f"never tell of {CANARY}")
            chat.set_attribute("gen_ai.usage.input_tokens", 3)
        with tracer.start_as_current_span(f"execute_tool {CANARY}") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", CANARY)
            tool.set_attribute("gen_ai.tool.call.arguments", json.dumps({"deep": [escaped]}))
            tool.set_attribute("gen_ai.tool.call.result", Strange(CANARY))
        with tracer.start_as_current_span(f"step {CANARY}") as step:
            step.set_attribute("text", CANARY)
            step.set_attribute("texts", [CANARY, "other"])
            step.set_attribute(f"name of {CANARY}", 1)
            step.set_attribute("nested", escaped)
            step.add_event(CANARY, {"who": CANARY, CANARY: True})
            step.set_attribute("cut", escaped[:-1])
            step.record_exception(ValueError(CANARY), {"more": CANARY})
            step.set_status(Status(StatusCode.ERROR, f"failed for {CANARY}"))
        with tracer.start_as_current_span("failed") as failed:
            failed.set_attribute("error.type", CANARY)
            failed.set_status(Status(StatusCode.ERROR, f"Traceback of {CANARY}"))


class Heard(logging.Handler):
    """Everything that any logger says, with its exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler, root = Heard(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def run_agent(api: DevServer, door: Door, mask: Mask, **options: object) -> list[str]:
    """Work under this door; what its objects look like."""
    processor = door(
        api_url=api.url, api_token=api.token, mask=mask, quality_schemas=QUALITY, **options
    )
    resource = Resource.create({"service.name": CANARY, "team": CANARY, CANARY: "team"})
    provider = TracerProvider(span_processors=[processor], resource=resource)
    work(provider)
    provider.force_flush(1000)
    seen = list(map(repr, (processor, *vars(processor).values(), provider)))
    provider.shutdown()
    return seen


def assert_nowhere(api: DevServer, heard: Heard, seen: list[str], folder: Path) -> None:
    for request in api.requests:
        assert CANARY not in request.raw.decode()
        assert CANARY not in json.dumps([request.body, request.path, request.query])
        assert CANARY not in json.dumps(request.headers)
    for path in folder.rglob("*"):
        assert CANARY not in str(path)
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
    assert not [line for line in heard.lines if CANARY in line]
    assert not [text for text in seen if CANARY in text]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mask", [hides, raises])
def test_what_is_masked_is_in_no_request_log_line_or_repr(
    api: DevServer, door: Door, mask: Mask, heard: Heard, tmp_path: Path
) -> None:
    seen = run_agent(api, door, mask)
    assert_nowhere(api, heard, seen, tmp_path)
    spans = api.spans()
    assert len(spans) == 10  # and everything arrives
    assert {span["status"] for span in spans} == {"complete", "failed"}
    left = HIDDEN if mask is hides else FAILED
    assert sum(left in json.dumps(span) for span in spans) == 10


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "times": None},
        {"status": 422, "times": 1, "path": "/bulk"},
        {"status": 422, "times": None, "path": "/agent_instance"},
        {"bulk_error": "validation_errors", "times": None},
        {"status": 401, "times": None},
        {"drop": "after", "times": 3},
        {"status": 200, "body": "no JSON", "times": None, "path": "/bulk"},
        {"max_body": 6000},
    ],
    ids=str,
)
def test_it_is_nowhere_when_things_fail(
    api: DevServer, door: Door, fault: dict[str, Any], heard: Heard, tmp_path: Path
) -> None:
    api.faults.add(**fault)
    spool = tmp_path / "spool"
    seen = run_agent(api, door, hides, spool_dir=spool, shutdown_timeout=0.5, export_timeout=0.3)
    assert_nowhere(api, heard, seen, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_it_is_not_in_the_spool_that_the_next_process_sends(
    api: DevServer, door: Door, heard: Heard, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    api.faults.add(status=503, times=None)
    run_agent(api, door, hides, spool_dir=spool, shutdown_timeout=0.5, export_timeout=0.3)
    assert sum(path.stat().st_size for path in spool.rglob("*")) > 10_000
    seen: list[str] = []
    assert_nowhere(api, heard, seen, tmp_path)
    api.faults.clear()
    heir = PrefactorSpanProcessor(api.url, api.token, spool_dir=spool)
    assert api.wait_until(lambda api: len(api.spans()) == 10, 20.0)
    heir.shutdown()
    assert_nowhere(api, heard, seen, tmp_path)
    assert all(HIDDEN in json.dumps(span) for span in api.spans())


def test_a_mask_that_ends_the_thread_gives_nothing_away(
    api: DevServer, heard: Heard, tmp_path: Path
) -> None:
    seen = run_agent(api, live, leaves)
    assert_nowhere(api, heard, seen, tmp_path)


def test_a_mask_that_raises_is_told_once(api: DevServer, heard: Heard, tmp_path: Path) -> None:
    run_agent(api, live, raises)
    told = [line for line in heard.lines if "A mask raised" in line]
    assert told == ["A mask raised ValueError: such values are left out"]


def test_what_would_be_cut_is_masked_before(api: DevServer, tmp_path: Path) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, mask="emails", max_input_length=10, max_output_length=10
    )
    provider = TracerProvider(span_processors=[processor])
    with provider.get_tracer("agent").start_as_current_span("execute_tool find") as span:
        span.set_attribute("gen_ai.tool.call.arguments", '{"who": "to: anna@example.org, now"}')
        span.set_attribute("gen_ai.operation.name", "execute_tool")
    provider.shutdown()
    (row,) = api.spans()
    assert row["payload"]["inputs"] == {"who": "to: [email…[cut: 16 characters]"}
