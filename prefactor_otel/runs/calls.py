"""Every answer of a model is counted once, however many spans tell of it.

Two instrumentations record one call as an LLM span inside an LLM span, or as two spans with the
same response id. One of them keeps ``token_usage``: the one that came first, which is the
innermost, unless only the other holds the content; what the other knows beside, of cached tokens
and thoughts, it leaves behind. An agent that tells what its calls took counts where none of them
did. The numbers of who does not count go to its metadata.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import orjson

from prefactor_otel.delivery.operation import Item
from prefactor_otel.mapping import TOTALS, AgentSpan, SpanType
from prefactor_otel.mapping.usage import CACHED, REASONING, WRITTEN, settled
from prefactor_otel.runs.lineage import remember
from prefactor_otel.spans.view import SpanKey, SpanView

OTHERS: Final = frozenset(
    {
        *(SpanType.TOOL, SpanType.AGENT, SpanType.RETRIEVER),
        *(SpanType.GUARDRAIL, SpanType.EVALUATOR),
    }
)
"""What these call are calls of their own, also below a model's: ADK runs tools inside of them."""
DETAILS: Final = (CACHED, WRITTEN, REASONING)
UNCOUNTED: Final = "uncounted_token_usage"
CONTENT: Final = frozenset({"messages", "input", "content"})
MAX_REMEMBERED: Final = 20_000
"""Calls, spans above them and responses that are remembered."""


class Call(NamedTuple):
    """What tells one counted call from another; the response's id is empty where unknown."""

    kind: SpanType
    scope_name: str | None
    response: str
    has_content: bool
    usage: Mapping[str, int]


class CallCounter:
    """Remembers, for one run, which calls have been counted and what lies above them."""

    def __init__(self) -> None:
        self._counted: OrderedDict[SpanKey, Call] = OrderedDict()
        self._below: OrderedDict[SpanKey, tuple[SpanKey, ...]] = OrderedDict()
        self._told: OrderedDict[str, tuple[str, SpanKey]] = OrderedDict()
        self._others: OrderedDict[SpanKey, None] = OrderedDict()
        self._above_counted: OrderedDict[SpanKey, None] = OrderedDict()

    def has_calls_below(self, key: SpanKey) -> bool:
        """Whether a model call that counts has ended somewhere under this span."""
        return key in self._below

    def has_counted_below(self, key: SpanKey) -> bool:
        """Whether anything that counts has ended somewhere under this span, be it under a tool or
        another agent."""
        return key in self._above_counted

    def counted_before(
        self, view: SpanView, call: Call | None, ancestors: Iterable[SpanKey]
    ) -> tuple[SpanKey, ...]:
        """The counted calls that have told what this span tells again: under it, above it (if
        that came first), or of the same response."""
        if call is None:
            return ()
        before = self._told_before(view, call, ancestors)
        if len(before) == 1 and call.response and call.response not in self._told:
            # a third may tell of it by this id, which the one that counts need not know
            remember(self._told, call.response, (view.scope_name, before[0]), MAX_REMEMBERED)
        return before

    def counted_twice(self, call: Call, one: SpanKey) -> tuple[SpanKey, SpanKey] | None:
        """This counted call and another that has counted what this one tells by the id of its
        answer, which they did not know of each other; the one that is to count first."""
        told = self._told.get(call.response)
        if told is None or told[1] == one:
            return None
        first, second = self._counted.get(one), self._counted.get(told[1])
        if first is None or second is None or first.kind in TOTALS:
            return None
        return (told[1], one) if second.has_content > first.has_content else (one, told[1])

    def _told_before(
        self, view: SpanView, call: Call, ancestors: Iterable[SpanKey]
    ) -> tuple[SpanKey, ...]:
        below = self._below.get(view.key, ())
        same = tuple(key for key in below if _is_same(call, self._counted.get(key)))
        if same:
            return same
        is_within = True
        for above in ancestors:
            counted = self._counted.get(above)
            if counted is not None and counted.kind in TOTALS:
                return (above,)
            if counted is not None and is_within and _is_same(call, counted):
                return (above,)
            is_within = is_within and above not in self._others
        told = self._told.get(call.response)
        # Only another instrumentation tells of a call again. One tells of each call once, so
        # equal ids within it are the server's doing.
        return (told[1],) if told is not None and told[0] != view.scope_name else ()

    def tells_more(self, call: Call | None, other: SpanKey) -> bool:
        """Whether this call is to count in place of the other: it has the content and the other
        has not, or the other is a total over calls."""
        told = self._counted.get(other)
        if told is None or call is None:
            return False
        return told.kind in TOTALS or (call.has_content and not told.has_content)

    def take_over(self, other: SpanKey) -> Mapping[str, int]:
        """Another span counts in place of this one; the details that this one knows."""
        told = self._counted.pop(other, None)
        return details_of(told.usage) if told is not None and told.kind not in TOTALS else {}

    def ended(self, view: SpanView, key: SpanKey, kind: SpanType, call: Call | None) -> None:
        """A span has ended, and counts if it is a call that nothing before it has told of."""
        below = self._below.pop(view.key, ())
        if call is not None:
            remember(self._counted, key, call, MAX_REMEMBERED)
            if call.response and call.response not in self._told:
                remember(self._told, call.response, (view.scope_name, key), MAX_REMEMBERED)
            below = (key,)
        if call is not None or view.key in self._above_counted:
            self._note_above(view)
        if kind in OTHERS:
            remember(self._others, view.key, None, MAX_REMEMBERED)
        else:
            self._pass_up(view, below)

    def forget(self, key: SpanKey) -> None:
        """Forget a span that has ended."""
        self._below.pop(key, None)
        self._others.pop(key, None)
        self._above_counted.pop(key, None)
        call = self._counted.pop(key, None)
        if call is not None and self._told.get(call.response, ("", None))[1] == key:
            del self._told[call.response]

    def left_out(self, view: SpanView) -> None:
        """A span has ended that is not sent: what lies under it lies under its parent."""
        self._pass_up(view, self._below.pop(view.key, ()))
        if view.key in self._above_counted:
            self._note_above(view)

    def _note_above(self, view: SpanView) -> None:
        parent = view.local_parent
        if parent is not None:
            remember(self._above_counted, parent, None, MAX_REMEMBERED)

    def _pass_up(self, view: SpanView, below: tuple[SpanKey, ...]) -> None:
        if below and (parent := view.local_parent) is not None:
            both = (*self._below.get(parent, ()), *below)[:2]
            remember(self._below, parent, both, MAX_REMEMBERED)


