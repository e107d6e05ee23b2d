"""A probe of the CPU benchmark that also runs where there is no OpenTelemetry."""

from tests.benchmarks.clock import clocked
from tests.benchmarks.measure import Found
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs


def own(peer: Peer, url: str, *, dialect: str, size: str, spans: int) -> Found:
    """Spans through an API of the peer's own, its start and end included."""
    peer.own(url, runs(dialect, size, 4))
    todo = runs(dialect, size, spans)
    with clocked() as took:
        peer.own(url, todo)
    return spans + 4, took.per_span(spans)
