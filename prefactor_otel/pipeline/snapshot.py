"""What other threads may read of the work, which one thread does: a value of one instant."""

from typing import Final, NamedTuple

from prefactor_otel.stats.counters import State

STALLED_AFTER: Final = 2.0
"""Seconds without an answer after which nobody is kept waiting for the API."""


class Snapshot(NamedTuple):
    """How the delivery and the run of the process were at a time of the monotonic clock, ``at``.

    The thread that does the work changes what this is made of, and nobody else. Each part is one
    step of the interpreter to read, so that it is made on any thread, without a lock, also by a
    signal handler amid a change; ``Parts.snapshot`` makes it.
    """

    at: float
    failing: bool
    """Whether the last request that is over has failed."""
    paused: bool
    """Whether the API refuses the token."""
    sending_since: float | None
    """When the oldest request that is not answered yet was made."""
    run_id: str | None
    """The agent instance's id; None until the run of the process is registered."""
    is_refused: bool
    """Whether the API has refused to register that run."""
    is_terminated: bool
    """Whether somebody has stopped it on the platform."""
    waits_for_spans: bool
    """Whether it begins with its first span only, or is none at all."""
    is_closed: bool
    """Whether everything is over."""

    @property
    def is_silent(self) -> bool:
        """Whether the API fails, or has not answered for long."""
        since = self.sending_since
        return self.failing or (since is not None and self.at - since > STALLED_AFTER)

    @property
    def is_answering(self) -> bool:
        """Whether waiting for an acknowledgement makes sense."""
        return not (self.is_silent or self.is_refused)

    @property
    def state(self) -> State:
        """All of it in a word."""
        if self.is_closed:
            return "closed"
        if self.is_refused:
            return "failed"
        if self.paused:
            return "paused"
        if self.is_terminated:
            return "terminated"
        return "running" if self.waits_for_spans or self.run_id is not None else "starting"
