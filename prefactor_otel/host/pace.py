"""Long work in short pieces: other threads get the interpreter in between.

Python takes it from a busy thread only after 5 ms (``sys.getswitchinterval``), for which the start
or the end of a span would stand still on the application's thread.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from prefactor_otel.host import gevent_loop

T = TypeVar("T")

_PAUSE: Final = 20e-6
"""Seconds. A sleep of none lets no thread in that has to wake up first."""


def breathe() -> None:
    """Let other threads run now; but no greenlets, which would meet a running event loop."""
    if not gevent_loop.are_threads():
        time.sleep(_PAUSE)


def sliced(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The values, so many at a time, with a pause before each slice but the first."""
    for begin in range(0, len(values), size):
        if begin:
            breathe()
        yield values[begin : begin + size]
