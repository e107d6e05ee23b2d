"""What happened to the spans of a run on their way."""

from dataclasses import dataclass

from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.mapping.errors import Status


@dataclass(slots=True)
class Counts:
    """How many spans of a run went which way, and how its roots have ended."""

    orphaned: int = 0
    duplicates: int = 0
    filtered: int = 0
    rescued: int = 0
    cancelled: int = 0
    roots: int = 0
    roots_failed: int = 0
    roots_cancelled: int = 0
    uncalled: int = 0
    """Roots of which only that is known: the spans of other processes that called them have not
    come."""
    unmappable: int = 0

    def root(self, status: Status) -> None:
        """A root has ended."""
        self.roots += 1
        self.roots_failed += status == "failed"
        self.roots_cancelled += status == "cancelled"

    @property
    def status(self) -> FinishStatus:
        """How the run ends by its root spans: cancelled or failed where all of them are."""
        if self.roots and self.roots == self.roots_failed:
            return "failed"
        return "cancelled" if self.roots and self.roots == self.roots_cancelled else "complete"
