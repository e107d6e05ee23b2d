"""What the measured process reads of itself. Standard library only."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Took:
    """Seconds of CPU, of all threads of this process, and of the clock."""

    cpu: float = 0.0
    wall: float = 0.0

    def per_span(self, spans: int) -> dict[str, float]:
        """As the report shows it."""
        return {
            "CPU, µs/span": self.cpu / spans * 1e6,
            "wall, µs/span": self.wall / spans * 1e6,
        }


@contextmanager
def clocked() -> Iterator[Took]:
    """What happens inside, timed."""
    took = Took()
    cpu, wall = time.process_time(), time.perf_counter()
    yield took
    took.cpu, took.wall = time.process_time() - cpu, time.perf_counter() - wall


def resident_mb() -> float:
    """Memory of this process that is in RAM (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
