"""What the log door takes of the application's thread for a record that is none of ours: almost all
are lines of a log. Ours alone."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord

METRIC = "CPU, µs/record"


def measure(lab: Lab) -> None:
    """One process a round measures every kind of record."""
    ours = next((peer for peer in lab.peers if peer.name == "prefactor"), None)
    if ours is None:
        return
    parameters = {"records": lab.sizes.records, "rounds": lab.sizes.record_rounds}
    case = Case("records", "", "records:passed_by", parameters)
    rounds: list[Mapping[str, float]] = []
    for number in range(lab.sizes.rounds):
        lab.say(f"records: round {number + 1}")
        (_, values), _ = lab.once(case, ours)
        rounds.append(values)
    for kind in dict.fromkeys(kind for values in rounds for kind in values):
        found = [{METRIC: values[kind]} for values in rounds if kind in values]
        lab.keep(Case("records", kind, case.probe), ours.name, found)


def passed_by(peer: Peer, url: str, *, records: int, rounds: int) -> Found:
    """CPU time of this thread a call of the door, that of the loop around it included; the median
    of the rounds."""
    from opentelemetry.sdk._logs import ReadWriteLogRecord

    from prefactor_otel import PrefactorLogProcessor

    door = PrefactorLogProcessor()
    found: dict[str, float] = {}
    for kind, record in none_of_ours().items():
        given = ReadWriteLogRecord(record)
        found[kind] = _cost(lambda given=given: door.on_emit(given), records, rounds)  # type: ignore[misc]
    return 0, found


def none_of_ours() -> "dict[str, LogRecord]":
    """A record of each kind that others emit."""
    from opentelemetry._logs import LogRecord

    return {
        "a line": LogRecord(body="an order was placed", attributes={"code.line.number": 7}),
        "an object": LogRecord(body={"order": 7}, attributes={"code.line.number": 7}),
        "another event": LogRecord(event_name="app.order.placed", body={"order": 7}),
    }


def _cost(work: Callable[[], None], times: int, rounds: int) -> float:
    """Microseconds of CPU."""
    taken = []
    for _ in range(rounds):
        begun = time.thread_time_ns()
        for _ in range(times):
            work()
        taken.append((time.thread_time_ns() - begun) / times / 1000)
    return statistics.median(taken)
