"""In which order spans become records: a parent is always created before its child.

A state machine without clock, thread or network: every method takes the time (seconds of a
monotonic clock) and returns the items that are due. Children end before their parents, so a
finished child waits, or its open ancestors are created early with status ``active``. A span that
is not to be sent is passed over: its children hang on what it hangs on.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel.delivery.budget import OPEN_BYTES, PARKED_BYTES, REMEMBERED_BYTES, Budget
from prefactor_otel.delivery.operation import FinishStatus, Item, SpanRef
from prefactor_otel.mapping import (
    NOTHING,
    AgentSpan,
    Below,
    Capture,
    SpanType,
    agent_name,
    agent_span,
    bare_span,
    expected_type,
    says_nothing,
    span_type,
    speaks_late,
)
from prefactor_otel.mapping.errors import Status, status_of
from prefactor_otel.runs.calls import (
    Call,
    CallCounter,
    call_of,
    details_of,
    hesitates,
    item_with_details,
    uncounted,
    uncounted_item,
    with_details,
)
from prefactor_otel.runs.encoding import create_item, finish_item, span_ref, with_otel_parent
from prefactor_otel.runs.lineage import MAX_HEIGHT, Lineage, remember
from prefactor_otel.runs.redact import redacted
from prefactor_otel.span_types.declared import DEFAULT, SpanTypes
from prefactor_otel.span_types.span_filter import CompiledFilter, Decision
from prefactor_otel.spans.sdk import view_of
from prefactor_otel.spans.view import Attributes, SpanKey, SpanView

VISIBLE_AFTER: Final = 1.0
"""Seconds until an open root or agent span is created: early enough to watch, late enough to
carry the attributes that frameworks set just after the start."""

STEP_GRACE: Final = 1.0
"""Seconds that finished children wait for an open parent that is no LLM or tool span."""

CALL_GRACE: Final = 10.0
"""The same for LLM and tool spans: readers keep a span as they first saw it, and these carry
the tokens, so creating them before their end is the last resort. The same goes for spans that say
only at their end what they are."""

CALLS: Final = (SpanType.LLM, SpanType.TOOL)
_PERHAPS_AGENTS: Final = (SpanType.AGENT, SpanType.CHAIN)
"""What spans become that are agents, or are wrapped around one."""
_FORGOTTEN: Final[dict[str, object]] = {"inputs": {}, "metadata": {}, "token_usage": None}
"""What is known of a payload of which nothing is known any more."""


@dataclass(slots=True, eq=False)
class OpenSpan:
    """A span that has started and not ended, and the record that it was created with, if any, of
    which the content takes ``size`` bytes."""

    span: ReadableSpan
    parent: SpanKey | None
    created: AgentSpan | None = None
    ref: SpanRef | None = None
    size: int = 0


@dataclass(slots=True, eq=False)
class Parked:
    """A finished span whose parent has no record yet, since when it waits, and until when.

    Without a ``parent`` it waits for its time alone. ``only_between``: it is not sent unless
    something is sent that it hangs on.
    """

    key: SpanKey
    parent: SpanKey | None
    item: Item
    since: float
    deadline: float
    only_between: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes here."""
        return self.item.footprint + PARKED_BYTES


@dataclass(slots=True)
class Counts:
    """What happened to spans on their way through the tree."""

    orphaned: int = 0
    duplicates: int = 0
    filtered: int = 0
    rescued: int = 0
    cancelled: int = 0
    roots: int = 0
    roots_failed: int = 0
    roots_cancelled: int = 0
    unmappable: int = 0

    @property
    def status(self) -> FinishStatus:
        """How the run ends by its root spans: cancelled or failed where all of them are."""
        if self.roots and self.roots == self.roots_failed:
            return "failed"
        return "cancelled" if self.roots and self.roots == self.roots_cancelled else "complete"


