"""What one span cannot know of itself: whether it has come before, and what lies under it.

Children end before their parents, so most of it is known when a span ends. Whoever owns it has the
oldest forgotten.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

from prefactor_otel.spans.view import SpanKey, SpanView

K = TypeVar("K")
V = TypeVar("V")

MAX_REMEMBERED: Final = 20_000
MAX_TWINS: Final = 99
MAX_HEIGHT: Final = 64
"""Ancestors that are looked at, at most: ids that name each other in a circle end here."""


class Ended(NamedTuple):
    """What is kept of a span that has ended; ``end_ns`` is None if it was cut off."""

    start_ns: int
    end_ns: int | None
    parent: SpanKey | None


class Lineage:
    """Which spans of a run have ended, and who is whose child."""

    def __init__(self) -> None:
        self._ended: OrderedDict[SpanKey, Ended] = OrderedDict()
        self._twins: OrderedDict[SpanKey, list[Ended]] = OrderedDict()
        self._only_child: OrderedDict[SpanKey, SpanKey | None] = OrderedDict()
        self._agents: OrderedDict[SpanKey, str] = OrderedDict()
        self._above_agents: OrderedDict[SpanKey, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ended)

    def has_ended(self, key: SpanKey) -> bool:
        """Whether this span has ended, or was cut off."""
        return key in self._ended

    def born(self, key: SpanKey, parent: SpanKey | None) -> None:
        """A span has been seen, at its start or at its end."""
        if parent is None:
            return
        known = self._only_child.get(parent, key)
        if known is None or parent not in self._only_child or known != key:
            remember(self._only_child, parent, key if known == key else None)

    def end(self, view: SpanView) -> SpanKey | None:
        """The key under which an ended span is to be kept: its own; for another span of the
        same id (a broken id generator) one that no span has; None for the same span again."""
        ended = Ended(view.start_ns, view.end_ns, view.local_parent)
        first = self._ended.get(view.key)
        if first is None:
            self._ended[view.key] = ended
            return view.key
        twins = self._twins.get(view.key, [])
        if any(_same(one, ended) for one in (first, *twins)) or len(twins) == MAX_TWINS:
            return None
        remember(self._twins, view.key, [*twins, ended])
        return _twin_key(view.key, len(twins))

    def cut_off(self, view: SpanView) -> None:
        """An open span is closed for good; whatever end it will have is no news."""
        self._ended[view.key] = Ended(view.start_ns, None, view.local_parent)

    def pop_oldest(self) -> tuple[list[SpanKey], SpanKey | None]:
        """Forget the span that ended first: the keys of it and its twins, and its parent."""
        key, ended = self._ended.popitem(last=False)
        twins = range(len(self._twins.pop(key, ())))
        return [key, *(_twin_key(key, number) for number in twins)], ended.parent

    def forget(self, key: SpanKey) -> None:
        """Forget what lies under a span."""
        self._only_child.pop(key, None)
        self._agents.pop(key, None)
        self._above_agents.pop(key, None)

    def is_agent(self, key: SpanKey, name: str) -> None:
        """An ended span turned out to be an agent of this name."""
        remember(self._agents, key, name)

    def climbed(self, view: SpanView) -> None:
        """An ended span is, or is above, an agent: then so is its parent above one."""
        parent = view.local_parent
        if parent is not None and (view.key in self._agents or view.key in self._above_agents):
            remember(self._above_agents, parent, None)

    def is_above_agents(self, key: SpanKey) -> bool:
        """Whether an agent has ended somewhere under this span."""
        return key in self._above_agents

    def only_child(self, key: SpanKey) -> SpanKey | None:
        """The one child of a span; None without a child, and with more of them."""
        return self._only_child.get(key)

    def agent(self, key: SpanKey) -> str | None:
        """The name of an ended span that is an agent."""
        return self._agents.get(key)

    def ancestors(self, view: SpanView) -> Iterator[SpanKey]:
        """The parent, its parent and so on, as far as they have ended."""
        above = view.local_parent
        for _ in range(MAX_HEIGHT):
            if above is None:
                return
            yield above
            ended = self._ended.get(above)
            above = ended.parent if ended is not None else None


def _twin_key(key: SpanKey, number: int) -> SpanKey:
    return SpanKey(key.trace_id | (number + 1) << 128, key.span_id)


def _same(one: Ended, other: Ended) -> bool:
    return one.start_ns == other.start_ns and one.end_ns in (None, other.end_ns)


def remember(memory: OrderedDict[K, V], key: K, value: V, limit: int = MAX_REMEMBERED) -> None:
    """Keep a value, and forget the oldest past the limit."""
    memory[key] = value
    if len(memory) > limit:
        memory.popitem(last=False)
