"""What log records have told of spans that have not ended: it waits for their ends."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from prefactor_otel.delivery.budget import ByAge
from prefactor_otel.payload.size import characters
from prefactor_otel.spans.source import Source
from prefactor_otel.spans.view import Attributes, Event, SpanKey, SpanView

_RECORD_BYTES: Final = 512
"""What is kept of a record besides its texts."""

MAX_OF_A_SPAN: Final = 1024
"""Records that one span can have: of its own events the SDK keeps 128."""


class Records(dict[SpanKey, list[Event]]):
    """The records of each span, as events of it, in the order in which they came. ``share`` is what
    all of them may take: past it, the oldest of the span that has waited longest go; and those of a
    span that has more than others ever will."""

    def __init__(self, share: ByAge[object]) -> None:
        super().__init__()
        self._share = share
        self._sizes: dict[SpanKey, list[int]] = {}
        self._joined: list[SpanKey] = []

    def keep(self, key: SpanKey, event: Event) -> int:
        """A span has one more; not if it comes twice, by two doors of one provider, by a thread
        that was struck or in a request that is sent again. How many have to go for it, of this
        span or of others."""
        events = self.setdefault(key, [])
        alike = events if event.time_ns else events[-1:]
        if event in alike:
            return 0
        sizes = self._sizes.setdefault(key, [])
        events.append(event)
        sizes.append(_RECORD_BYTES + characters(event.attributes))
        if len(events) == 1:
            self._share.hold(key, sizes[0], "")
        else:
            self._share.resize(key, sum(sizes))
        gone = self._forget_first(key) if len(events) > MAX_OF_A_SPAN else 0
        while self._share.is_over:
            oldest = self._share.oldest
            assert isinstance(oldest, SpanKey)
            gone += self._forget_first(oldest)
        return gone

    def joined(self, view: SpanView) -> SpanView:
        """A span that has ended, with its records. They stay until ``forget_joined``: what strikes
        the thread meanwhile must not cost them."""
        if view.key not in self:
            return view
        self._joined.append(view.key)
        return with_records(view, self[view.key])

    def forget_joined(self) -> None:
        """What has been joined to its span need not be kept any longer."""
        if self._joined:
            self.forget(self._joined)
            self._joined.clear()

    def forget(self, keys: Iterable[SpanKey]) -> int:
        """The records of these spans go. How many there were."""
        gone = 0
        for key in keys:
            events = self.pop(key, [])
            gone += len(events)
            events.clear()  # an open span may know them, too
            self._sizes.pop(key, None)
            self._share.release(key)
        return gone

    def _forget_first(self, key: SpanKey) -> int:
        events, sizes = self[key], self._sizes[key]
        if len(events) == 1:
            return self.forget((key,))
        del events[0], sizes[0]
        self._share.resize(key, sum(sizes))
        return 1


def with_records(view: SpanView, events: Iterable[Event]) -> SpanView:
    """The span with more events than its own."""
    return replace(view, events=(*view.events, *events))


@dataclass(slots=True, eq=False)
class WithRecords:
    """An open span of which log records tell, too; see ``Source``."""

    source: Source
    records: list[Event]
    """More may come."""

    @property
    def key(self) -> SpanKey:
        """What identifies it."""
        return self.source.key

    @property
    def parent(self) -> SpanKey | None:
        """Its parent, if that is a span of the same process."""
        return self.source.parent

    @property
    def name(self) -> str:
        """What it is called now."""
        return self.source.name

    @property
    def attributes(self) -> Attributes:
        """What it says now."""
        return self.source.attributes

    @property
    def scope_name(self) -> str:
        """Of its instrumentation scope; empty without one."""
        return self.source.scope_name

    @property
    def resource(self) -> Attributes:
        """What is said of what it comes from."""
        return self.source.resource

    @property
    def start_ns(self) -> int:
        """When it has started, in nanoseconds since the epoch; 0 where that is unknown."""
        return self.source.start_ns

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, though nobody may have told so yet."""
        return self.source.has_ended

    def read(self) -> SpanView:
        """A copy of what it says now, with what the records told."""
        return with_records(self.source.read(), self.records)
