"""What is to be done about the runs of a process: where something has happened, and what time
makes due."""

import math
from typing import Final

from prefactor_otel.runs.router import OpenRun
from prefactor_otel.runs.schedule import Schedule

CALLED_LINGER: Final = 2.0
"""Seconds, at least, that a run that is over waits for what other processes do for it."""

MAX_LINGER: Final = 10.0
"""Seconds after which an explicit run is closed all the same, with what is still open in it."""


class Agenda:
    """Runs to look at. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.changed: dict[OpenRun, None] = {}
        """Runs in which something has happened that is not stored yet."""
        self._schedule: Schedule[OpenRun] = Schedule()

    @property
    def next_due(self) -> float:
        """When time will have made something due in a run, or earlier; ``math.inf`` if never."""
        self._look_at_changed()
        return self._schedule.next

    def take_due(self, now: float) -> list[OpenRun]:
        """The runs that are to be looked at now."""
        self._look_at_changed()
        return self._schedule.take_due(now)

    def is_stored(self) -> None:
        """All that has happened so far is stored."""
        self._look_at_changed()
        self.changed.clear()

    def _look_at_changed(self) -> None:
        """What has happened in a run may let time make something due sooner."""
        for run in self.changed:
            due = run.tree.next_due if run.has_spans else math.inf
            self._schedule.look_by(run, min(due, self.closes_by(run)))

    def closes_by(self, run: OpenRun) -> float:
        """When a run is closed if nothing more comes of it. One that is over is closed soon; one
        that is not, or in which something is open, when nothing is to be expected any more."""
        if run.is_to_be_closed:
            linger = run.tenant.config.run_linger
            return run.touched + (max(linger, CALLED_LINGER) if run.has_called else linger)
        if run.handle is not None:
            return math.inf if run.over_since is None else run.over_since + MAX_LINGER
        config = run.tenant.config
        if config.run_scope == "provider":  # also one that is left, while spans of it are open
            return math.inf
        return run.touched + config.run_idle_timeout

    def forget(self, run: OpenRun) -> None:
        """A run is closed."""
        self._schedule.forget(run)
        self.changed.pop(run, None)
