"""What other threads hand to the worker's: spans and events, in order, none of which is lost when
the thread that takes them dies in the middle of one.

Whoever ends a span appends it, and does nothing else. An append is one step of the interpreter, so
there is no lock on the way in. What has been handed over is counted by what is in here and what has
been taken out of it: of that, too, a step takes care that nothing can come between.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from itertools import takewhile
from math import inf
from typing import Any, Final, NamedTuple, get_args

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.pace import Pace
from prefactor_otel.runs.events import (
    TOGETHER,
    Dropped,
    Event,
    Flush,
    Logged,
    Place,
    Spans,
    Started,
    Told,
)
from prefactor_otel.spans.source import Reader
from prefactor_otel.spans.view import SpanKey, SpanView

MAX_SPANS: Final = 16_384
"""Ended spans that wait here, at most, however small they are."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""What waits here may take so many bytes, about: these are objects, far larger than items."""

ENTRY_BYTES: Final = 1024
"""What a span takes besides its text, at least."""

_GROUP_BYTES: Final = 32 * 1024
"""What is handled without a pause may take so many bytes, about, if it is more than one span."""

_SAMPLES: Final = 16
"""Entries that are weighed at a time, at most."""

Start = tuple[object, float, Place]
"""What ``Started`` is made of, by whoever takes it: a span that is yet to be read, and the rest."""


NEVER: Final = inf
"""For ``wake_at``: the worker looks by itself."""


class End(Enum):
    """What follows the last span that belongs to a receipt."""

    OF_RECEIPT = "end"


Entry = object
"""An ended span, of whatever type its door has, or something told of spans."""

_TOLD: Final = frozenset((tuple, Receipt, End, *get_args(Told)))
"""The types of all entries that are no ended spans."""


class Lost(NamedTuple):
    """Of a span that cannot be taken: who waits for it. Or of a log record."""

    receipt: Receipt | None
    is_record: bool = False


