"""The log door: what only log records tell of a model's call is shown with its span."""

import gc
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk._logs import LoggerProvider, ReadWriteLogRecord
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, set_span_in_context

import prefactor_otel
from prefactor_otel import (
    PrefactorCompletionHook,
    PrefactorConfigError,
    PrefactorExporter,
    PrefactorLogProcessor,
    PrefactorSpanProcessor,
)
from prefactor_otel.devserver import DevServer
from prefactor_otel.doors.base import Handle
from prefactor_otel.host.suppress import untraced
from tests.benchmarks.hot_path import steps_of
from tests.patience import PATIENCE
from tests.process.scripts import run_script

DETAILS = "gen_ai.client.inference.operation.details"
QUESTION = {"role": "user", "parts": [{"type": "text", "content": "Is it raining?"}]}
ANSWER = {
    "role": "assistant",
    "parts": [{"type": "text", "content": "Not at all."}],
    "finish_reason": "stop",
}
CONTENT = {"gen_ai.input.messages": [QUESTION], "gen_ai.output.messages": [ANSWER]}
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}

pytestmark = pytest.mark.usefixtures("api_environment")


def loggers(sender: Handle | None = None) -> LoggerProvider:
    """A provider with the one line that users add."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(PrefactorLogProcessor(sender))
    return provider


def emit(
    provider: LoggerProvider,
    name: str,
    span: Span | None = None,
    *,
    body: Any = None,
    **attributes: Any,
) -> None:
    where = set_span_in_context(span) if span is not None else None
    told = {key.replace("__", "."): value for key, value in attributes.items()}
    record = LogRecord(context=where, event_name=name, body=body, attributes=told)
    provider.get_logger("instrumentation").emit(record)


def emit_details(provider: LoggerProvider, span: Span | None = None, **content: Any) -> None:
    told = content or CONTENT
    where = set_span_in_context(span) if span is not None else None
    record = LogRecord(context=where, event_name=DETAILS, attributes={**CALL, **told})
    provider.get_logger("instrumentation").emit(record)


def live() -> tuple[TracerProvider, Handle]:
    provider, processor = TracerProvider(shutdown_on_exit=False), PrefactorSpanProcessor()
    provider.add_span_processor(processor)
    return provider, processor


def ours() -> tuple[TracerProvider, Handle]:
    exporter = PrefactorExporter()
    return prefactor_otel.TracerProvider(span_processors=[BatchSpanProcessor(exporter)]), exporter


def stock() -> tuple[TracerProvider, Handle]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), PrefactorExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


def one_by_one() -> tuple[TracerProvider, Handle]:
    provider, exporter = TracerProvider(shutdown_on_exit=False), PrefactorExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


doors = pytest.mark.parametrize("door", [live, ours, stock, one_by_one])


def payloads(api: DevServer) -> dict[str, dict[str, Any]]:
    """By the names that the spans had; there are no two of one."""
    rows = [row["payload"] for row in api.spans()]
    named = {row["metadata"].get("otel.name", row["name"]): row for row in rows}
    assert len(named) == len(rows)
    return named


def payload_of(api: DevServer, name: str) -> dict[str, Any]:
    return payloads(api)[name]


@doors
def test_content_of_a_record_is_shown_as_that_of_an_event_is(
    api: DevServer, door: Callable[[], tuple[TracerProvider, Handle]]
) -> None:
    provider, handle = door()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit_details(loggers())
    provider.shutdown()
    payload = payload_of(api, "chat m")
    assert payload["inputs"]["messages"] == [{"role": "user", "content": "Is it raining?"}]
    assert payload["outputs"]["messages"] == [{"role": "assistant", "content": "Not at all."}]
    assert payload["outputs"]["stop_reason"] == "stop"
    assert "events" not in payload["metadata"]
    assert handle.stats().unmatched_records == 0


@doors
def test_messages_that_are_records_of_their_own_become_the_conversation(
    api: DevServer, door: Callable[[], tuple[TracerProvider, Handle]]
) -> None:
    provider, _ = door()
    logs = loggers()
    call = {"id": "c1", "type": "function", "function": {"name": "sky", "arguments": "{}"}}
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit(logs, "gen_ai.system.message", body={"content": "Be brief."})
        emit(logs, "gen_ai.user.message", body={"content": "Is it raining?"})
        emit(logs, "gen_ai.assistant.message", body={"tool_calls": [call]})
        emit(logs, "gen_ai.tool.message", body={"content": "clear", "id": "c1"})
        said = {"role": "assistant", "content": "Not at all."}
        emit(logs, "gen_ai.choice", body={"index": 0, "finish_reason": "stop", "message": said})
    provider.shutdown()
    payload = payload_of(api, "chat m")
    assert payload["inputs"]["system"] == "Be brief."
    assert [message["role"] for message in payload["inputs"]["messages"]] == [
        *("user", "assistant", "tool")
    ]
    assert payload["inputs"]["messages"][1]["tool_calls"][0]["name"] == "sky"
    assert payload["inputs"]["messages"][2] == {
        "role": "tool",
        "content": "clear",
        "tool_call_id": "c1",
    }
    assert payload["outputs"]["messages"] == [{"role": "assistant", "content": "Not at all."}]
    assert payload["outputs"]["stop_reason"] == "stop"
    assert "events" not in payload["metadata"]


def test_a_record_goes_with_the_span_that_it_names_and_with_no_other(api: DevServer) -> None:
    provider, _ = live()
    logs, tracer = loggers(), provider.get_tracer("t")
    one, other = (tracer.start_span(name, attributes=CALL) for name in ("one", "other"))
    emit_details(logs, other)
    one.end()
    other.end()
    assert provider.force_flush()
    assert "messages" not in payload_of(api, "one")["inputs"]
    assert payload_of(api, "other")["inputs"]["messages"]


def test_what_span_and_record_both_tell_is_shown_once(api: DevServer) -> None:
    """Whatever each of them makes of the same messages: JSON, lists, tuples, members left out."""
    provider, _ = live()
    logs = loggers()
    on_span = {
        "gen_ai.input.messages": '[{"role":"user","name":null,'
        '"parts":[{"type":"text","content":"Is it raining?"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":'
        '"Not at all."}],"finish_reason":"stop"}]',
    }
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL) as span:
        span.set_attributes(on_span)
        emit_details(logs)
        emit_details(logs)
    assert provider.force_flush()
    assert repr(payload_of(api, "chat m")).count("Is it raining?") == 1
    assert repr(payload_of(api, "chat m")["metadata"]).count("Not at all.") == 0


def test_a_record_of_a_span_that_has_ended_is_counted(api: DevServer) -> None:
    provider, handle = live()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL) as span:
        pass
    emit_details(loggers(), span)
    assert provider.force_flush()
    assert handle.stats().unmatched_records == 1


def test_under_a_stock_processor_a_record_waits_for_its_span_and_is_counted_without_one(
    api: DevServer,
) -> None:
    provider, handle = stock()
    logs, tracer = loggers(), provider.get_tracer("t")
    with tracer.start_as_current_span("first", attributes=CALL) as first:
        pass
    never = tracer.start_span("never", attributes=CALL)
    emit_details(logs, never)
    emit_details(logs, first)  # the span is with the stock processor yet
    assert provider.force_flush()
    assert payload_of(api, "first")["inputs"]["messages"]
    emit_details(logs, first)
    provider.shutdown()
    assert handle.stats().unmatched_records == 2


def test_what_the_records_of_an_open_span_told_is_there_when_shutdown_cancels_it(
    api: DevServer,
) -> None:
    provider, _ = live()
    span = provider.get_tracer("t").start_span("chat m", attributes=CALL)
    emit(loggers(), "gen_ai.user.message", span, body={"content": "Is it raining?"})
    provider.shutdown()
    payload = payload_of(api, "chat m")
    assert payload["status"] == "cancelled"
    assert payload["inputs"]["messages"] == [{"role": "user", "content": "Is it raining?"}]


@pytest.mark.parametrize("option", ["capture_inputs", "capture_outputs"])
def test_content_that_is_not_captured_leaves_in_no_record(
    api: DevServer, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv(f"PREFACTOR_{option.upper()}", "false")
    provider, _ = live()
    logs = loggers()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit_details(logs)
        emit(logs, "gen_ai.user.message", body={"content": "Is it raining?"})
        emit(logs, "gen_ai.choice", body={"message": {"content": "Not at all."}})
    assert provider.force_flush()
    sent = b"".join(request.raw for request in api.requests)
    hidden = b"Is it raining?" if option == "capture_inputs" else b"Not at all."
    assert hidden not in sent
    assert (b"Is it raining?" in sent) != (b"Not at all." in sent)


def test_masks_and_limits_see_what_records_tell(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_MASK", "emails")
    monkeypatch.setenv("PREFACTOR_MAX_INPUT_LENGTH", "40")
    provider, _ = live()
    text = "Write to anna@example.com about the rain, and the sun, and the wind."
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit(loggers(), "gen_ai.user.message", body={"content": text})
    assert provider.force_flush()
    [message] = payload_of(api, "chat m")["inputs"]["messages"]
    assert message["content"].startswith("Write to [email] about")
    assert message["content"].endswith("characters]")
    assert not any(b"anna@" in request.raw for request in api.requests)


CONFIGURED = """
import prefactor_otel
from opentelemetry import _logs, trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider

