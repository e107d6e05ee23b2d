"""Spans that end in a group go through each step together, and come to what each would alone."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from prefactor_otel.config.options import Config, RunScope
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.pipeline.inbox import Inbox
from prefactor_otel.runs.events import NOWHERE, TOGETHER, Spans, Started
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spans.sdk import READER, view_of
from prefactor_otel.spans.view import SpanView
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.benchmarks.driving import make, provider_with, tracer_of
from tests.benchmarks.workload import DIALECTS, SPANS_A_RUN, runs
from tests.benchmarks.workload import Run as Workload
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


def sent(told: Sequence[SpanView | Started], scope: RunScope, together: int) -> list[Sent]:
    process = Process(scope)
    groups = [told[begin : begin + together] for begin in range(0, len(told), together)]
    process.intake.take(Spans(groups, lambda one: one, None))
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


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_spans_that_start_and_end_together_tell_what_each_would_alone(
    dialect: str, scope: RunScope
) -> None:
    told = [read(entry) for entry in entries_of(runs(dialect, "1 KB", 32), with_starts=True)]
    alone = sent(told, scope, 1)
    assert sum(one.is_root for one in alone) == 32 / SPANS_A_RUN
    assert sent(told, scope, TOGETHER) == alone
    assert sent(told, scope, len(told)) == alone


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


class Entries(SpanProcessor):
    """What a processor hands over of spans: their starts and ends, in this order."""

    def __init__(self, *, with_starts: bool) -> None:
        self.found: list[object] = []
        self._with_starts = with_starts

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self._with_starts:
            self.found.append((span, 0.0, NOWHERE))

    def on_end(self, span: ReadableSpan) -> None:
        self.found.append(span)


def entries_of(todo: Sequence[Workload], *, with_starts: bool) -> Sequence[object]:
    entries = Entries(with_starts=with_starts)
    tracer = tracer_of(provider_with(entries))
    for run in todo:
        make(tracer, run)
    return entries.found


def read(entry: object) -> SpanView | Started:
    """A span as it ended, or its start."""
    if not isinstance(entry, tuple):
        assert isinstance(entry, ReadableSpan)
        return view_of(entry)
    source = READER.source(entry[0])
    assert source is not None
    return Started(source, 0.0)


def inbox_with(entries: Sequence[object]) -> Inbox:
    inbox = Inbox(1024, READER)
    inbox.entries.extend(entries)
    return inbox


@pytest.mark.parametrize("with_starts", [False, True])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_strike_at_any_line_amid_a_group_loses_and_repeats_nothing(
    scope: RunScope, *, with_starts: bool
) -> None:
    entries = entries_of(runs("GenAI", "1 KB", 8), with_starts=with_starts)
    spans = [each for each in entries if isinstance(each, ReadableSpan)]
    expected = sorted(f"{view_of(span).key.hex}c" for span in spans)
    line, strikes = 0, 0
    while True:
        line += 1
        process, inbox = Process(scope), inbox_with(entries)

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
        assert process.intake.open == 0
        assert sorted(item.key[12:] for item in process.close()) == expected, line
    assert strikes > 100
