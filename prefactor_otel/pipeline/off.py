"""What stands for the worker where nothing is sent: there are no usable settings, or the process
was forked off after the shutdown."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from prefactor_otel.delivery.operation import FinishStatus, Registered
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.pipeline.inbox import Inbox, lose
from prefactor_otel.runs.events import AboutRun, Awaited, Foretold
from prefactor_otel.spans.source import Reader
from prefactor_otel.spans.view import Attributes
from prefactor_otel.stats.counters import Counters, DropReason, Stats


class Off:
    """Refuses every span, and counts it."""

    is_closing = True
    has_room = False
    filled = 1.0
    has_terminated = False
    run_id = None

    def __init__(self, reader: Reader[Any], state: Literal["off", "closed"] = "off") -> None:
        self.inbox = Inbox(0, reader)
        self.terminated = threading.Event()
        """Never set."""
        self._state: Literal["off", "closed"] = state
        self._counters = Counters()

    @property
    def has_lost_nothing(self) -> bool:
        """Whether nothing was handed over."""
        return self._counters.lost == 0

    def wake(self, *, urgent: bool = False) -> None:
        """Nobody sleeps."""

    def bind(self, resource: Attributes) -> None:
        """No run has it."""

    def tell(self, event: AboutRun | Awaited | Foretold) -> None:
        """There is no run of which to tell."""

    @property
    def refused_agents(self) -> Mapping[str, str]:
        """Nobody was asked."""
        return {}

    def registered(self, handle: str | None) -> Registered | None:
        """No run is."""
        return None

    def refuse(self, spans: Sequence[object], receipt: Receipt | None = None) -> bool:
        """Account for spans that are not sent. False: they are lost."""
        is_off = self._state == "off"
        reason = DropReason.NOT_CONFIGURED if is_off else DropReason.AFTER_SHUTDOWN
        self._counters.refuse(reason, len(spans))
        if receipt is not None:
            lose(receipt)
        return False

    def refuse_record(self) -> None:
        """What it tells of is not sent, either."""

    def begin_close(self, deadline: float, run_status: FinishStatus | None = None) -> None:
        """There is nothing to be done."""

    def close(self, deadline: float, run_status: FinishStatus | None = None) -> bool:
        """There is nothing to be done. Whether nothing was handed over."""
        return self.has_lost_nothing

    def stats(self) -> Stats:
        """What was refused."""
        return self._counters.snapshot(state=self._state)
