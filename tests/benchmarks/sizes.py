"""How much is measured: everything that makes the command take longer, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.workload import DIALECTS, SIZES


@dataclass(frozen=True)
class Sizes:
    """The whole measurement; ``QUICK`` and ``SMOKE`` are smaller ones."""

    rounds: int = 5
    dialects: tuple[str, ...] = tuple(DIALECTS)
    spans_by_size: Mapping[str, int] = field(
        default_factory=lambda: dict(zip(SIZES, (10_240, 2_048, 512), strict=True))
    )
    own_spans: int = 1_000
    """Spans made through an API that sends one request or two for each."""
    thread_spans: int = 10_000
    thread_rate: int = 1_000
    burst: int = 1_000_000
    delays: tuple[float, ...] = (0.001, 0.05, 0.2)
    backlog: int = 10_240
    ladder: tuple[int, ...] = (500, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 7_000, 10_000)
    trial_seconds: float = 5.0
    """How long a rung of the ladder is tried before the last good one is held. 0: not at all."""
    steady_seconds: float = 60.0
    stress_rate: int = 5_000
    waiting: int = 10_000
    waiting_rate: int = 1_000
    settle: float = 1.5
    """Seconds longer than any exporter waits before it sends what it has."""
    load_rate: int = 500
    load_seconds: float = 600.0
    cycles: int = 100
    starts: int = 15
    waiting_runs: tuple[int, ...] = (250, 4_000)
    growth: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    growth_rounds: int = 3
    growth_spans: int = 2_000
    """Spans measured at least, however few there are in a trace."""
    mapping_rounds: int = 31
    records: int = 20_000
    record_rounds: int = 31


FULL: Final = Sizes()
QUICK: Final = Sizes(
    rounds=5,
    spans_by_size={"1 KB": 2_048, "10 KB": 512, "100 KB": 128},
    own_spans=200,
    thread_spans=2_000,
    burst=100_000,
    backlog=4_096,
    trial_seconds=2.0,
    steady_seconds=5.0,
    load_seconds=10.0,
    cycles=20,
    starts=5,
    growth=(10, 100, 1_000, 10_000),
    growth_rounds=1,
    mapping_rounds=5,
    records=10_000,
    record_rounds=5,
)
SMOKE: Final = Sizes(
    rounds=1,
    dialects=("GenAI",),
    spans_by_size={"1 KB": 64},
    own_spans=8,
    thread_spans=40,
    burst=400,
    delays=(0.001,),
    backlog=64,
    ladder=(200,),
    trial_seconds=0.0,
    steady_seconds=0.4,
    stress_rate=400,
    waiting=64,
    settle=0.02,
    load_rate=100,
    load_seconds=0.5,
    cycles=2,
    starts=1,
    waiting_runs=(8,),
    growth=(10,),
    growth_rounds=1,
    growth_spans=20,
    mapping_rounds=1,
    records=10,
    record_rounds=1,
)
