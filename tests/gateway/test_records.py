"""What log records tell of model calls is told with their spans, whichever comes first."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from prefactor_otel.devserver import DevServer
from prefactor_otel.gateway.records import Records
from prefactor_otel.spans.logs import Origin, OtlpRecord
from prefactor_otel.spans.view import SpanKey, SpanView
from tests.gateway.made import NOW, encoded, in_json, in_json_of
from tests.gateway.process import Gateway, before
from tests.patience import PATIENCE, comes_true

SCOPE = "instrumentation"
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
DETAILS = "gen_ai.client.inference.operation.details"
QUESTION, ANSWER = "Is it raining?", "Not at all."
CONTENT: dict[str, Any] = {
    "gen_ai.input.messages": [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
    ],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": ANSWER}],
            "finish_reason": "stop",
        }
    ],
}


@dataclass
class Sender:
    """A service whose instrumentation writes content into log records only. Nothing goes out
    before it is flushed."""

    spans: TracerProvider
    logs: LoggerProvider

    def call(self, *, as_details: bool) -> None:
        """One call of a model."""
        logger = self.logs.get_logger(SCOPE)
        tracer = self.spans.get_tracer(SCOPE)
        with tracer.start_as_current_span("chat m", attributes=CALL):
            if as_details:
                logger.emit(LogRecord(event_name=DETAILS, attributes={**CALL, **CONTENT}))
                return
            logger.emit(LogRecord(event_name="gen_ai.user.message", body={"content": QUESTION}))
            said: dict[str, Any] = {"role": "assistant", "content": ANSWER}
            choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": said}
            logger.emit(LogRecord(event_name="gen_ai.choice", body=choice))
            logger.emit(LogRecord(body="a line of text, which nobody reads"))

    def flush_spans(self) -> None:
        assert self.spans.force_flush(int(PATIENCE * 1000))

    def flush_logs(self) -> None:
        assert self.logs.force_flush(int(PATIENCE * 1000))


@contextmanager
def sending(gateway: Gateway, *, is_sampled: bool = True) -> Iterator[Sender]:
    resource = Resource({"service.name": "clerk"})
    spans = TracerProvider(
        resource=resource,
        sampler=ALWAYS_ON if is_sampled else ALWAYS_OFF,
        shutdown_on_exit=False,
    )
    logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
    rest = 1000 * PATIENCE
    to = OTLPSpanExporter(f"{gateway.url}/v1/traces", timeout=PATIENCE)
    spans.add_span_processor(BatchSpanProcessor(to, schedule_delay_millis=rest))
    logged = OTLPLogExporter(f"{gateway.url}/v1/logs", timeout=PATIENCE)
    logs.add_log_record_processor(BatchLogRecordProcessor(logged, schedule_delay_millis=rest))
    yield Sender(spans, logs)
    spans.shutdown()
    logs.shutdown()


def with_log_wait(folder: Path, seconds: float) -> tuple[str, str]:
    file = folder / "gateway.toml"
    file.write_text(f"log_wait = {seconds}\n")
    return "--config", str(file)


def counter(gateway: Gateway, name: str) -> int:
    """The gateway's own account's."""
    lines = gateway.ask("/metrics").body.decode().splitlines()
    (line,) = [each for each in lines if each.startswith(f'{name}{{account="own"}}')]
    return int(line.rpartition(" ")[2])


def texts(row: dict[str, Any]) -> tuple[int, int]:
    """How often the question and the answer stand in a span."""
    told = json.dumps(row)
    return told.count(QUESTION), told.count(ANSWER)


@pytest.mark.parametrize("as_details", [True, False])
def test_content_that_came_before_its_span_is_told_with_it(
    as_details: bool, api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway, sending(gateway) as sender:
        sender.call(as_details=as_details)
        sender.flush_logs()
        sender.flush_spans()
        assert api.wait_until(lambda api: api.spans())
        assert counter(gateway, "prefactor_records_unmatched_total") == 0
        assert gateway.end() == 0
    (row,) = api.spans()
    assert QUESTION in json.dumps(row["payload"]["inputs"])
    assert ANSWER in json.dumps(row["payload"]["outputs"])
    assert not any(texts(row["payload"]["metadata"]))


@pytest.mark.parametrize("as_details", [True, False])
def test_a_span_waits_for_content_where_its_instrumentation_has_sent_such(
    as_details: bool, api: DevServer, tmp_path: Path
) -> None:
    words = with_log_wait(tmp_path, 5)
    with before(api, tmp_path / "spool", *words) as gateway, sending(gateway) as sender:
        sender.call(as_details=as_details)
        sender.flush_logs()
        sender.flush_spans()
        sender.call(as_details=as_details)
        flushing = threading.Thread(target=sender.flush_spans)
        flushing.start()
        sender.flush_logs()
        flushing.join(PATIENCE)
        assert gateway.end() == 0
    assert len(api.spans()) == 2
    for row in api.spans():
        assert QUESTION in json.dumps(row["payload"]["inputs"])
        assert ANSWER in json.dumps(row["payload"]["outputs"])


def test_what_waits_for_a_record_goes_on_when_the_last_of_its_call_has_come() -> None:
    origin = Origin("clerk", SCOPE)
    first, second = (
        SpanView(
            *(SpanKey(1, number), None, False, "chat m", "client", NOW, NOW + 1, "unset", ""),
            *({}, (), (), {"service.name": "clerk"}, SCOPE, "", 0),
        )
        for number in (1, 2)
    )

    def record(span: SpanView, name: str) -> OtlpRecord:
        return OtlpRecord(span.key, name, NOW, {}, None, origin)

    async def steps() -> list[bool]:
        records = Records(log_wait=PATIENCE)
        await records.wait_for([first])  # nothing is expected yet
        records.note([record(first, "gen_ai.choice")])
        await records.wait_for([first])
        waiting = asyncio.create_task(records.wait_for([first, second]))
        done = []
        for name in ("gen_ai.user.message", "gen_ai.choice"):
            await asyncio.sleep(0)
            done.append(waiting.done())
            records.note([record(second, name)])
        await waiting
        return done

    assert asyncio.run(asyncio.wait_for(steps(), PATIENCE / 2)) == [False, False]


def test_no_span_waits_longer_than_log_wait_and_what_comes_later_is_counted(
    api: DevServer, tmp_path: Path
) -> None:
    words = with_log_wait(tmp_path, 0.2)
    with before(api, tmp_path / "spool", *words) as gateway, sending(gateway) as sender:
        sender.call(as_details=True)
        sender.flush_logs()
        sender.flush_spans()
        sender.call(as_details=True)
        sender.flush_spans()
        sender.flush_logs()
        name = "prefactor_records_unmatched_total"
        assert comes_true(lambda: counter(gateway, name) == 1)
        assert gateway.end() == 0
    told = sorted(QUESTION in json.dumps(row) for row in api.spans())
    assert told == [False, True]


def test_what_is_not_to_be_captured_is_not_taken_from_log_records(
    api: DevServer, tmp_path: Path
) -> None:
    hidden = {"PREFACTOR_CAPTURE_INPUTS": "false", "PREFACTOR_CAPTURE_OUTPUTS": "false"}
    with before(api, tmp_path / "spool", **hidden) as gateway, sending(gateway) as sender:
        for as_details in (True, False):
            sender.call(as_details=as_details)
        sender.flush_logs()
        sender.flush_spans()
        assert gateway.end() == 0
        told = gateway.told
    assert len(api.spans()) == 2
    assert not any(map(any, map(texts, api.spans())))
    assert QUESTION not in told


def test_records_of_spans_that_are_not_sampled_are_not_kept(api: DevServer, tmp_path: Path) -> None:
    with (
        before(api, tmp_path / "spool") as gateway,
        sending(gateway, is_sampled=False) as sender,
    ):
        sender.call(as_details=True)
        sender.flush_logs()
        assert gateway.end() == 0
    assert "unmatched" not in gateway.told


@pytest.mark.parametrize(
    "more",
    [
        {},
        {
            "eventName": None,
            "attributes": [{"key": "event.name", "value": {"stringValue": "gen_ai.user.message"}}],
        },
    ],
)
def test_records_in_json_are_read_alike(
    more: dict[str, Any], api: DevServer, tmp_path: Path
) -> None:
    key = b"t" * 16, b"s" * 8
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in CALL.items()]
    json_type = "application/json"
    with before(api, tmp_path / "spool") as gateway:
        logged = encoded(in_json_of(*key, **more))
        assert gateway.post(logged, "/v1/logs", json_type).body == b"{}"
        ended = encoded(in_json(key, attributes=attributes))
        assert gateway.post(ended, content_type=json_type).status == 200
        assert gateway.end() == 0
    (row,) = api.spans()
    assert QUESTION in json.dumps(row["payload"]["inputs"])


def test_a_record_that_cannot_be_read_is_rejected_and_costs_no_other(
    api: DevServer, tmp_path: Path
) -> None:
    document = in_json_of(b"t" * 16, b"s" * 8, flags="secret")
    with before(api, tmp_path / "spool") as gateway:
        answer = gateway.post(encoded(document), "/v1/logs", "application/json")
        assert answer.status == 200
        partial = json.loads(answer.body)["partialSuccess"]
        assert partial["rejectedLogRecords"] == "1"
        assert "secret" not in partial["errorMessage"]
        for body, content_type in ((b"\xff", "application/x-protobuf"), (b"[", "application/json")):
            assert gateway.post(body, "/v1/logs", content_type).status == 400
        assert gateway.end() == 0
    assert "secret" not in gateway.told


def test_a_request_with_records_that_is_sent_again_tells_nothing_twice(
    api: DevServer, tmp_path: Path
) -> None:
    key, json_type = (b"t" * 16, b"s" * 8), "application/json"
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in CALL.items()]
    logged = in_json_of(*key)
    (of_scope,) = logged["resourceLogs"][0]["scopeLogs"]
    later = {**of_scope["logRecords"][0], "timeUnixNano": str(NOW + 1)}
    of_scope["logRecords"].append(later)
    with before(api, tmp_path / "spool") as gateway:
        for _ in range(3):
            assert gateway.post(encoded(logged), "/v1/logs", json_type).status == 200
        ended = encoded(in_json(key, attributes=attributes))
        assert gateway.post(ended, content_type=json_type).status == 200
        assert gateway.end() == 0
    (row,) = api.spans()
    assert len(row["payload"]["inputs"]["messages"]) == 2