@dataclass(slots=True)
class SpanTree:
    """The spans of one run. Not thread-safe: one thread owns it."""

    run: str
    capture: Capture
    max_item_bytes: int
    parent_timeout: float
    notes_parked: bool = False
    span_filter: CompiledFilter | None = None
    types: SpanTypes = DEFAULT
    budget: Budget = field(default_factory=Budget)
    counts: Counts = field(default_factory=Counts)
    starts_known: bool = False
    _lineage: Lineage = field(default_factory=Lineage)
    _calls: CallCounter = field(default_factory=CallCounter)
    _open: dict[SpanKey, OpenSpan] = field(default_factory=dict)
    _shown: dict[SpanKey, OpenSpan] = field(default_factory=dict)
    """Of these open spans it is known with which content they were created."""
    _records: OrderedDict[SpanKey, SpanRef] = field(default_factory=OrderedDict)
    _parked: OrderedDict[SpanKey, Parked] = field(default_factory=OrderedDict)
    _waiting_for: dict[SpanKey, list[SpanKey]] = field(default_factory=dict)
    _remembered: int = 0
    _free_at: float = math.inf
    """No parked span has to go before."""
    _to_show: deque[tuple[float, SpanKey]] = field(default_factory=deque)
    _newly_parked: dict[SpanKey, None] = field(default_factory=dict)
    _no_longer_parked: list[str] = field(default_factory=list)
    _left_out: OrderedDict[SpanKey, SpanKey | None] = field(default_factory=OrderedDict)
    _above_kept: OrderedDict[SpanKey, None] = field(default_factory=OrderedDict)

    @property
    def next_due(self) -> float:
        """When time will have made something due, or earlier; ``math.inf`` if it never will."""
        while self._to_show and self._to_show[0][1] not in self._open:
            self._to_show.popleft()
        return min(self._to_show[0][0], self._free_at) if self._to_show else self._free_at

    @property
    def parked(self) -> int:
        """Finished spans that wait for their parent."""
        return len(self._parked)

    def newly_parked(self) -> list[Parked]:
        """What has begun to wait since the last call, or changed meanwhile, and waits still."""
        keys, self._newly_parked = self._newly_parked, {}
        return [self._parked[key] for key in keys if key in self._parked]

    def no_longer_parked(self) -> list[str]:
        """The keys of items that waited and will not be sent, since the last call."""
        keys, self._no_longer_parked = self._no_longer_parked, []
        return keys

    @property
    def open(self) -> int:
        """Spans that have started and not ended."""
        return len(self._open)

    def open_keys(self) -> list[SpanKey]:
        """Their keys."""
        return list(self._open)

    def has_ended(self, key: SpanKey) -> bool:
        """Whether this span has been taken as ended, be it by its end or by ``close``."""
        return self._lineage.has_ended(key)

    def start(self, span: ReadableSpan, now: float) -> None:
        """A span has started."""
        context, parent = span.get_span_context(), span.parent
        if context is None or not context.trace_flags.sampled:
            return
        self.starts_known = True
        key = SpanKey(context.trace_id, context.span_id)
        local = parent is not None and not parent.is_remote
        parent_key = SpanKey(parent.trace_id, parent.span_id) if parent and local else None
        if key in self._open or self._lineage.has_ended(key):
            return
        self._lineage.born(key, parent_key)
        self._open[key] = OpenSpan(span, parent_key)
        self.budget.open.add(OPEN_BYTES)
        if self.span_filter is not None and self.span_filter.leaves_out(_scope_of(span)):
            remember(self._left_out, key, parent_key)
        self._to_show.append((now + VISIBLE_AFTER, key))

    def end(self, view: SpanView, now: float) -> list[Item]:
        """A span has ended. Empty when it has to wait, or when it has ended before."""
        key = self._lineage.end(view)
        if key is None:
            self.counts.duplicates += 1
            return []
        self._remember_one()
        self._lineage.born(key, view.local_parent)
        verdict = self._verdict(view)
        if verdict is Decision.LEAVE_OUT:
            return self._leave_out(view, key)
        span = self._counted(view, key, self._mapped(view))
        self._count_root(view, span.status)
        if span.kind in _PERHAPS_AGENTS:
            agent = _agent_in(view.attributes, view.name)
            if agent is not None:
                self._lineage.is_agent(key, agent)
        self._lineage.climbed(view)
        only_between = verdict is Decision.KEEP_BETWEEN
        return self._end_as(view, key, span, self._take_open(view.key), now, only_between)

    def _take_open(self, key: SpanKey) -> OpenSpan | None:
        entry = self._open.get(key)
        if entry is not None:
            self.budget.shown.release(entry, entry.size)
            self._shown.pop(key, None)
            del self._open[key]
            self.budget.open.remove(OPEN_BYTES)
        return entry

    def _remember_one(self) -> None:
        self._remembered += 1
        self.budget.remembered.add(REMEMBERED_BYTES)

    def _count_root(self, view: SpanView, status: Status) -> None:
        if view.is_local_root:
            self.counts.roots += 1
            self.counts.roots_failed += status == "failed"
            self.counts.roots_cancelled += status == "cancelled"

    def _verdict(self, view: SpanView) -> Decision:
        """What is to become of a span by what is known of it now; that it is kept is passed on."""
        entry = self._open.get(view.key)
        if self.span_filter is None or (entry is not None and entry.created is not None):
            return Decision.KEEP
        verdict = self.span_filter.judge(view)
        if verdict is Decision.KEEP_BETWEEN and view.key not in self._above_kept:
            verdict = Decision.LEAVE_OUT
        parent = view.local_parent
        if parent is not None and (verdict is Decision.KEEP or view.key in self._above_kept):
            remember(self._above_kept, parent, None)
        return verdict

    def _leave_out(self, view: SpanView, key: SpanKey) -> list[Item]:
        """A span has ended that is not to be sent."""
        self.counts.filtered += 1
        self._count_root(view, status_of(view))
        self._lineage.climbed(view)
        self._calls.left_out(view)
        self._take_open(view.key)
        return self._pass_over(key, view.local_parent)

    def _pass_over(self, key: SpanKey, parent: SpanKey | None) -> list[Item]:
        """What waits for a span that gets no record goes after what that hangs on."""
        remember(self._left_out, key, parent)
        items: list[Item] = []
        for child in list(self._waiting_for.get(key, ())):
            if child in self._parked:
                one = self._unpark(child)
                items += self._place(child, parent, one.item, one.since, one.only_between)
        return items

    def _nearest(self, parent: SpanKey | None) -> SpanKey | None:
        """What a child of this one hangs on: it, or the nearest above it that is not left out."""
        for _ in range(len(self._left_out)):
            if parent is None or parent not in self._left_out:
                break
            parent = self._left_out[parent]
        return parent

    def _mapped(self, view: SpanView) -> AgentSpan:
        try:
            span = agent_span(view, self.capture, self._below(view))
        except Exception:  # a span that cannot be mapped still goes out
            self.counts.unmappable += 1
            span = bare_span(view)
        # Before masks have changed the name of a tool.
        return redacted(self.types.named(span, view), self.capture)

    def _below(self, view: SpanView) -> Below:
        child = self._lineage.only_child(view.key)
        agent = self._agent(child) if child is not None else None
        agents = self._lineage.is_above_agents(view.key) or self._runs_agent(view)
        calls = self._calls.has_calls_below(view.key)
        counted = self._calls.has_counted_below(view.key)
        if calls or counted or agents or agent is not None:
            return Below(calls, agent, agents, counted)
        return NOTHING

    def _runs_agent(self, view: SpanView) -> bool:
        """Whether an open frame around agents has one of them running somewhere under it."""
        if view.end_ns is not None or span_type(view.attributes) is not SpanType.AGENT:
            return False
        return says_nothing(view.attributes) and any(
            self._agent(key) is not None and view.key in self._open_above(entry)
            for key, entry in self._open.items()
        )

    def _open_above(self, entry: OpenSpan) -> Iterator[SpanKey]:
        """The parent, its parent and so on, as far as they are open."""
        for _ in range(MAX_HEIGHT):
            if entry.parent is None or entry.parent not in self._open:
                return
            yield entry.parent
            entry = self._open[entry.parent]

    def _agent(self, key: SpanKey) -> str | None:
        """The name of a span, open or ended, that is an agent."""
        entry = self._open.get(key)
        if entry is None:
            return self._lineage.agent(key)
        return _agent_in(entry.span.attributes or {}, entry.span.name)

    def _counted(self, view: SpanView, key: SpanKey, span: AgentSpan) -> AgentSpan:
        """The span with its tokens if they count; one that waits here may give up its own."""
        call = call_of(view, span)
        before = self._calls.counted_before(view, call, self._lineage.ancestors(view))
        if before:
            if call is not None and len(before) == 1:
                before = self._count_one_of(call, before[0])
            span, call = self._told_again(span, call, before)
        self._calls.ended(view, key, span.kind, call)
        return span

    def _told_again(
        self, span: AgentSpan, call: Call | None, before: tuple[SpanKey, ...]
    ) -> tuple[AgentSpan, Call | None]:
        """Of two that tell of one call, the one that counts takes the details of the other, as
        long as that has not been sent."""
        other = self._parked.get(before[0]) if len(before) == 1 else None
        if other is not None and self._calls.tells_more(call, other.key):
            span = with_details(span, self._calls.take_over(other.key))
            self._change(other, uncounted_item(other.item))
            return span, call
        if other is not None and call is not None:
            self._change(other, item_with_details(other.item, details_of(call.usage)))
        return uncounted(span), None

    def _count_one_of(self, call: Call, key: SpanKey) -> tuple[SpanKey]:
        """Of two that turn out to tell of this call, the one that counts from now on."""
        twins = self._calls.counted_twice(call, key)
        if twins is None:
            return (key,)
        stays, goes = twins if twins[1] in self._parked else twins[::-1]
        other = self._parked.get(goes)
        if other is not None:  # else both are sent
            details = self._calls.take_over(goes)
            self._change(other, uncounted_item(other.item))
            if stays in self._parked:
                kept = self._parked[stays]
                self._change(kept, item_with_details(kept.item, details))
        return (stays,)

    def _change(self, parked: Parked, item: Item) -> None:
        before = parked.size
        parked.item = item
        self.budget.parked.add(parked.size - before, 0)
        self._note_parked(parked)

    def _note_parked(self, parked: Parked) -> None:
        if self.notes_parked:
            self._newly_parked[parked.key] = None

    def _end_as(
        self,
        view: SpanView,
        key: SpanKey,
        span: AgentSpan,
        entry: OpenSpan | None,
        now: float,
        only_between: bool = False,
    ) -> list[Item]:
        """The final item of a span: a finish when it was created early, else its creation."""
        if entry is not None and entry.created is not None and entry.ref is not None:
            remember(self._records, view.key, entry.ref)
            return [
                finish_item(self.run, view.key, entry.ref, span, entry.created, self.max_item_bytes)
            ]
        ref = span_ref(self.run, key, view.start_ns)
        item = create_item(self.run, key, ref, span, self.max_item_bytes)
        parent = view.local_parent
        if parent is not None and parent == view.key:
            return self._orphan(key, parent, item)
        self._left_out.pop(key, None)
        if parent is None and not only_between and hesitates(span):
            return self._park(Parked(key, None, item, now, now + STEP_GRACE))
        return self._place(key, parent, item, now, only_between)

    def drop(self, key: SpanKey, now: float) -> list[Item]:
        """A span has ended and was dropped before it came here. If it has a record already,
        that is finished all the same."""
        entry = self._open.get(key)
        if entry is None:
            return []
        view = view_of(entry.span)
        if entry.created is not None:
            return [item._replace(ends_span=False) for item in self.end(view, now)]
        self._count_root(view, status_of(view))
        self._cut_off(view)
        return []

    def hand_on(self, key: SpanKey) -> bool:
        """Let another run tell of an open span that has no record in this one. Whether it may."""
        entry = self._open.get(key)
        if entry is None or entry.created is not None:
            return False
        self._take_open(key)
        return True

    def _cut_off(self, view: SpanView) -> None:
        self._take_open(view.key)
        self._lineage.cut_off(view)
        self._remember_one()

    def give_up_parked(self) -> list[Item]:
        """The finished span that has waited longest for its parent goes now."""
        return self._free(next(iter(self._parked)))

    def forget_content(self) -> None:
        """The content with which an open span was created is forgotten, the oldest first: its end
        will tell all of it again."""
        key, entry = next(iter(self._shown.items()))
        assert entry.created is not None
        entry.created = entry.created._replace(payload=_FORGOTTEN)
        self.budget.shown.release(entry, entry.size)
        del self._shown[key]

    def give_up_open(self, now_ns: int) -> Iterator[tuple[SpanKey, list[Item]]]:
        """The spans that have been open longest are not followed any longer, as many as are asked
        for: one that has a record is closed as cancelled, any other is left to its end. One that
        has ended is on its way here, and stays."""
        for key, entry in list(self._open.items()):
            if entry.created is None:
                self._take_open(key)
                yield key, []
            elif entry.span.end_time is None:
                items = self._cancel(view_of(entry.span), entry, now_ns)
                yield key, [item._replace(ends_span=False) for item in items]

    def forget_one(self) -> None:
        """Forget the span that ended first, and what was known of it."""
        keys, parent = self._lineage.pop_oldest()
        self._forgotten(len(keys))
        if parent is not None and parent not in self._open and not self._lineage.has_ended(parent):
            keys.append(parent)  # else nothing would ever forget it
        for key in keys:
            self._lineage.forget(key)
            self._calls.forget(key)
            for memory in (self._records, self._left_out, self._above_kept):
                memory.pop(key, None)

    def _forgotten(self, spans: int) -> None:
        self._remembered -= spans
        self.budget.remembered.remove(spans * REMEMBERED_BYTES, spans)

    @property
    def remembered(self) -> int:
        """Spans that have ended and are still known."""
        return self._remembered

    def leave(self) -> None:
        """Nothing more comes of a tree that was closed: it takes nothing any more."""
        self._forgotten(self._remembered)

    def due(self, now: float) -> list[Item]:
        """The items whose waiting is over: roots and agents to show, children past their time."""
        items: list[Item] = []
        while self._to_show and self._to_show[0][0] <= now:
            items += self._show(self._to_show.popleft()[1])
        return items + self._free_late(now) if self._free_at <= now else items

    def _free_late(self, now: float) -> list[Item]:
        """Send what has waited for its parent long enough."""
        items: list[Item] = []
        for parked in [p for p in self._parked.values() if p.deadline <= now]:
            # Else one before it has taken it along, or what its parent is lets it wait longer.
            if parked.key in self._parked and self._is_due(parked, now):
                items += self._free(parked.key)
        self._free_at = min((p.deadline for p in self._parked.values()), default=math.inf)
        return items

    def _is_due(self, parked: Parked, now: float) -> bool:
        entry = self._open.get(parked.parent) if parked.parent is not None else None
        if entry is not None:
            parked.deadline = max(parked.deadline, parked.since + _grace(entry.span))
        return parked.deadline <= now

    def flush(self) -> list[Item]:
        """Everything that can go without tearing the tree: finished children go after their
        open ancestors, created early. A child whose parent has not been seen stays."""
        items: list[Item] = []
        for key in list(self._parked):
            if key in self._parked and self._may_go(self._top_of(key)):
                items += self._free(key)
        return items

    def _may_go(self, top: SpanKey) -> bool:
        return top in self._open or self._hesitates(top)

    def _hesitates(self, key: SpanKey) -> bool:
        """Whether a finished root waits for one that tells of the same call."""
        return key in self._parked and self._parked[key].parent is None

    def close(self, now_ns: int) -> list[Item]:
        """End everything: open spans are finished as ``cancelled``, children without a parent
        go without one. A span that ended but never came (a full queue before us) is rescued."""
        items: list[Item] = []
        if self.span_filter is not None:
            for entry in self._open.values():
                self._note_above(entry)
        for key, entry in list(self._open.items()):
            if key in self._open:
                items += self._close_one(entry, now_ns)
        for _ in range(len(self._parked)):
            if self._parked:
                items += self._free(next(iter(self._parked)))
        return items

    def _note_above(self, entry: OpenSpan) -> None:
        """If an open span is kept, all that is open above it lies above one."""
        view = view_of(entry.span)
        if self._verdict(view) is not Decision.LEAVE_OUT or view.key in self._above_kept:
            for above in self._open_above(entry):
                remember(self._above_kept, above, None)

    def _close_one(self, entry: OpenSpan, now_ns: int) -> list[Item]:
        view = view_of(entry.span)
        if view.end_ns is not None:
            self.counts.rescued += 1
            return self.end(view, 0.0)
        self.counts.cancelled += 1
        return self._cancel(view, entry, now_ns)

    def _cancel(self, view: SpanView, entry: OpenSpan, now_ns: int) -> list[Item]:
        """Close an open span, whatever end it will have."""
        self._count_root(view, "cancelled")
        verdict = self._verdict(view)
        self._cut_off(view)
        if verdict is Decision.LEAVE_OUT:
            self.counts.filtered += 1
            return self._pass_over(view.key, view.local_parent)
        ended = self._mapped(replace(view, end_ns=now_ns, status="unset"))
        cancelled = ended._replace(
            status="cancelled", payload=ended.payload | {"status": "cancelled"}
        )
        only_between = verdict is Decision.KEEP_BETWEEN
        return self._end_as(view, view.key, cancelled, entry, 0.0, only_between)

    def _place(
        self,
        key: SpanKey,
        parent: SpanKey | None,
        item: Item,
        since: float,
        only_between: bool = False,
    ) -> list[Item]:
        """Emit a finished span after its parent, or park it until that has a record."""
        parent = self._nearest(parent)
        if parent is None:
            return self._not_between(key, None, item) if only_between else self._emit(key, item)
        record = self._record_of(parent)
        if record is not None:
            return self._emit(key, item.under(record))
        if parent == key or not self._is_worth_waiting_for(parent):
            return self._orphan(key, parent, item, only_between)
        grace = STEP_GRACE if parent in self._open else self.parent_timeout  # at least
        return self._park(Parked(key, parent, item, since, since + grace, only_between))

    def _not_between(self, key: SpanKey, parent: SpanKey | None, item: Item) -> list[Item]:
        """Nothing is sent that such a span would hang on: it is left out after all."""
        self.counts.filtered += 1
        if self.notes_parked:
            self._no_longer_parked.append(item.key)
        return self._pass_over(key, parent)

    def _record_of(self, key: SpanKey) -> SpanRef | None:
        entry = self._open.get(key)
        return entry.ref if entry is not None else self._records.get(key)

    def _is_worth_waiting_for(self, parent: SpanKey) -> bool:
        # With starts known, a parent that never started here will never end here.
        return parent in self._open or parent in self._parked or not self.starts_known

    def _park(self, parked: Parked) -> list[Item]:
        self._parked[parked.key] = parked
        self._free_at = min(self._free_at, parked.deadline)
        self._note_parked(parked)
        if parked.parent is not None:
            self._waiting_for.setdefault(parked.parent, []).append(parked.key)
        self.budget.parked.hold(parked, parked.size, self.run)
        return []

    def _unpark(self, key: SpanKey) -> Parked:
        parked = self._parked[key]
        # In this order: what is held is parked, also if the thread is struck in between.
        self.budget.parked.release(parked, parked.size)
        if parked.parent is not None:
            siblings = self._waiting_for.get(parked.parent, [])
            if key in siblings:
                siblings.remove(key)
            if not siblings:
                self._waiting_for.pop(parked.parent, None)
        del self._parked[key]
        return parked

    def _emit(self, key: SpanKey, item: Item) -> list[Item]:
        """The item, then everything that waited for it, parents first."""
        items: list[Item] = []
        ready = deque([(key, item)])
        while ready:
            key, item = ready.popleft()
            assert item.span is not None
            remember(self._records, key, item.span)
            items.append(item)
            ready.extend(self._released_by(key, item.span))
        return items

    def _released_by(self, parent: SpanKey, ref: SpanRef) -> list[tuple[SpanKey, Item]]:
        children = self._waiting_for.get(parent)
        if children is None:
            return []
        released = [self._parked[child] for child in children if child in self._parked]
        for parked in released:
            self.budget.parked.release(parked, parked.size)
            del self._parked[parked.key]
        del self._waiting_for[parent]
        return [(parked.key, parked.item.under(ref)) for parked in released]

    def _orphan(
        self, key: SpanKey, parent: SpanKey, item: Item, only_between: bool = False
    ) -> list[Item]:
        if only_between:
            return self._not_between(key, parent, item)
        self.counts.orphaned += 1
        return self._emit(key, with_otel_parent(item, parent.span_hex))

    def _show(self, key: SpanKey) -> list[Item]:
        """Create an open root or agent span, so that a run is visible while it runs; but no call
        of a model or tool, which is to be seen whole, and no root that only its end will name."""
        entry = self._open.get(key)
        if entry is None or entry.created is not None or key in self._left_out:
            return []
        view = view_of(entry.span)
        if view.end_ns is not None:  # it has ended and is on its way here
            return []
        if self._verdict(view) is not Decision.KEEP:
            return []
        return self._create_early(key) if _is_worth_showing(view) else []

    def _top_of(self, key: SpanKey) -> SpanKey:
        """The first ancestor of a parked span that is not parked itself."""
        seen: set[SpanKey] = set()
        while key in self._parked and key not in seen:
            seen.add(key)
            key = self._parked[key].parent or key
        return key

    def _free(self, key: SpanKey) -> list[Item]:
        """Send a parked span now: after its open ancestors, or without a parent."""
        top = self._top_of(key)
        if top in self._open:
            return self._create_early(top)
        if self._hesitates(top):
            return self._emit(top, self._unpark(top).item)
        # Nothing above will come: the topmost parked span goes without a parent.
        while (above := self._parked[key].parent) in self._parked and above not in (top, None):
            key = above
        parked = self._unpark(key)
        return self._emit_under(key, parked.parent, parked.item, parked.only_between)

    def _create_early(self, key: SpanKey) -> list[Item]:
        """Create an open span, after the ancestors that have no record yet."""
        missing: list[SpanKey] = []
        above: SpanKey | None = key
        while above is not None and self._record_of(above) is None and above not in missing:
            missing.append(above)
            above = self._parent_of(above)
        if self.span_filter is not None:
            for above in missing[1:]:
                remember(self._above_kept, above, None)
        items: list[Item] = []
        for ancestor in reversed(missing):
            if self._record_of(ancestor) is None:
                items += self._create_or_release(ancestor)
        return items

    def _parent_of(self, key: SpanKey) -> SpanKey | None:
        if key in self._open:
            return self._nearest(self._open[key].parent)
        parked = self._parked.get(key)
        return parked.parent if parked is not None else None

    def _create_or_release(self, key: SpanKey) -> list[Item]:
        entry = self._open.get(key)
        if entry is None:
            if key not in self._parked:
                return []
            parked = self._unpark(key)
            return self._emit_under(key, parked.parent, parked.item, parked.only_between)
        view = view_of(entry.span)
        parent, verdict = self._nearest(entry.parent), self._verdict(view)
        is_above_all = parent is None and verdict is Decision.KEEP_BETWEEN
        if verdict is Decision.LEAVE_OUT or is_above_all:
            return self._pass_over(key, parent)
        entry.created = self._mapped(replace(view, end_ns=None, status="unset"))
        entry.ref = span_ref(self.run, key, view.start_ns)
        item = create_item(
            self.run, key, entry.ref, entry.created, self.max_item_bytes, ends_span=False
        )
        entry.size, self._shown[key] = item.footprint, entry
        self.budget.shown.hold(entry, entry.size, self.run)
        return self._emit_under(key, parent, item)

    def _emit_under(
        self, key: SpanKey, parent: SpanKey | None, item: Item, only_between: bool = False
    ) -> list[Item]:
        if parent is None:
            return self._emit(key, item)
        record = self._record_of(parent)
        if record is None:
            return self._orphan(key, parent, item, only_between)
        return self._emit(key, item.under(record))


def _is_worth_showing(view: SpanView) -> bool:
    if speaks_late(view.attributes, view.scope_name):
        return view.is_local_root and expected_type(view.name) is SpanType.AGENT
    kind = span_type(view.attributes)
    return kind is SpanType.AGENT or (view.is_local_root and kind not in CALLS)


def _grace(parent: ReadableSpan) -> float:
    """How long finished children wait for an open parent."""
    attributes = parent.attributes or {}
    is_silent = speaks_late(attributes, _scope_of(parent))
    return CALL_GRACE if is_silent or span_type(attributes) in CALLS else STEP_GRACE


def _scope_of(span: ReadableSpan) -> str:
    scope = span.instrumentation_scope
    return (scope.name or "") if scope is not None else ""


def _agent_in(attributes: Attributes, name: str) -> str | None:
    """The agent that a span of this name is, or is wrapped around."""
    is_agent = span_type(attributes) is SpanType.AGENT
    return agent_name(attributes, name) if is_agent else None
