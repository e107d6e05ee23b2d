"""Which spans are created while they are open, and how long their children wait for them."""

from typing import Final

from prefactor_otel.mapping import SpanType, expected_type, span_type, speaks_late
from prefactor_otel.runs.parking import STEP_GRACE
from prefactor_otel.spans.source import Source
from prefactor_otel.spans.view import SpanView

VISIBLE_AFTER: Final = 1.0
"""Seconds until an open root or agent span is created: early enough to watch, late enough to
carry the attributes that frameworks set just after the start."""

CALL_GRACE: Final = 10.0
"""Seconds that finished children wait for an open LLM or tool span: readers keep a span as they
first saw it, and these carry the tokens, so creating them before their end is the last resort. The
same goes for spans that say only at their end what they are."""

_WATCHED: Final = (SpanType.AGENT, SpanType.APPROVAL)
_CALLS: Final = (SpanType.LLM, SpanType.TOOL)


def is_worth_showing(view: SpanView) -> bool:
    """Whether an open span is created before anything asks for it: a root or an agent, so that a
    run is visible while it runs, and what waits for a person; but no call of a model or tool, which
    is to be seen whole, and no root that only its end will name."""
    if speaks_late(view.attributes, view.scope_name):
        return view.is_local_root and expected_type(view.name) is SpanType.AGENT
    kind = span_type(view.attributes)
    return kind in _WATCHED or (view.is_local_root and kind not in _CALLS)


def grace(parent: Source) -> float:
    """Seconds that finished children wait for an open parent."""
    attributes = parent.attributes
    is_silent = speaks_late(attributes, parent.scope_name)
    return CALL_GRACE if is_silent or span_type(attributes) in _CALLS else STEP_GRACE
