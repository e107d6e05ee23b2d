"""Spans that end in a group go through each step together, and come to what each would alone."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel.config.options import Config, RunScope
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.pipeline.inbox import Inbox
from prefactor_otel.runs.events import TOGETHER, Ended
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spans.sdk import READER, view_of
from prefactor_otel.spans.view import SpanView
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.benchmarks.driving import readable
from tests.benchmarks.workload import runs
from tests.recorded import NAMES, recorded

if TYPE_CHECKING:
    from _typeshed import TraceFunction

SCOPES: Sequence[RunScope] = ("provider", "trace", "session")
WHERE = "runs/ends.py", "pipeline/inbox.py"
RUN = Run("0" * 32, 10**18)


class Process:
    """What is taken in of a process, without anything that sends."""

    def __init__(self, scope: RunScope = "provider") -> None:
        config = Config(api_url="http://127.0.0.1:9", api_token="t", run_scope=scope)
        log, self.counters, budget = QuietLog(), Counters(), Budget()
        self.outbox = Outbox(budget, self.counters, log)
        tenants = Tenants(config, log, dict)
        self.intake = Intake(tenants, RUN, self.outbox, budget, self.counters, log)

    def close(self) -> list[Item]:
        """End everything. What is to be sent of spans."""
        self.intake.store()
        self.intake.lives.close_all(None)
        items = [item for batch in self.outbox.line.batches() for item in batch.items]
        return [item for item in items if item.span is not None]


@dataclass(frozen=True)
class Sent:
    """What is sent of one span, but for the random key of its run."""

    span: str
    body: bytes
    is_root: bool
    ends_span: bool


def sent(views: Sequence[SpanView], scope: RunScope, together: int) -> list[Sent]:
    process = Process(scope)
    groups = [views[begin : begin + together] for begin in range(0, len(views), together)]
    process.intake.take(Ended(groups, lambda view: view, None))
    return [
        Sent(item.key[12:], item.body, item.parent is None, item.ends_span)
        for item in process.close()
    ]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("name", NAMES)
def test_spans_that_end_together_tell_what_each_would_alone(name: str, scope: RunScope) -> None:
    views = list(recorded(name).views)
    alone = sent(views, scope, 1)
    assert sent(views, scope, TOGETHER) == alone
    assert sent(views, scope, len(views)) == alone


def struck(work: Callable[[], object], line: int) -> bool:
    """Do something, and be struck before so many lines of what takes spans in have run. Whether
    the strike came."""
    left, came = line, False

    def strike(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        nonlocal left, came
        code = frame.f_code
        # In the lines of ``_remove`` nothing is called, so Python lets nothing come in between.
        if not code.co_filename.endswith(WHERE) or code.co_name == "_remove":
            return strike
        left -= event == "line"
        if left == 0 and event == "line":
            left, came = -1, True
            raise SystemExit
        return strike

    before = sys.gettrace()
    sys.settrace(strike)
    try:
        work()
    except SystemExit:
        assert came
    finally:
        sys.settrace(before)
    return came


def inbox_with(spans: Sequence[ReadableSpan]) -> Inbox:
    inbox = Inbox(1024, READER)
    inbox.entries.extend(spans)
    return inbox


def test_a_strike_at_any_line_amid_a_group_loses_and_repeats_nothing() -> None:
    spans = readable(runs("GenAI", "1 KB", 8))
    expected = sorted(f"{view_of(span).key.hex}c" for span in spans)
    line, strikes = 0, 0
    while True:
        line += 1
        process, inbox = Process(), inbox_with(spans)

        def take(process: Process = process, inbox: Inbox = inbox) -> None:
            inbox.take(process.intake.take, 60.0, lambda: True, hurries=True)

        if not struck(take, line):
            break
        strikes += 1
        process.outbox.recover()
        assert inbox.take_up(process.intake.is_done_with) is None
        take()
        assert not inbox.entries
        assert inbox.handed_over == len(spans)
        assert sorted(item.key[12:] for item in process.close()) == expected, line
    assert strikes > 100
