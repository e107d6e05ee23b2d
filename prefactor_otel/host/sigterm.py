"""``SIGTERM``, which by default ends a process before anything of ours, or of it, has run."""

import signal
import sys
import threading
from functools import wraps
from types import FrameType
from typing import Final

from prefactor_otel.host import exits
from prefactor_otel.stats.log import logger

EXIT_CODE: Final = 128 + signal.SIGTERM

_done: set[str] = set()
"""What has been set or said in this process. Forked children inherit it, as they do handlers."""


def exit_on_sigterm() -> None:
    """Let ``SIGTERM`` end the main thread by ``SystemExit(143)``, so that ``finally`` blocks and
    ``atexit`` hooks run. A handler of the application's stays in force, and so does ignoring;
    where that ends by raising the signal anew, everything of ours is closed before."""
    if "set" in _done:
        return
    if not _is_main_thread():
        if "warned" not in _done:
            _done.add("warned")
            logger.warning(
                "handle_sigterm has no effect outside of the main thread, where Python sets signals"
            )
        return
    _done.add("set")
    _close_before_raising()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    if exits.is_ending() and _others_work():
        signal.raise_signal(signal.SIGTERM)  # there is nothing left to unwind
    if exits.is_ending() or _runs_finalizers():
        return  # an exception would cut the end short that is under way
    # Nothing else: the main thread may hold any lock at this moment.
    raise SystemExit(EXIT_CODE)


def _close_before_raising() -> None:
    """Close everything where ``SIGTERM`` is raised by the process itself.

    So do servers that have stopped gracefully, once they have put back the handler that was there
    before theirs: their parents are to see what has ended them. There is no other moment to know
    of: nobody can put a handler under one that is in force already, which it is where a worker
    loads its application, and the default action ends the process at once.
    """
    raise_signal = signal.raise_signal

    @wraps(raise_signal)
    def close_and_raise(signalnum: int, /) -> None:
        is_last = signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _exit)
        if signalnum == signal.SIGTERM and is_last and _is_main_thread():
            exits.shutdown()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise_signal(signalnum)

    signal.raise_signal = close_and_raise


def _others_work() -> bool:
    """Whether there are threads that the interpreter waits for before it goes."""
    return any(not thread.daemon for thread in threading.enumerate() if thread.is_alive())


def _runs_finalizers() -> bool:
    """Whether a child of multiprocessing has done its work."""
    util = sys.modules.get("multiprocessing.util")
    return util is not None and bool(util.is_exiting())


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
