"""What work leaves behind in memory."""

import gc
import tracemalloc
from collections.abc import Callable


def growth(first: Callable[[], object], work: Callable[[], object]) -> int:
    """Bytes that are allocated after some work and were not before it, garbage aside. What is
    made once, the work that comes first has made."""
    tracemalloc.start()
    try:
        before = _allocated_after(first)
        return _allocated_after(work) - before
    finally:
        tracemalloc.stop()


def _allocated_after(work: Callable[[], object]) -> int:
    work()
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
