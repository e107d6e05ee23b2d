"""The completion hook: content that instrumentations hand over is shown with its span."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN

from prefactor_otel import PrefactorCompletionHook, PrefactorSpanProcessor
from prefactor_otel.devserver import DevServer
from prefactor_otel.host.suppress import untraced

pytestmark = pytest.mark.usefixtures("api_environment")
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
HOOK = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


@dataclass
class Part:
    content: Any
    type: str = "text"


@dataclass
class Message:
    role: str
    parts: list[Part] = field(default_factory=list)
    name: str | None = None
    finish_reason: str | None = None


ASKED = Message("user", [Part("Is it raining? Tell a@b.com")])
SAID = Message("assistant", [Part("Not at all.")], finish_reason="stop")


def live() -> tuple[TracerProvider, PrefactorSpanProcessor]:
    provider, processor = TracerProvider(shutdown_on_exit=False), PrefactorSpanProcessor()
    provider.add_span_processor(processor)
    return provider, processor


def completed(api: DevServer, *asked: Message, **attributes: Any) -> dict[str, Any]:
    """What is shown of a call that is complete."""
    provider, processor = live()
    span = provider.get_tracer("t").start_span("chat m", attributes=CALL | attributes)
    PrefactorCompletionHook().on_completion(
        inputs=[*(asked or (ASKED,))],
        outputs=[SAID],
        system_instruction=[Part("Be brief.")],
        tool_definitions=None,
        span=span,
        log_record=None,
    )
    span.end()
    assert provider.force_flush()
    assert processor.stats().unmatched_records == 0
    [row] = api.spans()
    payload: dict[str, Any] = row["payload"]
    return payload


def test_content_is_shown_with_its_span(api: DevServer) -> None:
    payload = completed(api)
    assert payload["inputs"]["system"] == "Be brief."
    assert payload["inputs"]["messages"] == [
        {"role": "user", "content": "Is it raining? Tell a@b.com"}
    ]
    assert payload["outputs"]["messages"] == [{"role": "assistant", "content": "Not at all."}]
    assert payload["outputs"]["stop_reason"] == "stop"
    assert "events" not in payload["metadata"]


def test_what_the_span_tells_too_is_shown_once_media_included(api: DevServer) -> None:
    """As instrumentations write it: JSON, with bytes in base64."""
    on_span = (
        '[{"role":"user","parts":[{"content":"AAEC","type":"blob"},'
        '{"content":"Is it raining?","type":"text"}],"name":null,"finish_reason":null}]'
    )
    asked = Message("user", [Part(b"\0\1\2", "blob"), Part("Is it raining?")])
    payload = completed(api, asked, **{"gen_ai.input.messages": on_span})
    assert json.dumps(payload).count("Is it raining?") == 1
    assert json.dumps(payload).count("Not at all.") == 1


def test_values_that_are_no_json_cost_neither_the_span_nor_the_rest(api: DevServer) -> None:
    odd = Message("user", [Part(object()), Part("lone \ud800"), Part({1: float("nan")})])
    payload = completed(api, odd, ASKED)
    assert "Is it raining?" in json.dumps(payload["inputs"])


def test_our_own_options_keep_content_in_and_mask_it(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_CAPTURE_OUTPUTS", "false")
    monkeypatch.setenv("PREFACTOR_MASK", "emails")
    payload = completed(api)
    assert "Tell [email]" in json.dumps(payload["inputs"])
    sent = b"".join(request.raw for request in api.requests)
    assert b"Not at all." not in sent
    assert b"a@b.com" not in sent


@pytest.mark.parametrize(("hook", "shown"), [("prefactor", True), ("upload", False), ("", False)])
def test_no_content_is_for_all_others_where_the_hook_is_named(
    api: DevServer, monkeypatch: pytest.MonkeyPatch, hook: str, shown: bool
) -> None:
    monkeypatch.setenv(CAPTURE, "NO_CONTENT")
    monkeypatch.setenv(HOOK, hook)
    completed(api)
    sent = b"".join(request.raw for request in api.requests)
    assert ((b"Is it raining?" in sent), (b"Not at all." in sent)) == (shown, shown)


def test_an_option_asks_for_what_the_variable_keeps_from_others(
    api: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CAPTURE, "NO_CONTENT")
    monkeypatch.setenv("PREFACTOR_CAPTURE_INPUTS", "true")
    payload = completed(api)
    assert payload["inputs"]["messages"]
    assert "messages" not in payload["outputs"]


def test_calls_without_a_span_of_ours_are_no_matter(api: DevServer) -> None:
    provider, processor = live()
    hook = PrefactorCompletionHook(processor)
    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("t")
    with untraced():
        own = provider.get_tracer("t").start_span("own")
    for span in (None, INVALID_SPAN, unsampled.start_span("chat m"), own):
        hook.on_completion(inputs=[ASKED], outputs=[SAID], system_instruction=[], span=span)
    assert provider.force_flush()
    assert processor.stats().unmatched_records == 0
