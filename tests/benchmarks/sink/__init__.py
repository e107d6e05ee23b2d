"""The other end: one process that answers like every backend that is measured, and counts.

``Sink`` is the handle that the command holds; ``server`` is the process, ``answers`` what it says.
"""

import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Counts:
    """What has arrived since the last reset."""

    spans: int
    """Different spans that arrived in their final state."""
    repeated: int
    """Spans that arrived again."""
    requests: int
    begun: int
    """Runs that were started."""
    runs: int
    """Runs that were finished."""


class Sink:
    """Runs the sink while inside. The process also ends when this one does, however it does."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.sink.server"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # an interrupt of the command leaves it to count
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate("")

    def reset(self, delay: float = 0.0, status: int = 200) -> None:
        """Count from zero; answer every request after ``delay`` seconds, with ``status``."""
        self._ask({"delay": delay, "status": status})

    def counts(self) -> Counts:
        """What has arrived since the last reset."""
        return Counts(**self._ask(None))

    def _ask(self, settings: dict[str, float] | None) -> dict[str, int]:
        body = None if settings is None else json.dumps(settings).encode()
        with urllib.request.urlopen(f"{self.url}/sink", data=body, timeout=30) as reply:
            answer: dict[str, int] = json.load(reply)
            return answer