class Inbox:
    """First in, first out. Any thread appends to ``entries`` while fewer than ``limit`` are in
    there, and tells the worker where more are in there than ``wake_at``; one thread takes.
    ``reader`` knows what the door hands over."""

    def __init__(self, max_spans: int, reader: Reader[Any]) -> None:
        self.reader = reader
        self.entries: deque[Entry] = deque()
        self.capacity: float = 2 * max_spans  # a span may have an entry for its start as well
        """Entries for which there is room, as far as their weight is known."""
        self.limit: float = self.capacity
        """Entries beyond which no more spans are to be handed over: after the end, none at all."""
        self.wake_at: float = 0
        """Entries beyond which the worker has to be told of one more."""
        self.room = threading.Event()
        """Set when some has been made, for those who wait for it."""
        self._most = self.capacity
        self._lock = threading.RLock()  # a signal handler may come amid
        self.is_closed = False
        """Whether spans are not to be handed over any more."""
        self.is_shut = False
        """Whether nobody takes anything any more."""
        self.sees_starts = False
        """Whether starts of spans are told, as far as that is known."""
        self._taken = 0
        self._receipt: Receipt | None = None
        """To whom the spans that come next belong."""
        self._taking: Sequence[Entry] = ()
        """Entries at the front that are being handled."""
        self._together = 1
        """How many of them are handled together, at most."""
        self._one_by_one = 0
        """As many are handled each by itself, as one of them may have killed the thread."""
        self._retaken: Entry | None = None
        self._weight = 0.0

    def __bool__(self) -> bool:
        return bool(self.entries)

    @property
    def is_full(self) -> bool:
        """Whether no more ended spans are to be handed over."""
        return len(self.entries) >= self.limit

    @property
    def handed_over(self) -> int:
        """Ended spans that have ever been in here."""
        with self._lock:
            return self._taken + _spans_in(self.entries)

    @property
    def spans(self) -> int:
        """Ended spans that wait in here; to count them takes time."""
        return _spans_in(self.entries)

    def tell(self, event: Told) -> None:
        """Add an event at the end, whatever the limit."""
        self.entries.append(event)

    def note_dropped(self, event: Dropped) -> None:
        """The same for spans that were dropped, unless too many were: those that are open here are
        found to have ended when their run is closed."""
        if len(self.entries) < 2 * self._most:
            self.entries.append(event)

    def rest(self, wake_at: float) -> None:
        """Have whoever hands over tell of more than so many entries."""
        self.wake_at = wake_at
        if self.is_shut:  # looked at afterwards: then neither of two threads need wait
            self.wake_at = -1

    def take(
        self,
        handle: Callable[[Event], None],
        seconds: float,
        has_room: Callable[[], bool],
        *,
        hurries: bool = False,
    ) -> None:
        """Hand over what is in here, as long as the time lasts and there is room for it, with
        pauses for others unless it hurries."""
        self.weigh()
        pace = Pace(seconds, has_room, hurries=hurries)
        while self.entries and pace.goes_on():
            self._take_next(handle, pace)
        if not self.is_full:
            self.room.set()

    def _take_next(self, handle: Callable[[Event], None], pace: Pace) -> None:
        entry = self.entries[0]
        if _is_of_span(entry):
            handle(Spans(self._groups(pace), self._read, self._receipt, is_last=False))
            return
        self._taking = (entry,)
        if isinstance(entry, (Receipt, End)):
            self._take_receipt(entry, handle)
        else:
            assert isinstance(entry, Told)
            handle(entry)
        self._discard()  # not before: whatever kills the thread must not lose an entry

    def _groups(self, pace: Pace) -> Iterator[Sequence[Entry]]:
        """The spans at the front that start or have ended, in groups, each of which leaves when
        the next is asked for."""
        while True:
            self._taking = self._group()
            yield self._taking
            self._discard()
            if not self.entries or not _is_of_span(self.entries[0]) or not pace.goes_on():
                return

    def _group(self) -> Sequence[Entry]:
        """Some that follow each other at the front."""
        if self._one_by_one:
            self._one_by_one -= 1
            return (self.entries[0],)
        # By their places, because others append meanwhile.
        many = min(self._together, len(self.entries))
        return list(takewhile(_is_of_span, [self.entries[place] for place in range(many)]))

    def _read(self, entry: Entry) -> Started | SpanView | None:
        """What starts, or has ended; None for what is no span that is to be followed."""
        if type(entry) is not tuple:
            return self.reader.view(entry)
        source = self.reader.source(entry[0])
        if source is None:
            return None
        self.sees_starts = True
        return Started(source, *entry[1:])

    def _take_receipt(self, entry: Receipt | End, handle: Callable[[Event], None]) -> None:
        if isinstance(entry, Receipt):
            self._receipt = entry
        elif self._receipt is not None:
            handle(Spans((), self._read, self._receipt))
            self._receipt = None

    def take_up(self, is_known: Callable[[SpanKey], bool]) -> "Lost | None":
        """Where the thread died amid entries, these are taken once more, each by itself, unless
        they are known to be done with. Returns a span or a log record that has killed two threads
        by itself."""
        taking = self._taking
        known = [_is_span(e) and self._is_known(e, is_known) for e in taking]
        done = max((place for place, is_done in enumerate(known, 1) if is_done), default=0)
        self._taking = taking[:done]
        self._discard()
        if done == len(taking) or not self.entries or self.entries[0] is not taking[done]:
            return None
        entry, left = taking[done], len(taking) - done
        if left > 1 or entry is not self._retaken:
            self._one_by_one += left
            self._retaken = entry if left == 1 else None
            return None
        self._taking = (entry,)
        self._discard()
        if isinstance(entry, Logged):
            return Lost(None, is_record=True)
        return Lost(self._receipt) if _is_span(entry) else None

    def _is_known(self, entry: Entry, is_known: Callable[[SpanKey], bool]) -> bool:
        key = self.reader.key(entry)
        return key is not None and is_known(key)

    def close(self) -> None:
        """No more spans are to be handed over; what is in here is still taken."""
        # No lock: the worker could not go on while a signal handler holds up whoever has it, and
        # the handler may be waiting for the worker.
        self.is_closed = True
        self.limit = 0
        self.room.set()

    def shut(self) -> Sequence[Receipt]:
        """Nothing is taken any more: forget what is in here. Returns the receipts of those who
        wait for it. What is appended all the same wakes the worker, and is forgotten like this."""
        receipts = [] if self._receipt is None else [self._receipt]
        self.close()
        with self._lock:
            self.is_shut, self.wake_at = True, -1
        return receipts + self._forget()

    def forget_late(self) -> int:
        """Forget what has been appended since this was shut. Returns how many spans that were."""
        with self._lock:
            before = self._taken
            self._forget()
            return self._taken - before

    def _forget(self) -> list[Receipt]:
        receipts = []
        with self._lock:
            while self.entries:
                receipt = _receipt_of(self.entries[0])
                receipts += [] if receipt is None else [receipt]
                self._remove()
        return receipts

    def _discard(self) -> None:
        """What has been handled leaves."""
        with self._lock:
            while self._taking and self.entries and not self.is_shut:
                self._remove()
            self._taking = ()

    def _remove(self) -> None:
        is_span = _is_span(self.entries[0])
        # Nothing is called in these lines, so neither a handler nor another thread comes in
        # between, nor does what strikes this one.
        del self.entries[0]
        self._taken += is_span
        self._taking = self._taking[1:]

    def weigh(self) -> None:
        """Adapt the capacity, and how many are handled together, to what the spans in here weigh,
        as some of them tell."""
        count = len(self.entries)
        step = max(1, count // _SAMPLES)
        weights = [self._weight_of(self.entries[-place]) for place in range(1, count + 1, step)]
        if not weights:
            return
        average = sum(weights) / len(weights)
        self._weight = (self._weight + average) / 2 if self._weight else average
        self.limit = self.capacity = max(1, min(self._most, MAX_BYTES // self._weight))
        # Nobody asks for room amid a group, so it is a small part of that.
        fitting = min(self._most // 32, int(_GROUP_BYTES // self._weight))
        self._together = max(1, min(TOGETHER, fitting))
        if self.is_closed:
            self.limit = 0

    def _weight_of(self, entry: Entry) -> int:
        if isinstance(entry, Logged):
            return ENTRY_BYTES + entry.record.weight()
        return ENTRY_BYTES + (0 if type(entry) in _TOLD else self.reader.weight(entry))


def lose(receipt: Receipt) -> None:
    """Settle the receipt of what is never taken from an inbox."""
    receipt.lose()
    receipt.keep(on_disk=False)
    receipt.seal()


def _is_of_span(entry: Entry) -> bool:
    """Whether it is a span that starts or has ended, and not something else that is told."""
    return type(entry) is tuple or type(entry) not in _TOLD


def _is_span(entry: Entry) -> bool:
    return type(entry) not in _TOLD


def _spans_in(entries: "deque[Entry]") -> int:
    while True:
        try:
            types = list(map(type, entries))
        except RuntimeError:  # what collects garbage may end a span meanwhile
            continue
        return len(types) - sum(map(_TOLD.__contains__, types))


def _receipt_of(entry: Entry) -> Receipt | None:
    if isinstance(entry, Flush):
        return entry.receipt
    return entry if isinstance(entry, Receipt) else None
