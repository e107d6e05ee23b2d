"""What happens to spans when the API refuses, stalls, loses answers, or is away."""

import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import Tracer

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.made_spans import Recorder
from tests.patience import PATIENCE, comes_true
from tests.process.dead import away


class Live:
    """A provider with our processor against the API."""

    def __init__(self, api: DevServer, **options: float | int | bool | str) -> None:
        self.api = api
        self.processor = PrefactorSpanProcessor(
            api.url,
            api.token,
            **({"schedule_delay": 0.05, "shutdown_timeout": PATIENCE} | options),  # type: ignore[arg-type]
        )
        self.provider: SdkTracerProvider = TracerProvider(
            span_processors=[self.processor], shutdown_on_exit=False
        )

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("agent")

    def emit(self, *names: str) -> None:
        for name in names:
            self.tracer.start_span(name).end()

    def arrived(self) -> list[str]:
        return sorted(row["payload"]["name"] for row in self.api.spans())


def test_a_refused_span_costs_itself_and_nothing_that_came_after_it(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.add(bulk_error="validation_errors", item='"bad"', times=2)
    live = Live(api)
    live.emit("a", "bad", "b", "bad", "c")
    live.provider.shutdown()
    stats = live.processor.stats()
    assert live.arrived() == ["a", "b", "c"]
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (5, 3, {"refused": 2})
    refused = [r for r in caplog.records if "refused a create item" in r.getMessage()]
    assert len(refused) == 1
    assert "validation_errors" in refused[0].getMessage()


def test_children_of_a_refused_span_hang_on_its_parent(api: DevServer) -> None:
    api.faults.add(bulk_error="validation_errors", item='"middle"')
    live = Live(api)
    with (
        live.tracer.start_as_current_span("root"),
        live.tracer.start_as_current_span("middle"),
        live.tracer.start_as_current_span("leaf"),
    ):
        pass
    live.provider.shutdown()
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert set(rows) == {"root", "leaf"}
    assert rows["leaf"]["parent_span_id"] == rows["root"]["id"]


def test_a_span_whose_result_is_refused_ends_without_it(api: DevServer) -> None:
    api.faults.add(bulk_error="validation_errors", item="agent_spans/finish.*result_pay", times=9)
    live = Live(api)
    root = live.tracer.start_span("root")
    assert comes_true(api.spans)
    root.end()
    live.provider.shutdown()
    [row] = api.spans()
    assert (row["status"], row["result_payload"]) == ("complete", None)
    stats = live.processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (1, 0, {"refused": 1})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_that_passes_costs_nothing(api: DevServer, status: int) -> None:
    api.faults.add(path="/bulk", status=status, times=2)
    live = Live(api)
    live.emit("a", "b")
    assert live.provider.force_flush()
    live.provider.shutdown()
    assert live.arrived() == ["a", "b"]
    assert live.processor.stats().retried >= 2


@pytest.mark.parametrize("path", ["/register", "/start", "/bulk", "/finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_asked_for_again_and_nothing_is_there_twice(
    api: DevServer, path: str, when: str
) -> None:
    api.faults.add(path=path, drop=when)
    live = Live(api)
    live.emit("a", "b")
    live.provider.shutdown()
    [instance] = api.instances()
    assert instance["status"] == "complete"
    assert live.arrived() == ["a", "b"]
    assert live.processor.stats().acknowledged == 2


@pytest.mark.parametrize("body", ["<html>gateway</html>", "", "[]", '{"status":"success"}'])
def test_a_success_without_a_readable_answer_is_no_acknowledgement(
    api: DevServer, body: str
) -> None:
    api.faults.add(path="/bulk", status=200, body=body)
    live = Live(api)
    live.emit("a")
    assert live.provider.force_flush()
    assert live.arrived() == ["a"]
    live.provider.shutdown()


def test_an_outage_of_the_api_is_survived_and_said_once(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    live = Live(api)
    live.emit("before")
    assert live.provider.force_flush()
    api.stop()
    live.emit("during", "outage")
    assert live.provider.force_flush(300) is False
    assert live.processor.stats().waiting == 2
    api.start()
    assert live.provider.force_flush()
    live.provider.shutdown()
    assert live.arrived() == ["before", "during", "outage"]
    lines = [r.getMessage() for r in caplog.records if r.name == "prefactor_otel"]
    assert len(lines) == 2
    assert "cannot be reached" in lines[0]
    assert "answers again" in lines[1]


def test_a_wrong_token_is_said_once_and_floods_nobody(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    processor = PrefactorSpanProcessor(api.url, "pf_wrong_token_1234", schedule_delay=0.01)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    provider.get_tracer("agent").start_span("a").end()
    assert api.wait_until(lambda api: api.requests)
    assert provider.force_flush(200) is False
    for _ in range(20):
        provider.get_tracer("agent").start_span("a").end()
    provider.shutdown()
    assert len(api.requests) <= 2
    lines = [r.getMessage() for r in caplog.records if "PREFACTOR_API_TOKEN" in r.getMessage()]
    assert len(lines) == 1
    assert "pf_wrong" not in caplog.text
    assert processor.stats().dropped == {"unauthorized": 21}


def test_a_refused_registration_says_what_to_do(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    live = Live(api, agent_id="nobody", shutdown_timeout=2.0)
    live.emit("a")
    live.provider.shutdown()
    assert "PREFACTOR_AGENT_ID" in caplog.text
    assert live.processor.stats().dropped == {"run_refused": 1}


def test_a_body_limit_is_found_and_remembered(api: DevServer) -> None:
    api.faults.add(path="/bulk", max_body=20_000, times=None)
    live = Live(api)
    live.emit(*[f"span {n:03}" for n in range(200)])
    live.provider.shutdown()
    assert len(live.arrived()) == 200
    refused = [r for r in api.requests if r.status == 413]
    assert len(refused) <= 8


def test_a_span_too_large_for_the_api_is_cut_and_arrives(api: DevServer) -> None:
    api.faults.add(path="/bulk", max_body=20_000, times=None)
    live = Live(api)
    with live.tracer.start_as_current_span("huge") as span:
        span.set_attribute("text", "x" * 100_000)
    live.provider.shutdown()
    [row] = api.spans()
    assert row["payload"]["metadata"]["text"].endswith("[cut: 100000 characters]")


def test_one_poisoned_item_of_a_request_refused_as_a_whole_stands_alone(api: DevServer) -> None:
    poison = "x" * 30_000
    api.faults.add(path="/bulk", max_body=25_000, status=400, times=None)
    live = Live(api)
    live.emit("a", "b")
    with live.tracer.start_as_current_span("poison") as span:
        span.set_attribute("text", poison)
    live.emit("c", "d")
    live.provider.shutdown()
    assert live.arrived() == ["a", "b", "c", "d"]
    assert live.processor.stats().dropped == {"refused": 1}


def test_past_its_bound_the_outbox_drops_the_oldest_and_counts_them(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.add(path="/register", status=503, times=None)
    live = Live(api, max_queue_size=10)
    for n in range(30):
        live.emit(f"{n:02}")
        live.provider.force_flush(20)
    api.faults.clear()
    live.provider.shutdown()
    stats = live.processor.stats()
    assert stats.accepted == 30
    assert stats.acknowledged + sum(stats.dropped.values()) == 30
    arrived = live.arrived()
    assert len(arrived) >= 7
    assert arrived[-1] >= "28"  # what is in flight cannot be dropped; the last may have had to go
    assert "queue_full" in caplog.text


def test_while_the_api_is_away_more_waits_than_its_json_would_let_in(api: DevServer) -> None:
    api.faults.add(path="/register", status=503, times=None)
    live = Live(api, max_queue_bytes=250_000)  # of which 100 KB are to remember 100 spans
    live.emit("first")
    while live.processor.stats().last_error is None:
        live.provider.force_flush(50)
    texts = [f"{n} is not {n + 1}. " * 300 for n in range(100)]  # 500 KB of them
    for text in texts:
        live.tracer.start_span(text[:3], attributes={"text": text}).end()
    assert comes_true(lambda: live.processor.stats().waiting_items > len(texts))
    api.faults.clear()
    live.provider.shutdown()
    arrived = [row["payload"]["metadata"].get("text") for row in api.spans()]
    assert sorted(filter(None, arrived)) == sorted(texts)
    assert live.processor.stats().dropped == {}


def test_ids_made_by_the_server_are_lived_with() -> None:
    with DevServer(client_ids=False) as api:
        live = Live(api)
        with live.tracer.start_as_current_span("root"):
            with live.tracer.start_as_current_span("step"):
                live.emit("leaf")
            live.emit("other")
        live.provider.shutdown()
        rows = {row["payload"]["name"]: row for row in api.spans()}
        assert set(rows) == {"root", "step", "leaf", "other"}
        assert rows["leaf"]["parent_span_id"] == rows["step"]["id"]
        assert rows["step"]["parent_span_id"] == rows["root"]["id"]
        assert live.processor.stats().dropped == {}


def test_ids_that_are_refused_to_several_requests_at_once_cost_no_span() -> None:
    with DevServer(client_ids=False) as api:
        api.faults.add(path="/bulk", delay=0.5, times=4)
        live = Live(api, max_batch_size=1)
        live.emit(*"abcdefgh")
        live.provider.shutdown()
        assert live.processor.stats().dropped == {}
        assert live.arrived() == list("abcdefgh")


def test_what_waits_at_shutdown_is_counted_in_one_line(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.add(path="/bulk", status=503, times=None)
    live = Live(api, shutdown_timeout=0.5)
    live.emit("a", "b", "c")
    live.provider.shutdown()
    lines = [r for r in caplog.records if " not delivered: " in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].getMessage() == "3 spans not delivered: 3 as shutdown_timeout"


def test_the_same_spans_exported_twice_arrive_once(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, exporter = Recorder(), PrefactorExporter(api.url, api.token)
    recorder.tracer.start_span("once").end()
    exporter.export(recorder.spans)
    exporter.export(recorder.spans)
    exporter.shutdown()
    assert len(api.spans()) == 1
    assert exporter.stats().dropped == {"duplicate": 1}
    assert "not delivered" not in caplog.text


def test_no_attribute_however_odd_costs_another_span(api: DevServer) -> None:
    live = Live(api)
    live.emit("before")
    with live.tracer.start_as_current_span("odd \ud83e name") as span:
        span.set_attribute("surrogate", "\ud83e")
        span.set_attribute("nan", float("nan"))
        span.set_attribute("big", 2**70)
        span.set_attribute("bytes", b"\xff\xfe")
    live.emit("after")
    live.provider.shutdown()
    assert len(live.arrived()) == 3
    assert live.processor.stats().dropped == {}


def test_the_token_is_nowhere_in_logs_or_reprs(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.faults.add(path="/bulk", status=503, times=1)
    api.faults.add(path="/bulk", status=401, times=1)
    live = Live(api, shutdown_timeout=1.0)
    live.emit("a")
    live.provider.shutdown()
    shown = caplog.text + repr(live.processor) + repr(live.processor.stats())
    for start in range(len(api.token) - 6):
        assert api.token[start : start + 12] not in shown


def test_our_own_requests_are_never_traced(api: DevServer) -> None:
    from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor

    live = Live(api)
    AioHttpClientInstrumentor().instrument(tracer_provider=live.provider)
    try:
        live.emit("a")
        assert live.provider.force_flush()
        live.emit("b")
        live.provider.shutdown()
    finally:
        AioHttpClientInstrumentor().uninstrument()
    assert live.arrived() == ["a", "b"]


def test_what_found_no_connection_was_not_sent_and_does_not_count_as_sent_again(
    api: DevServer,
) -> None:
    with away(api):
        processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=PATIENCE)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        provider.get_tracer("agent").start_span("root").end()
        assert comes_true(lambda: processor.stats().requests >= 2)
    assert provider.force_flush(int(PATIENCE * 1000))
    provider.shutdown()
    assert processor.stats().retried == 0
