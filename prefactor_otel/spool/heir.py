"""What becomes of the runs of a process that has died, by who goes on with them."""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from prefactor_otel.delivery.operation import FinishStatus, SpanRef, name_of
from prefactor_otel.runs.inheritance import Inheritance


class Runs(Protocol):
    """The runs in which the heir takes spans itself."""

    def names(self) -> set[str]:
        """What all who have a part in them call those that are open."""
        ...

    def ref_of(self, run: str, span: str) -> SpanRef | None:
        """What a span of it is called, that has a record; it is named by its trace id and span id
        in hexadecimal, with a colon between."""
        ...


class Heir(NamedTuple):
    """Whoever takes over a file. A process that has died takes its runs with it, ``runs`` being
    None; those of others, whose spans it was sent, go on with their next spans."""

    runs: Runs | None = None
    waits: float = 0.0
    """Seconds until a file is taken over: what hangs together with it may be on its way."""
    inheritance: Inheritance = Inheritance(lambda _: None)
    """The finished spans that go on waiting where their run goes on."""

    def goes_on_with(self, runs: Iterable[str]) -> set[str]:
        """Which of the runs of these keys are not over."""
        names = self.runs.names() if self.runs is not None else ()
        return {run for run in runs if name_of(run) in names}

    def ref_of(self, run: str, span: str) -> SpanRef | None:
        """What a span is called that has come to the heir."""
        return self.runs.ref_of(run, span) if self.runs is not None else None

    @property
    def closes_as(self) -> FinishStatus:
        """How a run ends with which nobody goes on: of other processes nothing is known to have
        failed."""
        return "failed" if self.runs is None else "complete"


NOBODY: Final = Heir()
"""Nothing goes on."""
