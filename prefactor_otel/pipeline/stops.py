"""What the platform says of runs that are open: that one is to stop, or that one is over."""

import threading
from collections.abc import Callable

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.operation import is_shared
from prefactor_otel.delivery.poll import Watched
from prefactor_otel.host.termination import Task, TerminatedRun, announce, event_of
from prefactor_otel.pipeline import graphs
from prefactor_otel.pipeline.inbox import Inbox
from prefactor_otel.runs.lives import Lives
from prefactor_otel.stats.log import QuietLog, logger


class Stops:
    """What becomes of a run of which the platform says so, and of its agent. ``instance_of`` gives
    the agent instance's id of a run by its key, None until the API has registered it."""

    def __init__(
        self,
        config: Config,
        inbox: Inbox,
        lives: Lives,
        log: QuietLog,
        instance_of: Callable[[str], str | None],
    ) -> None:
        self.terminated = threading.Event()
        """Set when the run of the process was terminated."""
        self._reaction = config.on_terminate
        self._inbox = inbox
        self._lives = lives
        self._log = log
        self._instance_of = instance_of

    def watched(self) -> list[Watched]:
        """The runs that the platform can be asked for."""
        return [
            Watched(open_run.run.key, instance_id, open_run.opened)
            for open_run in self._lives.stoppable()
            if (instance_id := self._instance_of(open_run.run.key)) is not None
        ]

    def on_terminated(self, key: str, reason: str | None) -> None:
        """Somebody has stopped a run: its agent is told, as ``on_terminate`` asks for."""
        instance_id = self._instance_of(key)
        run = self._lives.terminate(key, instance_id, reason) if instance_id else None
        if run is None or run.terminated is None:
            return
        logger.warning(
            "Run %s was terminated on the platform; its later spans are not sent", run.terminated.id
        )
        self._warn_if_unseen()
        if run.handle is not None:
            event_of(run.handle).set()
        if key == self._lives.process_key:
            self.terminated.set()
        self._announce(run.terminated, list((run.tasks or {}).values()))

    def on_over(self, key: str) -> None:
        """Somebody has ended a run on the platform. One in which others have a part goes on: what
        comes of it is sent as before, and by that to where it is to be."""
        if not is_shared(key):
            self.on_shut(key)

    def on_shut(self, key: str) -> None:
        """Nothing more can be sent of a run that the platform has ended."""
        instance_id = self._instance_of(key)
        if instance_id is not None and self._lives.leave(key):
            logger.warning(
                "Run %s was ended on the platform before its agent did; what comes begins another",
                instance_id,
            )

    def _announce(self, run: TerminatedRun, tasks: list[Task]) -> None:
        announce(run, self._reaction, tasks, lambda text: self._log.warn("reaction", text))

    def _warn_if_unseen(self) -> None:
        if self._reaction == "raise" and graphs.have_begun():
            return
        if isinstance(self._reaction, str) and not self._inbox.sees_starts:
            self._log.warn(
                "on_terminate",
                f"on_terminate={self._reaction!r} needs span starts, which this provider hides: "
                "use PrefactorSpanProcessor or prefactor_otel.TracerProvider",
            )
