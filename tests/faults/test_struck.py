"""What the application's signal handlers raise, a Ctrl-C or a time limit, may strike amid any step
of ours: it is the application's, and costs nothing but what it has cut short."""

import json
from typing import Any

from prefactor_otel.devserver import DevServer
from tests.process.scripts import run_script

PROLOGUE = """
import json, signal, sys
from opentelemetry.sdk.trace import SpanProcessor
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from tests.patience import comes_true

class Limit(KIND):
    "What a handler of the application's raises."

def strike(*_):
    raise Limit

signal.signal(signal.SIGTERM, strike)

def struck_at(step, call):
    "In which function a handler has raised, at this step of a call; None: that has fewer."
    taken, where = 0, None
    def trace(frame, event, _):
        nonlocal taken, where
        if event == "line" and any(each in frame.f_code.co_filename for each in OURS):
            taken += 1
            if taken == step:
                sys.settrace(None)
                where = frame.f_code.co_name
                signal.raise_signal(signal.SIGTERM)
        return trace
    try:
        sys.settrace(trace)
        call()
    except Limit:
        pass
    finally:
        sys.settrace(None)
    return where

OURS = ("/prefactor_otel/", "/asyncio/")
"""


def outcome(api: DevServer, script: str, kind: str = "KeyboardInterrupt") -> Any:
    ended = run_script(PROLOGUE.replace("KIND", kind) + script, api.url, api.token)
    assert ended.code == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_strike_amid_any_step_of_a_spans_end_keeps_no_later_one_from_being_sent(
    api: DevServer,
) -> None:
    struck = outcome(
        api,
        """
class Ends(SpanProcessor):
    "Hands over ends only: while no span is open, nothing wakes the worker but the next one."
    def on_end(self, span):
        processor.on_end(span)

processor = PrefactorSpanProcessor(schedule_delay=0.0)
tracer = TracerProvider(span_processors=[Ends()]).get_tracer("agent")
tracer.start_span("first").end()
assert processor.force_flush()
struck = set()
for step in 3 * [*range(1, 60)]:
    struck.add(struck_at(step, lambda: tracer.start_span("struck").end()))
    tracer.start_span("after").end()
    assert comes_true(lambda: processor.stats().waiting == 0), struck  # nobody asks for a flush
print(json.dumps([*filter(None, struck)]))
""",
    )
    assert {"ended", "wake", "ring", "rest", "call_soon_threadsafe"} <= set(struck)
