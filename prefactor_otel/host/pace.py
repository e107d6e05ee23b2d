"""Long work in short pieces: other threads get the interpreter in between.

Python takes it from a busy thread only after 5 ms (``sys.getswitchinterval``), for which the start
or the end of a span would stand still on the application's thread. In a process that has it taken
sooner there is no need to pause, nor a thread that has to wake up for it.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from prefactor_otel.host import gevent_loop

T = TypeVar("T")

_PAUSE: Final = 20e-6
"""Seconds. A sleep of none lets no thread in that has to wake up first."""

STRETCH: Final = 0.0005
"""Seconds of work between two pauses."""


def breathe() -> None:
    """Let other threads run now; but no greenlets, which would meet a running event loop."""
    if sys.getswitchinterval() > STRETCH and not gevent_loop.are_threads():
        time.sleep(_PAUSE)


class Pace:
    """For how long something is done, and when it pauses: by the time that it has taken."""

    def __init__(
        self, seconds: float, may_go_on: Callable[[], bool], *, hurries: bool = False
    ) -> None:
        self._until = time.monotonic() + seconds
        self._may_go_on = may_go_on
        self._hurries = hurries
        self._look_at = 0.0
        self._is_over = False

    def goes_on(self) -> bool:
        """Asked between two pieces of the work: whether there is time for the next. Once it says
        no, it is over."""
        now = time.monotonic()
        if now < self._look_at:
            return True
        if self._is_over or now >= self._until or not self._may_go_on():
            self._is_over = True
            return False
        if self._look_at and not self._hurries:
            breathe()
        self._look_at = now + STRETCH
        return True


def sliced(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The values, so many at a time, with a pause before each slice but the first."""
    for begin in range(0, len(values), size):
        if begin:
            breathe()
        yield values[begin : begin + size]
