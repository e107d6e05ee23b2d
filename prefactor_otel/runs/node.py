"""One span of one run, and everything that is known of it: from its start, or from the first child
that names it as its parent, until it is forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Optional

from prefactor_otel.delivery.operation import Item, SpanRef
from prefactor_otel.mapping import SpanType
from prefactor_otel.spans.source import Source
from prefactor_otel.spans.view import SpanKey

AGENTS: Final = 1
COUNTED: Final = 2
KEPT: Final = 4
"""What may lie somewhere under a span: an agent; something that has counted its tokens, be it under
a tool or an agent; something that is sent, whatever becomes of the span itself."""


class Call(NamedTuple):
    """What tells one counted call from another; the response's id is empty where unknown."""

    kind: SpanType
    scope_name: str
    response: str
    has_content: bool
    answers: tuple[str, ...]
    """All ids by which spans have told of it."""

    def known_as(self, answer: str) -> "Call":
        """The same, with one more of these."""
        known = self.answers
        return self if answer in known else self._replace(answers=(*known, answer))


@dataclass(slots=True, eq=False)
class Parked:
    """What is to be sent of a finished span that waits: for the record of what it hangs on, or,
    without such an ``above``, for its time alone; since when, and until when (monotonic seconds).

    ``only_between``: it is not sent unless something is sent that it hangs on.
    """

    item: Item
    above: Optional["Node"]
    since: float
    deadline: float
    only_between: bool = False


class Node:
    """A span. It is *open* while it has a ``source``, *parked* while it waits, and has a record at
    the API once it has a ``ref``; a span that only its children have named is none of these."""

    __slots__ = (
        *("key", "parent", "child", "start_ns", "end_ns"),
        *("source", "ref", "parked", "waiting", "is_left_out"),
        *("agent", "call", "below", "under", "has_own_calls", "has_caller"),
    )

    key: SpanKey
    parent: "Node | None"
    """Never itself below this span, whatever ids say."""
    child: "Node | None"
    """Its only child, or ``MANY``."""
    start_ns: int | None
    """When it started, as its end tells."""
    end_ns: int | None
    """When it ended; None also if it was cut off, whatever end it will have."""
    source: Source | None
    """The span while it is open."""
    ref: SpanRef | None
    parked: Parked | None
    waiting: "list[Node] | None"
    """Those that are parked until this one has a record."""
    is_left_out: bool
    """It gets no record: what lies under it hangs on what it hangs on."""
    agent: str | None
    """The name of a span that has ended and turned out to be an agent."""
    call: Call | None
    """What it counts."""
    below: "tuple[Node, ...]"
    """Model calls that have ended somewhere under it and count; two, if there are more."""
    under: int
    """What else has been seen somewhere under it, of the marks above."""
    has_own_calls: bool
    """Calls under it are others than those above it."""
    has_caller: bool
    """Its parent is a span of another process, which may be told of here as well."""

    def __init__(self, key: SpanKey) -> None:
        self.key = key
        self.parent = self.child = self.start_ns = self.end_ns = None
        self.source = self.ref = self.parked = self.waiting = None
        self.agent = self.call = None
        self.below = ()
        self.under = 0
        self.is_left_out = self.has_own_calls = self.has_caller = False

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, or was cut off."""
        return self.start_ns is not None

    @property
    def is_at_work(self) -> bool:
        """Whether something is still to come of it, or waits for it."""
        return self.source is not None or self.parked is not None or self.waiting is not None

    @property
    def above(self) -> "Node | None":
        """What it hangs on: its parent, or the nearest above that which is not left out."""
        above = self.parent
        while above is not None and above.is_left_out:
            above = above.parent
        return above

    @property
    def is_called(self) -> bool:
        """Whether what it hangs on is in another process than it is itself."""
        node = self
        while not node.has_caller and node.parent is not None and node.parent.is_left_out:
            node = node.parent
        return node.has_caller

    def open_above(self) -> "Iterator[Node]":
        """The parent, its parent and so on, as far as they are open."""
        above = self.parent
        while above is not None and above.source is not None:
            yield above
            above = above.parent

    def top_parked(self) -> "tuple[Node, Node | None]":
        """Of this parked span and what it waits for, the topmost that is parked, and what that
        waits for: None for one that waits for its time."""
        top = self
        while top.parked is not None and (above := top.parked.above) is not None:
            if above.parked is None:
                return top, above
            top = above
        return top, None


MANY: Final = Node(SpanKey(0, 0))
"""Stands for several children."""