def call_of(view: SpanView, span: AgentSpan) -> Call | None:
    """What a span with ``token_usage`` tells of; None for any other."""
    usage = span.payload["token_usage"]
    if not isinstance(usage, dict):
        return None
    return Call(span.kind, view.scope_name, span.response_id, _has_content(span), usage)


def hesitates(span: AgentSpan) -> bool:
    """Whether another span may tell of the same call, with its content or with details of its
    tokens: this one has an id that the other would have, too."""
    counts = span.payload["token_usage"] is not None and span.kind not in TOTALS
    return counts and bool(span.response_id)


def details_of(usage: Mapping[str, int]) -> Mapping[str, int]:
    """What a usage tells beside its totals."""
    return {name: usage[name] for name in DETAILS if name in usage}


def with_details(span: AgentSpan, details: Mapping[str, int]) -> AgentSpan:
    """The span with the details that its own usage lacks."""
    return span._replace(payload=_detailed(span.payload, details)) if details else span


def item_with_details(item: Item, details: Mapping[str, int]) -> Item:
    """The same for a span that is encoded already."""
    if not details:
        return item
    fields = orjson.loads(b"{" + item.body + b"}")
    fields["payload"] = _detailed(fields["payload"], details)
    return item._replace(body=orjson.dumps(fields)[1:-1])


def _detailed(payload: dict[str, object], details: Mapping[str, int]) -> dict[str, object]:
    usage = payload["token_usage"]
    if not isinstance(usage, dict):
        return payload
    return payload | {"token_usage": settled({**details, **usage})}


def _is_same(call: Call, counted: Call | None) -> bool:
    """Whether a call may be the one above or below it: not one of another type, nor one that the
    same instrumentation tells of with another response. A forgotten one is taken for the same."""
    if counted is None:
        return True
    if call.kind is not counted.kind:
        return False
    known = call.response and counted.response and call.scope_name == counted.scope_name
    return not known or call.response == counted.response


def uncounted(span: AgentSpan) -> AgentSpan:
    """The span with its numbers where nobody adds them up."""
    return span._replace(payload=_moved(span.payload))


def uncounted_item(item: Item) -> Item:
    """The same for a span that is encoded already."""
    details = orjson.loads(b"{" + item.body + b"}")
    details["payload"] = _moved(details["payload"])
    return item._replace(body=orjson.dumps(details)[1:-1])


def _moved(payload: dict[str, object]) -> dict[str, object]:
    metadata = payload["metadata"]
    assert isinstance(metadata, dict)
    moved = metadata | {UNCOUNTED: payload["token_usage"]}
    return payload | {"token_usage": None, "metadata": moved}


def _has_content(span: AgentSpan) -> bool:
    fields = (span.payload["inputs"], span.payload["outputs"])
    return any(isinstance(part, dict) and not CONTENT.isdisjoint(part) for part in fields)
