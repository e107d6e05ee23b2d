"""Emits what instrumentations emit, by whatever the installed SDK has for it."""

from typing import Any

from opentelemetry import _logs, trace

ASKED = {"content": "What is the weather in Paris?"}
SAID: Any = {"index": 0, "finish_reason": "stop", "message": {"content": "It is sunny."}}
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


def emit(name: str, body: Any) -> None:
    try:
        from opentelemetry._events import (  # type: ignore[import-not-found]
            Event,
            get_event_logger,
        )
    except ImportError:
        record = _logs.LogRecord(event_name=name, body=body)
        _logs.get_logger("app").emit(record)
    else:
        get_event_logger("app").emit(Event(name=name, body=body))


with trace.get_tracer("app").start_as_current_span("chat gpt-4o-mini", attributes=CALL):
    emit("gen_ai.user.message", ASKED)
    emit("gen_ai.choice", SAID)
    emit("app.order.placed", {"content": "none of ours"})
