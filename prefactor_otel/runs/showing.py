"""Open spans that get a record before they end: a run is to be visible while it runs, and what has
ended goes after what it hangs on."""

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, SpanRef
from prefactor_otel.mapping import AgentSpan
from prefactor_otel.runs.early import VISIBLE_AFTER, is_worth_showing
from prefactor_otel.runs.encoding import create_item
from prefactor_otel.runs.filtering import judged
from prefactor_otel.runs.node import KEPT, Node
from prefactor_otel.runs.parking import Parking
from prefactor_otel.runs.telling import Telling
from prefactor_otel.span_types.span_filter import CompiledFilter, Decision

_FORGOTTEN: Final[dict[str, object]] = {"inputs": {}, "metadata": {}, "token_usage": None}
"""What is known of a payload of which nothing is known any more."""


@dataclass(slots=True, eq=False)
class Shown:
    """An open span that has a record, and what that was created with."""

    node: Node
    span: AgentSpan

    def forget_content(self) -> None:
        """Its end will tell all of it again."""
        self.span = self.span._replace(payload=_FORGOTTEN)


class Showing:
    """The open spans of a run that have a record, or get one soon."""

    def __init__(
        self,
        run: str,
        max_item_bytes: int,
        budget: Budget,
        span_filter: CompiledFilter | None,
        parking: Parking,
        telling: Telling,
    ) -> None:
        self._run = run
        self._max_item_bytes = max_item_bytes
        self._budget = budget
        self._span_filter = span_filter
        self._parking = parking
        self._telling = telling
        self._to_show: deque[tuple[float, Node]] = deque()
        self._shown: dict[SpanRef, Shown] = {}

    @property
    def next_due(self) -> float:
        """When the next span is to be looked at; ``math.inf`` if there is none."""
        to_show = self._to_show
        while to_show and to_show[0][1].source is None:
            to_show.popleft()
        return to_show[0][0] if to_show else math.inf

    def started(self, node: Node, now: float) -> None:
        """A span has started: look at it when others have had time to say what it is."""
        self._to_show.append((now + VISIBLE_AFTER, node))

    def due(self, now: float) -> list[Item]:
        """The creations of roots and agents that are to be seen now."""
        items: list[Item] = []
        while self._to_show and self._to_show[0][0] <= now:
            items += self.show(self._to_show.popleft()[1])
        return items

    def show(self, node: Node) -> list[Item]:
        """The creation of an open span, if it is worth showing before its end."""
        if node.source is None or node.ref is not None or node.is_left_out:
            return []
        view = node.source.read()
        if view.end_ns is not None:  # it has ended and is on its way here
            return []
        if judged(self._span_filter, node, view) is not Decision.KEEP:
            return []
        return self.create(node) if is_worth_showing(view) else []

    def create(self, node: Node, *, asked_for: bool = False) -> list[Item]:
        """Create an open span, after what it hangs on that has no record yet; where it is asked
        for, whatever the filter says."""
        missing: list[Node] = []
        above: Node | None = node
        while above is not None and above.ref is None and above.is_at_work:
            missing.append(above)
            above = above.above
        items: list[Item] = []
        for each in missing[1:]:
            each.under |= KEPT
        for each in reversed(missing):
            if each.ref is None and each.source is not None:
                items += self._create(each, asked_for=asked_for and each is node)
            elif each.parked is not None:
                items += self._parking.free(each)
        return items

    def _create(self, node: Node, *, asked_for: bool) -> list[Item]:
        assert node.source is not None
        view = node.source.read()
        verdict = Decision.KEEP if asked_for else judged(self._span_filter, node, view)
        is_alone = verdict is Decision.KEEP_BETWEEN and node.above is None
        if verdict is Decision.LEAVE_OUT or is_alone:
            return self._parking.pass_over(node)
        span = self._telling.so_far(node, replace(view, end_ns=None, status="unset"))
        item = create_item(
            self._run, node.key, view.start_ns, span, self._max_item_bytes, ends_span=False
        )
        items = self._parking.send(node, item)
        if node.ref is not None:
            shown = self._shown[node.ref] = Shown(node, span)
            self._budget.shown.hold(shown, item.footprint, self._run)
        return items

    def created(self, node: Node) -> AgentSpan | None:
        """With what an open span was created, if it was."""
        shown = self._shown.get(node.ref) if node.ref is not None else None
        return shown.span if shown is not None else None

    def taken(self, node: Node) -> None:
        """A span is not open any longer."""
        shown = self._shown.pop(node.ref, None) if node.ref is not None else None
        if shown is not None:
            self._budget.shown.release(shown)

    def creation_dropped(self, ref: SpanRef) -> None:
        """The creation of a span was given up before it was sent. If the span is still open it has
        no record again: its end, or what waits for it, makes another."""
        shown = self._shown.pop(ref, None)
        if shown is not None:
            self._budget.shown.release(shown)
            shown.node.ref = None


def forget_content(budget: Budget) -> None:
    """What an open span was created with is forgotten, of the one that was created first."""
    shown = budget.shown.oldest
    assert isinstance(shown, Shown)
    shown.forget_content()
    budget.shown.release(shown)