logs = LoggerProvider()
_logs.set_logger_provider(logs)
handle = prefactor_otel.configure()
assert prefactor_otel.configure() is handle  # and not a second door
call = {"gen_ai.operation.name": "chat"}
with trace.get_tracer("app").start_as_current_span("chat m", attributes=call):
    asked = {"content": "Is it raining?"}
    logs.get_logger("app").emit(LogRecord(event_name="gen_ai.user.message", body=asked))
assert prefactor_otel.flush()
assert handle.stats().unmatched_records == 0
"""


def test_configure_opens_the_door_once_where_a_logger_provider_is_set(api: DevServer) -> None:
    ended = run_script(CONFIGURED, api.url, api.token)
    assert (ended.code, ended.stderr) == (0, "")
    assert repr(payload_of(api, "chat m")).count("Is it raining?") == 1


def test_who_does_not_log_does_not_wait_for_the_import_of_the_sdk_s_logs(api: DevServer) -> None:
    script = """
import sys, prefactor_otel
prefactor_otel.configure()
assert "opentelemetry.sdk._logs" not in sys.modules
"""
    assert (run_script(script, api.url, api.token)).code == 0


def test_with_a_sender_records_go_to_that_one_only(api: DevServer) -> None:
    first, one = live()
    _, other = live()
    logs = loggers(one)
    with first.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit_details(logs)
    assert first.force_flush()
    assert payload_of(api, "chat m")["inputs"]["messages"]
    assert (one.stats().unmatched_records, other.stats().unmatched_records) == (0, 0)


@pytest.mark.parametrize("made", [PrefactorLogProcessor, PrefactorCompletionHook])
def test_what_sends_no_spans_is_refused_as_the_sender(made: Callable[[object], object]) -> None:
    with pytest.raises(PrefactorConfigError, match="sender cannot be a TracerProvider"):
        made(TracerProvider(shutdown_on_exit=False))


def test_records_of_unsampled_spans_of_none_and_of_our_own_work_are_none_of_ours(
    api: DevServer,
) -> None:
    provider, handle = live()
    logs = loggers()
    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("t")
    emit_details(logs, unsampled.start_span("chat m"))
    emit_details(logs)
    with untraced():
        emit_details(logs)
    assert provider.force_flush()
    assert handle.stats().unmatched_records == 0


def test_what_cannot_be_read_raises_nothing_and_costs_no_span(api: DevServer) -> None:
    class Odd(dict[str, object]):
        def __iter__(self) -> Iterator[str]:
            raise ValueError("odd")

        def items(self) -> Any:
            raise ValueError("odd")

    provider, _ = live()
    logs = loggers()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit(logs, "gen_ai.user.message", body=Odd(content="x"))
        emit(logs, "gen_ai.user.message", body={"content": b"\xff\x00"})
        emit(logs, "gen_ai.user.message", body={"content": "Is it raining?", "at": float("nan")})
    logs.get_logger("t").emit(LogRecord(attributes={"event.name": {"no": "name"}}))
    assert provider.force_flush()
    assert "Is it raining?" in repr(payload_of(api, "chat m")["inputs"])


@pytest.mark.parametrize("scope", ["trace", "session"])
def test_records_go_with_their_spans_whatever_a_run_is(
    api: DevServer, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    monkeypatch.setenv("PREFACTOR_RUN_SCOPE", scope)
    provider, handle = live()
    logs, tracer = loggers(), provider.get_tracer("t")
    for name in ("one", "other"):
        attributes = {**CALL, "session.id": name}
        with tracer.start_as_current_span(name, attributes=attributes) as span:
            emit(logs, "gen_ai.user.message", body={"content": f"asked in {name}"})
    assert provider.force_flush()
    emit(logs, "gen_ai.user.message", span, body={"content": "late"})  # its run may be over
    provider.shutdown()
    for name, payload in payloads(api).items():
        asked = {"role": "user", "content": f"asked in {name}"}
        assert payload["inputs"]["messages"] == [asked]
    assert len({row["agent_instance_id"] for row in api.spans()}) == 2
    assert handle.stats().unmatched_records == 1


def test_a_record_that_kills_the_worker_costs_nothing_but_itself(api: DevServer) -> None:
    class Deadly(Mapping[str, object]):
        def __getitem__(self, key: str) -> object:
            raise SystemExit("deadly")

        def __iter__(self) -> Iterator[str]:
            raise SystemExit("deadly")

        def __len__(self) -> int:
            return 1

    provider, handle = live()
    logs = loggers()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        emit(logs, "gen_ai.user.message", body={"content": "Is it raining?"})
        emit(logs, "gen_ai.user.message", body=Deadly())
        emit(logs, "gen_ai.user.message", body={"content": "Really?"})
    assert provider.force_flush()
    told = [each["content"] for each in payload_of(api, "chat m")["inputs"]["messages"]]
    assert told == ["Is it raining?", "Really?"]
    assert handle.stats().unmatched_records == 1
    assert handle.stats().dropped == {}


def test_records_are_bounded_and_the_oldest_go_first(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_MAX_QUEUE_BYTES", str(8 * 1024 * 1024))
    provider, handle = live()
    logs, tracer = loggers(), provider.get_tracer("t")
    spans = [tracer.start_span(f"call {number}", attributes=CALL) for number in range(8)]
    for span in spans:
        emit(logs, "gen_ai.user.message", span, body={"content": "x" * 500_000})
    for span in spans:
        span.end()
    assert provider.force_flush()
    told = [f"call {n}" for n in range(8) if payload_of(api, f"call {n}")["inputs"].get("messages")]
    assert told == [f"call {n}" for n in range(8)][-len(told) :]
    assert 2 <= len(told) <= 4
    assert handle.stats().unmatched_records == 8 - len(told)
    assert handle.stats().dropped == {}


def test_two_doors_on_one_provider_show_a_record_once(api: DevServer) -> None:
    provider, _ = live()
    logs = loggers()
    logs.add_log_record_processor(PrefactorLogProcessor())
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        for _ in range(2):
            emit(logs, "gen_ai.user.message", body={"content": "Is it raining?"})
    assert provider.force_flush()
    assert len(payload_of(api, "chat m")["inputs"]["messages"]) == 2  # which were two records


def test_an_open_span_whose_records_go_again_and_again_takes_no_more_than_the_last(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_MAX_QUEUE_BYTES", str(1024 * 1024))
    provider, handle = live()
    logs, tracer = loggers(), provider.get_tracer("t")
    agent = tracer.start_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"})
    text = "x" * 600_000
    for _ in range(1100):
        emit(logs, "gen_ai.user.message", agent, body={"content": text})
    assert provider.force_flush()
    assert handle.stats().unmatched_records == 1099
    assert handle.stats().held_bytes < 2 * 1024 * 1024
    provider.shutdown()
    assert payload_of(api, "agent")["status"] == "cancelled"


def test_a_span_shows_the_last_thousand_of_its_records(api: DevServer) -> None:
    provider, handle = live()
    logs = loggers()
    with provider.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        for number in range(1030):
            emit(logs, "gen_ai.user.message", body={"content": f"asked {number}"})
    assert provider.force_flush()
    messages = payload_of(api, "chat m")["inputs"]["messages"]
    assert [messages[0]["content"], messages[-1]["content"]] == ["asked 6", "asked 1029"]
    assert handle.stats().unmatched_records == 6


def test_records_after_shutdown_and_where_nothing_is_set_up_are_no_matter(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, handle = live()
    span = provider.get_tracer("t").start_span("chat m", attributes=CALL)
    provider.shutdown()
    emit_details(loggers(handle), span)
    monkeypatch.delenv("PREFACTOR_API_TOKEN")
    off, nothing = live()
    emit_details(loggers(nothing), off.get_tracer("t").start_span("chat m", attributes=CALL))
    assert nothing.stats().state == "off"


def test_a_forked_child_shows_its_records_and_not_those_of_its_parent(api: DevServer) -> None:
    provider, _ = live()
    logs, tracer = loggers(), provider.get_tracer("t")
    with tracer.start_as_current_span("in parent", attributes=CALL):
        emit(logs, "gen_ai.user.message", body={"content": "asked by the parent"})
        child = os.fork()
        if child == 0:
            try:
                with tracer.start_as_current_span("in child", attributes=CALL):
                    emit(logs, "gen_ai.user.message", body={"content": "asked by the child"})
                os._exit(0 if prefactor_otel.shutdown() else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    assert provider.force_flush()
    told = {name: repr(payload["inputs"]) for name, payload in payloads(api).items()}
    assert "asked by the parent" in told["in parent"]
    assert "asked by the child" in told["in child"]
    assert len({row["agent_instance_id"] for row in api.spans()}) == 2


def test_many_threads_lose_no_record(api: DevServer) -> None:
    provider, handle = live()
    logs, tracer = loggers(), provider.get_tracer("t")

    def work(number: int) -> None:
        for call in range(20):
            with tracer.start_as_current_span(f"{number}.{call}", attributes=CALL):
                emit(logs, "gen_ai.user.message", body={"content": f"asked in {number}.{call}"})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert provider.force_flush()
    for name, payload in payloads(api).items():
        assert payload["inputs"]["messages"][0]["content"] == f"asked in {name}"
    assert (len(api.spans()), handle.stats().unmatched_records) == (160, 0)


def test_the_door_keeps_no_pipeline_alive(api: DevServer) -> None:
    logs = loggers()
    provider, _ = live()
    provider.shutdown()
    del provider, _
    gc.collect()
    emit_details(logs)


@pytest.mark.parametrize(
    "record",
    [
        LogRecord(body="a line of text", attributes=BoundedAttributes(128, {"code.line": 1})),
        LogRecord(body={"an": "object"}, attributes=BoundedAttributes(128, {"code.line": 1})),
        LogRecord(body=None, event_name="app.order.placed"),
    ],
    ids=["a line", "an object", "another event"],
)
def test_a_record_that_is_none_of_ours_costs_next_to_nothing(
    api: DevServer, record: LogRecord
) -> None:
    """In steps of Python, for no clock can be trusted here; 1.5 µs are some hundred of them."""
    live()
    processor = PrefactorLogProcessor()
    given = ReadWriteLogRecord(record)
    processor.on_emit(given)
    assert steps_of(lambda: processor.on_emit(given)) <= 60
