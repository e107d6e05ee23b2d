"""Which runs are kept: each is decided as a whole, by ``sample_rate`` and ``keep``.

A run that is not kept is one whose filter leaves every span out. One of which only its end tells is
held back until then: it waits as a finished span does for its parent, within the same bounds.
"""

from dataclasses import dataclass, field
from typing import Final

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.budget import PARKED_BYTES
from prefactor_otel.delivery.operation import Item, digest_of
from prefactor_otel.mapping.errors import status_of
from prefactor_otel.span_types.span_filter import CompiledFilter, Decision
from prefactor_otel.spans.view import SpanView

NOTHING: Final = CompiledFilter(lambda view: Decision.LEAVE_OUT)
"""The filter of a run that is not kept."""

_BYTES: Final = 8


@dataclass(slots=True, eq=False)
class Held:
    """What a run has come to, of which nothing is sent before its end says whether it is kept.
    Times are nanoseconds since the epoch."""

    slower_than: float
    """Seconds that a run takes which is kept for that; 0: none is."""
    items: list[Item] = field(default_factory=list)
    size: int = 0
    """Bytes that these take."""
    spans: int = 0
    """Spans that have ended among them."""
    has_failed: bool = False
    first_ns: int | None = None
    last_ns: int = 0

    def add(self, items: list[Item]) -> int:
        """Hold these back. Returns how many spans end with them."""
        self.items += items
        self.size += sum(len(item.body) + PARKED_BYTES for item in items)
        spans = sum(item.ends_span for item in items)
        self.spans += spans
        return spans

    def see(self, view: SpanView) -> None:
        """A span of it has ended, be it sent or not."""
        self.has_failed = self.has_failed or status_of(view) == "failed"
        self.took(view.start_ns, view.end_ns or view.start_ns)

    def took(self, begun_ns: int, ended_ns: int) -> None:
        """Something in it took from then to then."""
        self.first_ns = begun_ns if self.first_ns is None else min(self.first_ns, begun_ns)
        self.last_ns = max(self.last_ns, ended_ns)

    @property
    def is_kept(self) -> bool:
        """Whether its end says so: it has failed, or was slow."""
        seconds = (self.last_ns - (self.first_ns or self.last_ns)) / 1e9
        return self.has_failed or 0 < self.slower_than < seconds


def is_sampled(config: Config, name: str) -> bool:
    """Whether a run of this name is in the share that is kept whatever becomes of it. It is the
    same for everybody who sees a part of the run."""
    rate = config.sample_rate
    if rate is None:
        return config.keep == "all"
    return rate >= 1 or int(digest_of(name, size=_BYTES), 16) < rate * 256**_BYTES
