"""Work that may hang, on a thread that keeps no process from ending."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_daemon(work: Callable[[], T], name: str) -> Future[T]:
    """Do ``work`` on a daemon thread of its own. Threads of executors will not do: the interpreter
    waits for them at its end. Raises ``RuntimeError`` where no thread can be had, as at exit."""
    if not threading.main_thread().is_alive():  # newer Pythons refuse, and older ones in part
        raise RuntimeError("the interpreter ends")
    outcome: Future[T] = Future()
    threading.Thread(target=settle, args=(outcome, work), name=name, daemon=True).start()
    return outcome


def settle(outcome: Future[T], work: Callable[[], T]) -> None:
    """Do it here, and tell what came of it."""
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(work())
    except BaseException as error:
        outcome.set_exception(error)
