"""What mapping a span costs, for spans of many sizes and instrumentations. Ours alone."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer

if TYPE_CHECKING:
    from prefactor_otel.spans.view import SpanView

HUGE = "openai__openinference_openai__chat_huge_message"
AROUND_1_3_KB = range(1_000, 1_700)
SPLIT = " | "
"""Between the group of spans and the metric, in what the probe returns."""


def measure(lab: Lab) -> None:
    """One process a round measures every group of recorded spans."""
    case = Case("mapping", "", "mapping:groups", {"rounds": lab.sizes.mapping_rounds})
    ours = next((peer for peer in lab.peers if peer.name == "prefactor"), None)
    if ours is None:
        return
    rounds: list[Mapping[str, float]] = []
    for number in range(lab.sizes.rounds):
        lab.say(f"mapping: round {number + 1}")
        (_, values), _ = lab.once(case, ours)
        rounds.append(values)
    for group in dict.fromkeys(key.split(SPLIT)[0] for values in rounds for key in values):
        found = [_of_group(group, values) for values in rounds]
        lab.keep(dataclasses.replace(case, name=group), ours.name, found)


def _of_group(group: str, values: Mapping[str, float]) -> dict[str, float]:
    keys = (key.split(SPLIT) for key in values)
    return {metric: values[f"{name}{SPLIT}{metric}"] for name, metric in keys if name == group}


def groups(peer: Peer, url: str, *, rounds: int) -> Found:
    """CPU time of this process, median of the rounds, garbage collection included. The result is
    let go at once, as the exporter does."""
    from prefactor_otel.mapping import Capture, agent_span
    from prefactor_otel.payload.encode import encode

    capture = Capture()

    def mapped(view: "SpanView") -> None:
        agent_span(view, capture)

    def encoded(view: "SpanView") -> None:
        encode(agent_span(view, capture).payload)

    found: dict[str, float] = {}
    for name, views in _groups():
        group = f"{name} ({statistics.mean(map(_size, views)):,.0f} bytes of JSON){SPLIT}"
        found[f"{group}map, µs/span"] = _cost(mapped, views, rounds)
        found[f"{group}map and encode, µs/span"] = _cost(encoded, views, rounds)
    return 0, found


def _groups() -> Iterator[tuple[str, "Sequence[SpanView]"]]:
    """What is measured, by what it is called."""
    from tests.recorded import NAMES, recorded

    views = [view for name in NAMES if name != HUGE for view in recorded(name).views]
    yield "spans of 1.0 to 1.7 KB", [view for view in views if _size(view) in AROUND_1_3_KB] * 8
    yield "all recorded spans", views
    for dialect in sorted({recorded(name).instrumentation for name in NAMES}):
        runs = [name for name in NAMES if recorded(name).instrumentation == dialect]
        yield dialect, [view for name in runs if name != HUGE for view in recorded(name).views]
    yield "one prompt of 300 kB", [dataclasses.replace(recorded(HUGE).views[0])] * 20


def _size(view: "SpanView") -> int:
    """Bytes of JSON that the attributes and events of a span take."""
    from prefactor_otel.payload.encode import encode

    return len(encode([view.attributes, [e.attributes for e in view.events]]))


def _cost(work: "Callable[[SpanView], None]", views: "Sequence[SpanView]", rounds: int) -> float:
    """Microseconds of CPU a span."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time_ns()
        for view in views:
            work(view)
        taken.append((time.process_time_ns() - begun) / len(views) / 1000)
    return statistics.median(taken)
