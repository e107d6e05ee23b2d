"""When a span started and ended, as the API takes it."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from prefactor_otel.payload.repairs import Repair, Repairs
from prefactor_otel.spans.view import LAST_NS, SpanView

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def times_of(view: SpanView, repairs: Repairs) -> tuple[str, str | None]:
    """When it started and ended, as timestamps; nothing ends before it starts."""
    start_ns, end_ns = view.start_ns, view.end_ns
    if end_ns is None:
        return timestamp(start_ns), None
    if end_ns < start_ns:
        repairs.add(Repair.END_BEFORE_START)
        end_ns = start_ns
    return timestamp(start_ns), timestamp(end_ns)


def timestamp(time_ns: int) -> str:
    """ISO 8601 in UTC with six fraction digits and ``Z``, from nanoseconds since the epoch."""
    try:
        return _within(time_ns // 1_000_000_000) % (time_ns // 1000 % 1_000_000)
    except OverflowError:
        return timestamp(min(max(time_ns, 0), LAST_NS))


@lru_cache(maxsize=1024)  # spans cluster in seconds, and formatting one costs as much as a hash
def _within(second: int) -> str:
    """What becomes a timestamp within this second by its microseconds."""
    if second < 0:
        raise OverflowError("before the epoch")
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S.%%06dZ")
