"""Parents before children: what can go goes with all that has waited for it, the rest waits."""

import math
from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from prefactor_otel.delivery.budget import PARKED_BYTES, Budget
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.rows import ParkedRow
from prefactor_otel.runs.counts import Counts
from prefactor_otel.runs.encoding import status_in, with_otel_parent
from prefactor_otel.runs.node import Node, Parked
from prefactor_otel.spans.view import SpanKey

STEP_GRACE: Final = 1.0
"""Seconds that finished children wait for an open parent that is no LLM or tool span."""

CALLER_GRACE: Final = 30.0
"""Seconds, at most, that a finished span waits for one of another process, if that does not come:
who calls ends soon after whom he calls, and tells of it within seconds; or nobody tells of him
here, and a whole run would wait to be seen."""


class Parking:
    """The finished spans of a run that wait, for what they hang on or for their time."""

    def __init__(
        self,
        run: str,
        budget: Budget,
        counts: Counts,
        parent_timeout: float,
        *,
        notes: bool,
        gone: Collection[SpanKey] = (),
    ) -> None:
        self.knows_starts = False
        """Whether spans are seen when they start: then one that has not will not end either."""
        self._free_at = math.inf
        self._run = run
        self._budget = budget
        self._counts = counts
        self._parent_timeout = parent_timeout
        self._notes = notes
        self._elsewhere = gone
        """Spans that went with another run."""
        self._parked: OrderedDict[Node, Parked] = OrderedDict()
        self._begun: list[Node] = []
        """Those that have begun to wait, and do not count yet."""
        self._news: dict[Node, None] = {}
        self._gone: list[str] = []

    def __len__(self) -> int:
        self.settle()
        return len(self._parked)

    @property
    def free_at(self) -> float:
        """No parked span has to go before."""
        self.settle()
        return self._free_at

    @property
    def oldest(self) -> Node:
        """The one that has waited longest. There has to be one."""
        self.settle()
        return next(iter(self._parked))

    def nodes(self) -> list[Node]:
        """All of them, the oldest first."""
        self.settle()
        return list(self._parked)

    # -- what goes ------------------------------------------------------------------------------

    def place(
        self, node: Node, item: Item, since: float, *, only_between: bool = False
    ) -> list[Item]:
        """Send a finished span after what it hangs on, or park it until that has a record."""
        above = node.above
        if above is None or above.ref is not None or not self._is_to_come(above):
            return self.send(node, item, only_between=only_between)
        self.park(node, Parked(item, above, since, since + self._grace(node, above), only_between))
        return []

    def _grace(self, node: Node, above: Node) -> float:
        """Seconds, at least, that a finished span waits for what it hangs on."""
        if above.source is not None:
            return STEP_GRACE
        return min(self._parent_timeout, CALLER_GRACE) if node.is_called else self._parent_timeout

    def send(self, node: Node, item: Item, *, only_between: bool = False) -> list[Item]:
        """Send a span now, under what it hangs on if that has a record."""
        above = node.above
        if above is not None and above.ref is not None:
            return self._emit(node, item.under(above.ref))
        if only_between:  # nothing is sent that it would hang on
            self._leave_out(item)
            return self.pass_over(node)
        return self._emit(node, item) if above is None else self.orphan(node, item, above.key)

    def free(self, node: Node) -> list[Item]:
        """Send a parked span now, whatever has become of what it waited for."""
        parked = self._unpark(node)
        return self.send(node, parked.item, only_between=parked.only_between)

    def orphan(self, node: Node, item: Item, parent: SpanKey) -> list[Item]:
        """Send a span now whose parent has no record."""
        self._counts.orphaned += 1
        if node.is_called:
            self._counts.uncalled += 1
            self._counts.root(status_in(item))
        return self._emit(node, with_otel_parent(item, parent.span_hex))

    def pass_over(self, node: Node) -> list[Item]:
        """What waits for a span that gets no record goes after what that hangs on."""
        items: list[Item] = []
        passed = [node]
        for each in passed:  # which grows: what was to be sent only between others may go with it
            each.is_left_out = True
            for child in list(each.waiting or ()):
                if child.parked is None:  # one before it has taken it along
                    continue
                one = self._unpark(child)
                if one.only_between and self._is_alone(child):
                    self._leave_out(one.item)
                    passed.append(child)
                else:
                    items += self.place(child, one.item, one.since, only_between=one.only_between)
        return items

    def _leave_out(self, item: Item) -> None:
        self._counts.filtered += 1
        if self._notes:
            self._gone.append(item.key)

    def _is_alone(self, node: Node) -> bool:
        """Whether what it hangs on has no record, and will have none."""
        above = node.above
        return above is None or (above.ref is None and not self._is_to_come(above))

    def _is_to_come(self, above: Node) -> bool:
        if above.source is not None or above.parked is not None:
            return True
        return not self.knows_starts and above.key not in self._elsewhere

    def _emit(self, node: Node, item: Item) -> list[Item]:
        """The item, then everything that waited for it, parents first."""
        node.ref = item.span
        items = [item]
        if node.waiting is not None:
            ready = [node]
            for above in ready:  # which grows
                for child in above.waiting or ():
                    parked = self._take(child)
                    child.ref = parked.item.span
                    items.append(parked.item.under(above.ref))
                    if child.waiting is not None:
                        ready.append(child)
                above.waiting = None
        return items

    # -- what waits -----------------------------------------------------------------------------

    def park(self, node: Node, parked: Parked) -> None:
        """A finished span begins to wait: mostly for what is the next to come, so it is counted
        only if it waits still when that has been taken (``settle``)."""
        node.parked = parked
        above = parked.above
        if above is not None:
            if above.waiting is None:
                above.waiting = []
            above.waiting.append(node)
        self._begun.append(node)

    def settle(self) -> None:
        """Count those that have begun to wait and do so still."""
        for node in self._begun:
            parked = node.parked
            if parked is not None and node not in self._parked:
                self._parked[node] = parked
                self._free_at = min(self._free_at, parked.deadline)
                self._budget.remembered.items -= 1
                self._budget.parked.hold(node, len(parked.item.body) + PARKED_BYTES, self._run)
                if self._notes:
                    self._news[node] = None
        self._begun.clear()

    def change(self, node: Node, item: Item) -> None:
        """Something else is to be sent of a span that waits."""
        assert node.parked is not None
        node.parked.item = item
        self._budget.parked.resize(node, len(item.body) + PARKED_BYTES)
        if self._notes:
            self._news[node] = None

    def _unpark(self, node: Node) -> Parked:
        """A span does not wait any longer."""
        parked = self._take(node)
        above = parked.above
        if above is not None and above.waiting is not None:
            above.waiting.remove(node)
            above.waiting = above.waiting or None
        return parked

    def _take(self, node: Node) -> Parked:
        parked = node.parked
        assert parked is not None
        if node in self._parked:
            # In this order: what is held is parked, also if the thread is struck in between.
            self._budget.parked.release(node)
            self._budget.remembered.items += 1
            del self._parked[node]
        node.parked = None
        return parked

    def look_again(self) -> None:
        """Who has waited too long has gone: note who is the next."""
        deadlines = (parked.deadline for parked in self._parked.values())
        self._free_at = min(deadlines, default=math.inf)

    # -- the disk -------------------------------------------------------------------------------

    def news(self) -> list[ParkedRow]:
        """What has begun to wait since the last call, or changed meanwhile, and waits still."""
        self.settle()
        news, self._news = self._news, {}
        return [_row(node, node.parked) for node in news if node.parked is not None]

    def gone(self) -> list[str]:
        """The keys of items that waited and will not be sent, since the last call."""
        gone, self._gone = self._gone, []
        return gone


def _row(node: Node, parked: Parked) -> ParkedRow:
    parent = str(parked.above.key) if parked.above is not None else None
    return ParkedRow(str(node.key), parent, parked.item)
