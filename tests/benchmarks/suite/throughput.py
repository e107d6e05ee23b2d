"""How many spans a second reach the backend, by how long it takes to answer."""

from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS, load, make, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs

KEPT_UP = 0.95
"""Share of the wanted rate that the load must have reached to count."""
DRAINED = 5.0
"""Seconds after the load within which everything must be acknowledged."""


def measure(lab: Lab) -> None:
    """With a backlog, at the highest rate without loss, and under more than that."""
    for delay in lab.sizes.delays:
        name = f"{delay * 1000:.0f} ms"
        lab.compare(
            Case(
                "throughput",
                f"backlog, {name}",
                "throughput:backlog",
                {"spans": lab.sizes.backlog},
                delay,
            ),
            lab.able("process"),
        )
    for delay in lab.sizes.delays:
        for peer in lab.able("process"):
            _climb(lab, peer, delay)
    _stress(lab, lab.sizes.delays[-1])
    lab.note(f"throughput: rates that are held for {lab.sizes.steady_seconds:g} s are held once")


def _climb(lab: Lab, peer: Peer, delay: float) -> None:
    """The highest rung of the ladder that loses nothing, first for a moment, then held."""
    case = Case("throughput", f"steady, {delay * 1000:.0f} ms", "", delay=delay)
    held = 0
    trial = lab.sizes.trial_seconds
    for rate in lab.sizes.ladder:
        # Twice, because for a moment anything else on the machine may be in the way.
        if trial and not any(_holds(lab, peer, delay, rate, trial) for _ in range(2)):
            break
        held = rate
    while held and not _holds(lab, peer, delay, held, lab.sizes.steady_seconds):
        held = max((rate for rate in lab.sizes.ladder if rate < held), default=0)
    if held == lab.sizes.ladder[-1]:
        lab.note(f"{case.name}, {peer.name}: {held} spans/s is the highest rate that was tried")
    lab.keep(case, peer.name, [{"highest rate without loss, spans/s": float(held)}])


def _holds(lab: Lab, peer: Peer, delay: float, rate: int, seconds: float) -> bool:
    lab.say(f"throughput: steady, {delay * 1000:.0f} ms: {peer.name}: {rate} spans/s")
    (sent, values), missing = lab.once(_load_case(delay, rate, seconds, "steady"), peer)
    kept_up = sent >= KEPT_UP * rate * seconds
    return bool(values) and missing == 0 and kept_up and values["drained after, s"] <= DRAINED


def _load_case(delay: float, rate: int, seconds: float, name: str) -> Case:
    what = {"rate": rate, "seconds": seconds}
    return Case("throughput", name, "throughput:steady", what, delay)


def _stress(lab: Lab, delay: float) -> None:
    """More than a stock processor holds: who drops how much."""
    rate, seconds = lab.sizes.stress_rate, lab.sizes.steady_seconds
    name = f"{rate} spans/s for {seconds:g} s, {delay * 1000:.0f} ms"
    case = _load_case(delay, rate, seconds, name)
    for peer in lab.able("process"):
        lab.say(f"throughput: {name}: {peer.name}")
        (sent, values), missing = lab.once(case, peer)
        if values:
            dropped = {"made, spans/s": sent / seconds, "dropped, spans": float(missing)}
            lab.keep(case, peer.name, [dropped | values])


def backlog(peer: Peer, url: str, *, spans: int) -> Found:
    """Everything is there at once; until the last is acknowledged."""
    todo = runs("GenAI", "1 KB", spans)
    processor = peer.processor(url, queue=spans)
    provider = provider_with(processor)
    with clocked() as took:
        for run in todo:
            make(tracer_of(provider), run)
        processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return spans, {"acknowledged, spans/s": spans / took.wall}


def steady(peer: Peer, url: str, *, rate: int, seconds: float) -> Found:
    """Spans at a steady rate through queues of the stock size."""
    processor = peer.processor(url)
    provider = provider_with(processor)
    made = load(tracer_of(provider), runs("GenAI", "1 KB", 1024), rate, seconds)
    with clocked() as took:
        processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return made, {"drained after, s": took.wall}
