"""When a span was, as whoever made it says, and as a date can show it."""

from prefactor_otel.payload.repairs import Repair, Repairs
from prefactor_otel.spans.view import LAST_NS


def moment(given: object, repairs: Repairs) -> int:
    """Nanoseconds since the epoch that a date can show."""
    if type(given) is int and 0 <= given <= LAST_NS:
        return given
    repairs.add(Repair.OUT_OF_TIME)
    try:
        return min(max(int(given), 0), LAST_NS)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0


def times(start: object, end: object, repairs: Repairs) -> tuple[int, int | None]:
    """When a span began and ended; None where that is not known."""
    end_ns = moment(end, repairs) if end is not None else None
    if start is not None:
        return moment(start, repairs), end_ns
    repairs.add(Repair.NO_START)
    return end_ns or 0, end_ns
