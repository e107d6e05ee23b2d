"""The spans of one run, from their starts and ends to items in the order that the API needs.

A state machine without clock, thread or network: every method takes the time (seconds of a
monotonic clock) and returns the items that are due. Children end before their parents, so a
finished child waits, or its open ancestors are created early with status ``active``. A span that
is not to be sent is passed over: its children hang on what it hangs on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.rows import ParkedRow
from prefactor_otel.mapping import AgentSpan, Capture, SpanType
from prefactor_otel.mapping.errors import status_of
from prefactor_otel.runs.calls import call_of, hesitates, pass_up
from prefactor_otel.runs.counts import Counts
from prefactor_otel.runs.early import grace
from prefactor_otel.runs.encoding import create_item, finish_item
from prefactor_otel.runs.filtering import judged, note_above
from prefactor_otel.runs.node import Call, Node, Parked
from prefactor_otel.runs.nodes import Nodes
from prefactor_otel.runs.parking import CALLER_GRACE, STEP_GRACE, Parking
from prefactor_otel.runs.records import WithRecords
from prefactor_otel.runs.showing import Showing
from prefactor_otel.runs.telling import Telling
from prefactor_otel.span_types.declared import DEFAULT, SpanTypes
from prefactor_otel.span_types.span_filter import CompiledFilter, Decision
from prefactor_otel.spans.source import Source
from prefactor_otel.spans.view import Event, SpanKey, SpanView


@dataclass(slots=True, eq=False)
class Met:
    """A span that has ended, on its way through the steps from there to what is sent."""

    tree: "SpanTree"
    node: Node
    view: SpanView
    verdict: Decision
    span: AgentSpan | None
    """None if it is not to be sent."""
    call: Call | None = None
    told: Sequence[Node] = ()
    """The counted calls that have told before what it tells again."""

    @property
    def looks_back(self) -> bool:
        """Whether what becomes of it hangs on what has become of those that ended before."""
        return self.span is None or bool(self.told)


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
    continues: str | None = None
    """The agent instance of another process that is said to go on in this run."""
    gone: Mapping[SpanKey, SpanRef] = field(default_factory=dict)
    """Spans that went with a run of the same that was closed, and what they are called there."""
    reopens: bool = False
    """Whether that is this run, to the platform; else what hangs on them goes without."""
    serves_others: bool = False
    """Whether spans of several processes come: what one of another is the parent of hangs on it."""
    budget: Budget = field(default_factory=Budget)
    counts: Counts = field(default_factory=Counts)
    open: int = 0
    """Spans that have started and not ended."""
    parking: Parking = field(init=False)
    """The finished spans that wait."""
    _nodes: Nodes = field(init=False)
    _telling: Telling = field(init=False)
    _showing: Showing = field(init=False)

    def __post_init__(self) -> None:
        counts, budget = self.counts, self.budget
        self._nodes = Nodes(budget.remembered, serves_others=self.serves_others)
        self.parking = Parking(
            *(self.run, budget, counts, self.parent_timeout),
            notes=self.notes_parked,
            gone=() if self.reopens else self.gone,
        )
        if self.reopens:
            self._nodes.recall(self.gone)
        self._telling = Telling(
            *(self.capture, self.types, self.continues),
            *(self._nodes, self.parking, counts),
        )
        self._showing = Showing(
            *(self.run, self.max_item_bytes, budget, self.span_filter),
            *(self.parking, self._telling),
        )

    @property
    def next_due(self) -> float:
        """When time will have made something due, or earlier; ``math.inf`` if it never will."""
        return min(self._showing.next_due, self.parking.free_at)

    def open_keys(self) -> list[SpanKey]:
        """The spans that have started and not ended."""
        return [node.key for node in self._nodes.open()]

    def has_ended(self, key: SpanKey) -> bool:
        """Whether this span has been taken as ended, be it by its end or by ``close``."""
        node = self._nodes.find(key)
        return node is not None and node.has_ended

    def ref_of(self, key: SpanKey) -> SpanRef | None:
        """What a span is called that has a record."""
        node = self._nodes.find(key)
        return node.ref if node is not None else None

    def sent(self) -> dict[SpanKey, SpanRef]:
        """What the spans are called that have a record, as far as they are remembered."""
        return self._nodes.sent()

    def take_back(self, key: SpanKey) -> bool:
        """The thread was struck amid the end of this span, and what came of it is lost: it is as if
        it had not come, unless it is parked. Whether it is open then."""
        node = self._nodes.find(key)
        if node is None:
            return False
        if node.has_ended and node.parked is None:
            self._nodes.take_back(node)
        return node.source is not None and not node.has_ended

    # -- starts and ends ------------------------------------------------------------------------

    def start(self, source: Source, now: float, caller: SpanRef | None = None) -> None:
        """A span has started; ``caller`` is that of another process under which it does, if any."""
        self.parking.knows_starts = True
        parent = source.parent
        if caller is not None:
            parent = self._nodes.elsewhere(source.key.trace_id, caller)
        node = self._nodes.born(source.key, parent)
        if node.source is not None or node.start_ns is not None:
            return
        node.source = source
        self.open += 1
        self.budget.open.items += 1
        if self.span_filter is not None and self.span_filter.leaves_out(source.scope_name):
            node.is_left_out = True
        self._showing.started(node, now)

    def hear(self, key: SpanKey, records: list[Event]) -> None:
        """Log records tell of a span, too; while it is open, this list goes with it."""
        node = self._nodes.find(key)
        if node is not None and node.source is not None:
            source = node.source
            known = source.source if isinstance(source, WithRecords) else source
            node.source = WithRecords(known, records)

    def show(self, key: SpanKey) -> list[Item]:
        """Create an open span now, whatever the filter says: others are told of it."""
        node = self._nodes.find(key)
        if node is None or node.source is None or node.ref is not None:
            return []
        node.is_left_out = False
        return self._showing.create(node, asked_for=True)

    def show_early(self, key: SpanKey) -> list[Item]:
        """Create an open span now, not when the time has come."""
        node = self._nodes.find(key)
        return self._showing.show(node) if node is not None else []

    def end(self, view: SpanView, now: float) -> list[Item]:
        """A span has ended. Empty when it has to wait, or when it has ended before."""
        met = self.meet(view)
        if met is None:
            return []
        self.count(met)
        return self.place(met, self.item_of(met), now)

    def meet(self, view: SpanView) -> Met | None:
        """The first step of a span that has ended: what it tells by itself. None when it has ended
        before."""
        node = self._nodes.ended(view)
        if node is None:
            self.counts.duplicates += 1
            return None
        verdict = judged(self.span_filter, node, view)
        if verdict is Decision.LEAVE_OUT:
            return Met(self, node, view, verdict, None)
        span = self._telling.so_far(node, view)
        call = call_of(view, span)
        told = self._telling.told_before(node, call) if call is not None else ()
        return Met(self, node, view, verdict, span, call, told)

    def count(self, met: Met) -> None:
        """The second: what others are to know of it. In the order in which spans have ended; if it
        ``looks_back``, those before it have been placed."""
        node, view, span = met.node, met.view, met.span
        if span is None:
            self.counts.filtered += 1
            pass_up(node, SpanType.SPAN)
            status = status_of(view) if self.is_root(view) else None
        else:
            met.span = span = self._telling.counted(node, view, span, met.call, met.told)
            is_late = view.parent in self.gone and not self.reopens
            is_top = (node.parent is None and view.is_local_root) or is_late
            status = span.status if is_top else None
        if status is not None:
            self.counts.root(status)

    def item_of(self, met: Met) -> Item | None:
        """The third: its final item. A finish when it was created early, else its creation; None
        where it is not to be sent. Changes nothing."""
        node, view, span = met.node, met.view, met.span
        if span is None:
            return None
        created = self._showing.created(node)
        if created is not None and node.ref is not None:
            own = self.run, view.key, node.ref
            return finish_item(*own, span, created, self.max_item_bytes)
        return create_item(self.run, node.key, view.start_ns, span, self.max_item_bytes)

    def place(self, met: Met, item: Item | None, now: float) -> list[Item]:
        """The last: what can be sent now. In the order in which spans have ended: to those before
        it, it is still to come."""
        node, span = met.node, met.span
        if node.source is not None:
            self._no_longer_open(node)
        if item is None or span is None:
            return self.parking.pass_over(node)
        if item.operation is Operation.FINISH_SPAN:
            return [item]
        only_between = met.verdict is Decision.KEEP_BETWEEN
        node.is_left_out = False
        if node.parent is None:
            above = met.view.local_parent
            if above is not None:  # a circle
                return self.parking.orphan(node, item, above)
            if not only_between and hesitates(span):
                self.parking.park(node, Parked(item, None, now, now + STEP_GRACE))
                return []
        return self.parking.place(node, item, now, only_between=only_between)

    def is_root(self, view: SpanView) -> bool:
        """Whether nothing is to come that this span hangs on."""
        if view.parent in self.gone:
            return True
        return view.parent is None if self.serves_others else view.is_local_root

    def _no_longer_open(self, node: Node) -> None:
        self._showing.taken(node)
        node.source = None
        self.open -= 1
        self.budget.open.items -= 1

    def creation_dropped(self, ref: SpanRef) -> None:
        """The creation of a span was given up before it was sent: if the span is still open, it
        gets another."""
        self._showing.creation_dropped(ref)

    def drop(self, key: SpanKey, now: float) -> list[Item]:
        """A span has ended and was dropped before it came here. If it has a record already,
        that is finished all the same."""
        node = self._nodes.find(key)
        if node is None or node.source is None:
            return []
        view = node.source.read()
        if node.ref is not None:
            return [item._replace(ends_span=False) for item in self.end(view, now)]
        if view.is_local_root:
            self.counts.root(status_of(view))
        self._nodes.cut_off(node, view.start_ns)
        self._no_longer_open(node)
        return []

    def is_open_root(self, key: SpanKey) -> bool:
        """Whether this is a root that has started and was not seen to end."""
        node = self._nodes.find(key)
        source = node.source if node is not None else None
        return source is not None and source.read().is_local_root

    def hand_on(self, key: SpanKey) -> bool:
        """Let another run tell of an open span that has no record in this one. Whether it may."""
        node = self._nodes.find(key)
        if node is None or node.source is None or node.ref is not None:
            return False
        self._no_longer_open(node)
        self._nodes.let_go(node)
        return True

    def inherit(self, rows: Iterable[ParkedRow], now: float) -> None:
        """These spans of the run have waited in a process that has died; nothing else is known of
        it. Each waits on for its parent, as long as for one of another process."""
        for row in rows:
            node = self._nodes.inherited(row)
            if node is not None:
                grace = min(self.parent_timeout, CALLER_GRACE) if node.parent else STEP_GRACE
                item = row.item._replace(run=self.run)
                self.parking.park(node, Parked(item, node.parent, now, now + grace))

    # -- what time makes due, and what is asked for ----------------------------------------------

    def due(self, now: float) -> list[Item]:
        """The items whose waiting is over: roots and agents to show, children past their time."""
        items = self._showing.due(now)
        return items + self._free_late(now) if self.parking.free_at <= now else items

    def _free_late(self, now: float) -> list[Item]:
        """Send what has waited for its parent long enough."""
        items: list[Item] = []
        for node in self.parking.nodes():
            # Else one before it has taken it along, or what its parent is lets it wait longer.
            if node.parked is not None and self._is_due(node, node.parked, now):
                items += self._free(node)
        self.parking.look_again()
        return items

    def _is_due(self, node: Node, parked: Parked, now: float) -> bool:
        above = parked.above
        if above is not None and above.source is not None:
            parked.deadline = max(parked.deadline, parked.since + grace(above.source))
        elif above is not None and above.parked is not None and node.is_called:
            # Who has called has come, and waits as usual.
            parked.deadline = max(parked.deadline, parked.since + self.parent_timeout)
        return parked.deadline <= now

    def flush(self) -> list[Item]:
        """Everything that can go without tearing the tree: finished children go after their
        open ancestors, created early. A child whose parent has not been seen stays."""
        items: list[Item] = []
        for node in self.parking.nodes():
            if node.parked is not None:
                _, above = node.top_parked()
                if above is None or above.source is not None:
                    items += self._free(node)
        return items

    def give_up_parked(self) -> list[Item]:
        """The finished span that has waited longest for its parent goes now."""
        return self._free(self.parking.oldest)

    def _free(self, node: Node) -> list[Item]:
        """Send a parked span now: after its open ancestors, or, where nothing above will come, the
        topmost that waits without a parent."""
        top, above = node.top_parked()
        if above is not None and above.source is not None:
            return self._showing.create(above)
        return self.parking.free(top)

    # -- ends that come from here ----------------------------------------------------------------

    def give_up_open(self, now_ns: int) -> Iterator[tuple[SpanKey, list[Item]]]:
        """The spans that have been open longest are not followed any longer, as many as are asked
        for: one that has a record is closed as cancelled, any other is left to its end. One that
        has ended is on its way here, and stays."""
        for node in sorted(self._nodes.open(), key=_started):
            if node.source is None:
                continue  # it went with another
            if node.ref is None:
                self._no_longer_open(node)
                self._nodes.let_go(node)
                yield node.key, []
            elif not node.source.has_ended:
                items = self._cancel(node, node.source.read(), now_ns)
                yield node.key, [item._replace(ends_span=False) for item in items]

    def close(self, now_ns: int) -> list[Item]:
        """End everything: open spans are finished as ``cancelled``, children without a parent
        go without one. A span that ended but never came (a full queue before us) is rescued."""
        items: list[Item] = []
        nodes = self._nodes.open()
        if self.span_filter is not None:
            for node in nodes:
                note_above(self.span_filter, node)
        for node in nodes:
            if node.source is not None:
                items += self._close_one(node, node.source.read(), now_ns)
        for node in self.parking.nodes():
            while node.parked is not None:
                items += self._free(node)
        return items

    def _close_one(self, node: Node, view: SpanView, now_ns: int) -> list[Item]:
        if view.end_ns is not None:
            self.counts.rescued += 1
            return self.end(view, 0.0)
        self.counts.cancelled += 1
        return self._cancel(node, view, now_ns)

    def _cancel(self, node: Node, view: SpanView, now_ns: int) -> list[Item]:
        """Close an open span, whatever end it will have."""
        if view.is_local_root:
            self.counts.root("cancelled")
        verdict = judged(self.span_filter, node, view)
        self._nodes.cut_off(node, view.start_ns)
        if verdict is Decision.LEAVE_OUT:
            self.counts.filtered += 1
            self._no_longer_open(node)
            return self.parking.pass_over(node)
        ended = self._telling.so_far(node, replace(view, end_ns=now_ns, status="unset"))
        cancelled = ended._replace(
            status="cancelled", payload=ended.payload | {"status": "cancelled"}
        )
        met = Met(self, node, view, verdict, cancelled)
        return self.place(met, self.item_of(met), 0.0)

    # -- what is forgotten ------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget spans that have ended, the oldest first, until there is room for others."""
        self._nodes.forget()

    def leave(self) -> None:
        """Nothing more comes of a tree that was closed: it takes nothing any more."""
        self._nodes.leave()


def _started(node: Node) -> int:
    return node.source.start_ns if node.source is not None else 0
