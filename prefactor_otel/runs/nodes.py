"""The nodes of one run, by trace and span, and when they are forgotten.

What is kept of a span that has ended is what a later one can ask: a child that comes late for its
parent, the same span for itself, another that tells of the same call for that.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prefactor_otel.delivery.budget import Count
from prefactor_otel.delivery.operation import SpanRef, milliseconds_of
from prefactor_otel.delivery.rows import ParkedRow
from prefactor_otel.runs.calls import Answers
from prefactor_otel.runs.node import MANY, Node
from prefactor_otel.spans.view import SpanKey, SpanView, key_of

MAX_TWINS: Final = 99


class Nodes:
    """The spans of a run. ``remembered`` counts, over all runs, those that have ended. Of whom
    ``serves_others``, a span hangs on its parent though that is in another process."""

    def __init__(self, remembered: Count, *, serves_others: bool = False) -> None:
        self._serves_others = serves_others
        self._traces: OrderedDict[int, dict[int, Node]] = OrderedDict()
        self._remembered = remembered
        self.answers = Answers()

    def find(self, key: SpanKey) -> Node | None:
        """What is known of a span."""
        return self._traces.get(key.trace_id, _NO_TRACE).get(key.span_id)

    def at(self, key: SpanKey) -> Node:
        """What is known of a span, be it nothing but that somebody has named it."""
        trace = self._traces.get(key.trace_id)
        if trace is None:
            trace = self._traces[key.trace_id] = {}
        node = trace.get(key.span_id)
        if node is None:
            node = trace[key.span_id] = Node(key)
        return node

    def born(self, key: SpanKey, parent: SpanKey | None) -> Node:
        """A span has been seen, at its start or at its end."""
        node = self.at(key)
        if parent is not None and node.parent is None:
            self._hang(node, self.at(parent))
        return node

    def elsewhere(self, trace_id: int, ref: SpanRef) -> SpanKey:
        """The key under which spans of a trace hang on a span of another process, of which nothing
        is known but that this is its record."""
        key = SpanKey(trace_id, int.from_bytes(ref[-8:], "big"))
        self.at(key).ref = ref
        return key

    def ended(self, view: SpanView) -> Node | None:
        """A span has ended. Of another span with the same id (a broken id generator) it is another
        node; None for the same span again."""
        seen = self.at(view.key)
        node = seen if seen.start_ns is None else self._other(seen, view)
        if node is None:
            return None
        parent = view.parent
        if parent is None or (view.parent_is_remote and not self._serves_others):
            self._traces.move_to_end(view.key.trace_id)
        elif node.parent is None:
            self._hang(node, self.at(parent))
            node.has_caller = view.parent_is_remote and node.parent is not None
        node.start_ns, node.end_ns = view.start_ns, view.end_ns
        self._remembered.items += 1
        return node

    def inherited(self, row: ParkedRow) -> Node | None:
        """A span that has ended in a process that has died, and waited there; None for one that is
        known already."""
        node = self.at(key_of(row.key))
        if node.start_ns is not None or row.item.span is None:
            return None
        if row.parent is not None:
            self._hang(node, self.at(key_of(row.parent)))
            node.has_caller = node.parent is not None  # perhaps
        node.start_ns = milliseconds_of(row.item.span) * 1_000_000
        self._remembered.items += 1
        return node

    def _other(self, node: Node, view: SpanView) -> Node | None:
        """The node of a span that has the id of one that has ended, unless it is the same."""
        twins = 0
        while node.start_ns is not None:
            if _are_one(node.start_ns, node.end_ns, view) or twins == MAX_TWINS:
                return None
            twins += 1
            node = self.at(SpanKey(view.key.trace_id | twins << 128, view.key.span_id))
        return node

    def cut_off(self, node: Node, start_ns: int) -> None:
        """An open span is closed for good; whatever end it will have is no news."""
        node.start_ns = start_ns
        self._remembered.items += 1

    def take_back(self, node: Node) -> None:
        """It has not ended after all."""
        node.start_ns = node.end_ns = None
        self._remembered.items -= 1

    def _hang(self, node: Node, parent: Node) -> None:
        """Where ids name each other in a circle, the last hangs on none."""
        if parent is node or (node.child is not None and _lies_under(parent, node)):
            return
        node.parent = parent
        parent.child = node if parent.child is None else MANY

    def sent(self) -> dict[SpanKey, SpanRef]:
        """What the spans are called that have a record."""
        return {node.key: node.ref for node in self._all() if node.ref is not None}

    def recall(self, spans: Mapping[SpanKey, SpanRef]) -> None:
        """These have a record, and nothing else is known of them."""
        for key, ref in spans.items():
            self.at(key).ref = ref

    def open(self) -> list[Node]:
        """The spans that have started and not ended."""
        return [node for node in self._all() if node.source is not None]

    def open_beside(self, key: SpanKey) -> list[Node]:
        """Those of the same trace."""
        trace = self._traces.get(key.trace_id, _NO_TRACE)
        return [node for node in trace.values() if node.source is not None]

    def _all(self) -> Iterator[Node]:
        for trace in self._traces.values():
            yield from trace.values()

    def let_go(self, node: Node) -> None:
        """A span is not followed any longer: it is forgotten unless it has ended, or others hang
        on it; and so is what is known only because it has named it."""
        above: Node | None = node
        while above is not None and not (above.has_ended or above.child or above.is_at_work):
            node, above = above, above.parent
            trace_id, span_id = node.key
            trace = self._traces.get(trace_id, {})
            if trace.get(span_id) is node:
                del trace[span_id]
            if not trace:
                self._traces.pop(trace_id, None)
            if above is not None and above.child is node:
                above.child = None

    def forget(self) -> None:
        """Make room: whole traces in which nothing is open or waits any more, the oldest first;
        then the oldest of the spans that have ended in the others."""
        for trace_id, trace in list(self._traces.items()):
            if not self._remembered.is_near:
                return
            if any(node.is_at_work for node in trace.values()):
                self._traces.move_to_end(trace_id)  # so that it is not in the way the next time
            else:
                del self._traces[trace_id]
                self._forget(trace.values())
        for trace in self._traces.values():
            for node in [node for node in trace.values() if not node.is_at_work]:
                if not self._remembered.is_near:
                    return
                del trace[node.key.span_id]
                self._forget((node,))

    def _forget(self, nodes: Iterable[Node]) -> None:
        """What names each other is taken apart: else only the garbage collector would find it. What
        still hangs on one that is left out has to find what that hung on."""
        for node in nodes:
            if node.has_ended and node.parked is None:
                self._remembered.items -= 1
            self.answers.forget(node)
            node.child = node.waiting = None
            if not node.is_left_out:
                node.parent = None
            node.below = ()

    def leave(self) -> None:
        """Nothing more comes of the run."""
        for trace in self._traces.values():
            self._forget(trace.values())
        self._traces.clear()


def _are_one(start_ns: int, end_ns: int | None, view: SpanView) -> bool:
    """Whether a span of these times is this one. Where its end is not known, its start may be so
    to the millisecond only."""
    if end_ns is None:
        return start_ns // 1_000_000 == view.start_ns // 1_000_000
    return start_ns == view.start_ns and end_ns == view.end_ns


_NO_TRACE: Final[Mapping[int, Node]] = {}


def _lies_under(node: Node, above: Node) -> bool:
    parent = node.parent
    while parent is not None and parent is not above:
        parent = parent.parent
    return parent is above
