"""Long work lets other threads have the interpreter, and stands still no more than that takes."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prefactor_otel.host.pace import STRETCH, sliced


@contextmanager
def taken_after(seconds: float) -> Iterator[None]:
    """Python takes the interpreter from a busy thread after so long."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def times_asleep() -> int:
    """How often long work gives up its processor by itself, where no other thread is in its way."""
    return min(_asleep_once() for _ in range(20))


def _asleep_once() -> int:
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    assert sum(map(len, sliced(range(10), 1))) == 10
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_work_pauses_for_others() -> None:
    with taken_after(0.005):
        assert times_asleep() >= 9


def test_work_does_not_pause_where_the_interpreter_is_taken_from_it_soon_enough() -> None:
    with taken_after(STRETCH):
        assert times_asleep() == 0
