"""An event loop that shares its OS thread with an application under gevent.

There the worker's thread is a greenlet, and asyncio keeps the loop that runs by OS thread: the
application's greenlets would find the worker's loop running, and could not run their own. They get
their turn while this loop waits in its selector, so there it stands aside. It cannot where a
connection is made, for looking up a name changes greenlets as well; that is said in a log line.
"""

import asyncio
import selectors
import sys
from asyncio import events
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from prefactor_otel.stats.log import logger
from prefactor_otel_transport.daemon import settle

T = TypeVar("T")

_warned = False


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the worker's loop in this process."""
    return _polite_loop if are_threads() else asyncio.new_event_loop


def warn_once() -> None:
    """Say what does not work under gevent, and what to do about it."""
    global _warned
    if are_threads() and not _warned:
        _warned = True
        logger.warning(
            "gevent has patched this process: spans are delivered, but asyncio.run() elsewhere in "
            "it can fail while the exporter connects. An application that uses asyncio should "
            "call monkey.patch_all(thread=False, queue=False)"
        )


def are_threads() -> bool:
    """Whether gevent has made greenlets of all threads."""
    return _has_patched("threading")


def are_greenlets() -> bool:
    """Whether gevent is at work here: then a thread that waits holds up all greenlets on it."""
    return _has_patched("socket")


def _has_patched(module: str) -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(module))


def apart(work: Callable[[], T]) -> Future[T]:
    """Do work that runs a loop of its own, on a thread that is no greenlet of the application's,
    where there is gevent; these go on meanwhile."""
    outcome: Future[T] = Future()
    sys.modules["gevent"].get_hub().threadpool.apply(settle, (outcome, work))
    return outcome


def _polite_loop() -> asyncio.AbstractEventLoop:
    theirs = events._get_running_loop()

    class PoliteSelector(selectors.DefaultSelector):  # which gevent has replaced by its own
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            nonlocal theirs
            ours = events._get_running_loop()
            events._set_running_loop(theirs)
            try:
                return super().select(timeout)
            finally:
                theirs = events._get_running_loop()
                events._set_running_loop(ours)

    class PoliteLoop(asyncio.SelectorEventLoop):
        def run_forever(self) -> None:
            nonlocal theirs
            theirs = events._get_running_loop()
            events._set_running_loop(None)
            try:
                super().run_forever()
            finally:
                events._set_running_loop(theirs)

    return PoliteLoop(PoliteSelector())
