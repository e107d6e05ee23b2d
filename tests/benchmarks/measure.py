"""Runs probes in fresh processes, peers in turn, and keeps what they found."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.environments import Environments
from tests.benchmarks.peers import Ability, Peer
from tests.benchmarks.sink import CHECKOUT, Sink
from tests.benchmarks.sizes import Sizes

_TIMEOUT: Final = 1_800
# The checkout is on the path only until ``tests`` is found: ``prefactor_http`` and the rest are
# those that the environment has installed.
_START: Final = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
import tests.benchmarks
del sys.path[0]
from tests.benchmarks.child import main
main()
"""

Found = tuple[int, dict[str, float]]
"""What a probe returns: the spans that it made, and its figures by metric and unit."""


@dataclass(frozen=True)
class Row:
    """One metric of one peer in one case, a value a round."""

    benchmark: str
    case: str
    peer: str
    metric: str
    values: Sequence[float]
    lost: int = 0
    x: float | None = None
    """Where the case lies on the axis of a curve."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True)
class Case:
    """One thing to measure. ``probe`` is ``module:function`` of the suite."""

    benchmark: str
    name: str
    probe: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds that the backend takes for an answer."""
    status: int = 200
    x: float | None = None
    lossless: bool = True
    """Whether a span that did not arrive is a fault of the measurement."""


@dataclass
class Lab:
    """Where benchmarks measure, and what they have found so far."""

    sizes: Sizes
    peers: Sequence[Peer]
    sink: Sink
    environments: Environments
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def able(self, *abilities: Ability) -> list[Peer]:
        """The peers that can do one of these and whose environment can be had."""
        able = [peer for peer in self.peers if peer.abilities & set(abilities)]
        usable = [peer for peer in able if self.environments.python(peer) is not None]
        for peer in able:
            if peer not in usable:
                self.note(f"{peer.name} left out: its packages cannot be installed here")
        return usable

    def note(self, text: str) -> None:
        """Something that a reader of the report must know; said once."""
        if text not in self.notes:
            self.notes.append(text)

    def compare(self, case: Case, peers: Iterable[Peer], rounds: int | None = None) -> None:
        """Measure the peers in turn, A B A B, each time in a new process."""
        found: dict[str, list[Found]] = defaultdict(list)
        lost: dict[str, int] = defaultdict(int)
        for number in range(rounds or self.sizes.rounds):
            for peer in peers:
                self.say(f"{case.benchmark}: {case.name}: {peer.name}: round {number + 1}")
                measured, missing = self.once(case, peer)
                found[peer.name].append(measured)
                lost[peer.name] += missing
        for name, measured_rounds in found.items():
            self.keep(case, name, [values for _, values in measured_rounds], lost[name])

    def once(self, case: Case, peer: Peer) -> tuple[Found, int]:
        """One round of one peer, and by how many spans its count and the sink's differ."""
        self.sink.reset(case.delay, case.status)
        parameters = json.dumps(dict(case.parameters))
        arguments = [*("-P", "-c", _START), peer.name, case.probe, self.sink.url, parameters]
        try:
            answer = run(self.environments.python(peer) or sys.executable, arguments)
        except Failed as error:
            self.failures.append(f"{case.benchmark}, {case.name}, {peer.name}: {error}")
            return (0, {}), 0
        missing = abs(answer["sent"] - self.sink.counts().spans) if case.lossless else 0
        return (answer["sent"], answer["values"]), missing

    def keep(
        self, case: Case, peer: str, rounds: Sequence[Mapping[str, float]], lost: int = 0
    ) -> None:
        """Note what rounds of one peer have found."""
        metrics = {metric: None for values in rounds for metric in values}
        for metric in metrics:
            values = [values[metric] for values in rounds if metric in values]
            self.rows.append(Row(case.benchmark, case.name, peer, metric, values, lost, case.x))


class Failed(Exception):
    """A measured process did not end well."""


def run(python: Path | str, arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON in the last line that a process prints, in an environment without settings."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFACTOR_", "OTEL_", "LANGFUSE_", "PYTHON"))
        and not name.lower().endswith("_proxy")
    }
    try:
        done = subprocess.run(
            [str(python), *arguments],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"no answer within {error.timeout:.0f} s") from None
    if done.returncode != 0:
        raise Failed(done.stderr.strip()[-2_000:] or f"exit code {done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
