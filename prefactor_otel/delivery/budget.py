"""What the spans of one process take while they are held here: one account over all its runs.

A span is *open* until it ends, *shown* while it is open and what it was created with is known,
*parked* while it waits for its parent, *queued* while it waits for the API, and *remembered*
afterwards, for children may still come, and its own end a second time; what log records have told
of it is *logged* until it ends. Each has its share of the whole, past which its oldest go; what is
queued has all that the others leave. Open spans are at work, so they are bounded by their number
only. One thread changes the counts; any may read them.
"""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MAX_OPEN: Final = 50_000
_MAX_PARKED: Final = 20_000
_MAX_REMEMBERED: Final = 4_096
_MAX_LOGGED: Final = 20_000
_LEAST: Final = 1024 * 1024
"""Bytes of shown and of remembered spans, and of log records, that even the smallest budget lets
be."""

OPEN_BYTES: Final = 1024
"""What is kept of an open span besides the content with which it was created early."""
PARKED_BYTES: Final = 1072
"""What is kept of a parked span besides the body that is to be sent."""
REMEMBERED_BYTES: Final = 1024
"""What is kept of a span that has ended: half of it to two thirds, and more of a model's call."""


class Count:
    """How many there are of things that take about the same, ``each`` so many bytes, and how many
    there may be. Who has one more or less changes ``items``."""

    def __init__(self, max_items: int, each: int) -> None:
        self.items = 0
        self.each = each
        self.max_items = max_items

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return self.items * self.each

    @property
    def is_over(self) -> bool:
        """Whether the oldest have to go."""
        return self.items > self.max_items

    @property
    def is_near(self) -> bool:
        """Whether there is less room than a sixteenth: who has to search for the oldest takes as
        many at a time."""
        return self.items > self.max_items * 15 // 16


class Share:
    """Items and bytes of one kind, and how many there may be."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.items = 0
        self.bytes = 0
        self.max_items = max_items
        self.max_bytes = max_bytes

    def add(self, size: int, items: int = 1) -> None:
        """So much more is held."""
        self.items += items
        self.bytes += size

    def remove(self, size: int, items: int = 1) -> None:
        """So much is not held any more."""
        self.items -= items
        self.bytes -= size


class ByAge(Generic[T]):
    """Things of one kind in the order in which they have come, how large and whose they are, and
    how many there may be."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.bytes = 0
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._held: OrderedDict[T, tuple[int, str]] = OrderedDict()

    @property
    def items(self) -> int:
        """How many there are."""
        return len(self._held)

    @property
    def is_over(self) -> bool:
        """Whether the oldest have to go."""
        return self.items > self.max_items or self.bytes > self.max_bytes

    @property
    def oldest(self) -> T:
        """The thing that has come first. There has to be one."""
        return next(iter(self._held))

    @property
    def owner_of_oldest(self) -> str:
        """Whose that is."""
        return self._held[self.oldest][1]

    def hold(self, thing: T, size: int, owner: str) -> None:
        """A thing has come."""
        self._held[thing] = size, owner
        self.bytes += size

    def resize(self, thing: T, size: int) -> None:
        """A thing takes now as much as this. Nothing, if it was never held."""
        held = self._held.get(thing)
        if held is not None:
            self._held[thing] = size, held[1]
            self.bytes += size - held[0]

    def release(self, thing: T) -> None:
        """It has gone. Nothing, if it was never held: whoever was to do so may have been struck."""
        held = self._held.pop(thing, None)
        if held is not None:
            self.bytes -= held[0]


class Budget:
    """The account of one process. ``max_items`` is of what is queued, ``max_bytes`` of all."""

    def __init__(
        self,
        max_items: int = 65_536,
        max_bytes: int = 40 * 1024 * 1024,
        max_open: int = _MAX_OPEN,
    ) -> None:
        self.open = Count(max_open, OPEN_BYTES)
        self.shown: ByAge[object] = ByAge(max_open, max(_LEAST, max_bytes // 8))
        most = max(_LEAST, max_bytes // 4) // REMEMBERED_BYTES
        self.remembered = Count(min(_MAX_REMEMBERED, most), REMEMBERED_BYTES)
        self.parked: ByAge[object] = ByAge(_MAX_PARKED, max_bytes * 2 // 5)
        self.logged: ByAge[object] = ByAge(_MAX_LOGGED, max(_LEAST, max_bytes // 4))
        self.queued = Share(max_items, max_bytes)
        self.adopted = Share(0, 0)
        """What a dead process has left, as far as it is in memory. Whoever reads it reads little
        at a time, and nothing of it has to go."""
        self._most_of_others = max_bytes * 3 // 8
        self._left_by_others = max_bytes - self._most_of_others

    @property
    def bytes(self) -> int:
        """What all of it takes in memory, about."""
        shares = (
            *(self.open, self.shown, self.remembered, self.logged),
            *(self.parked, self.queued, self.adopted),
        )
        return sum(share.bytes for share in shares)

    @property
    def is_full(self) -> bool:
        """Whether no more can be queued in memory."""
        return self.queued.items >= self.queued.max_items or self._left <= 0

    @property
    def has_room(self) -> bool:
        """Whether as much again can be queued as is."""
        queued = self.queued
        return queued.items <= queued.max_items // 2 and queued.bytes <= max(0, self._left)

    @property
    def is_over(self) -> bool:
        """Whether the oldest of what is queued has to go."""
        return self.queued.items > self.queued.max_items or self._left < 0

    @property
    def is_strained(self) -> bool:
        """Whether anything has to go."""
        is_over = self.open.is_over or self.shown.is_over
        return is_over or self.remembered.is_over or self.parked.is_over or self._left < 0

    @property
    def _left(self) -> int:
        """Bytes that more may wait, for the API or for parents."""
        others = self.open.bytes + self.shown.bytes + self.remembered.bytes + self.logged.bytes
        if others > self._most_of_others:  # many that are open leave room for their ends
            others = self._most_of_others
        return self.queued.max_bytes - others - self.parked.bytes - self.queued.bytes
