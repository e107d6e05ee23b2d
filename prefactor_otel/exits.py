"""Ends of a process that ``atexit`` does not see, or not in time.

Children of ``multiprocessing`` (and of its relative, billiard) end by ``os._exit`` after they have
run their finalizers, pool workers of Celery after one signal of its own, and a process that gets
``SIGTERM`` at once. Each hook is made only where the library in question is loaded already.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Final, Protocol
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from prefactor_otel.ledger import logger

SIGTERM_EXIT_CODE: Final = 128 + signal.SIGTERM


def is_ending() -> bool:
    """Whether the interpreter is on its way out: then no thread is to be asked for any more."""
    return not threading.main_thread().is_alive()


class Closable(Protocol):
    """What wants to be closed before its process is gone."""

    def close_at_exit(self) -> None:
        """Deliver what waits, and end."""
        ...


_open: WeakSet[Closable] = WeakSet()
_hooked: set[str] = set()
"""The hooks of this process that are in place. Forked children inherit the signals' ones."""


def watch(closable: Closable) -> None:
    """Close this at the end of the process, also where that skips ``atexit``."""
    _open.add(closable)
    _hook_celery()
    _await_bootstrap()
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        _hook_finalizers()


def _close_all(*_: object, **__: object) -> None:
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()  # a processor before us may hold spans that we have not seen
    for closable in list(_open):
        closable.close_at_exit()


def _hook_finalizers(*_: object) -> None:
    # The process's id, for a child's list of finalizers is its own.
    hook = f"multiprocessing {os.getpid()}"
    util = sys.modules.get("multiprocessing.util")
    if util is not None and hook not in _hooked:
        _hooked.add(hook)
        util.Finalize(None, _close_all, exitpriority=0)


def _hook_celery() -> None:
    signals = sys.modules.get("celery.signals")
    if signals is not None and "celery" not in _hooked:
        _hooked.add("celery")
        signals.worker_process_shutdown.connect(_close_all, weak=False)


def _await_bootstrap() -> None:
    """Have a child of multiprocessing make the finalizers' hook when it begins its work; before
    that it empties the list. Runs in forks: it takes no lock, makes no thread, opens no file."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _open and "bootstrap" not in _hooked:
        _hooked.add("bootstrap")
        util.register_after_fork(_hook_finalizers, _hook_finalizers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_await_bootstrap)


def exit_on_sigterm() -> None:
    """Let ``SIGTERM`` end the main thread by ``SystemExit(143)``, so that ``finally`` blocks and
    ``atexit`` hooks run. An application's own handler stays in force, and so does ignoring."""
    if "sigterm" in _hooked:
        return
    if threading.current_thread() is not threading.main_thread():
        if "warned" in _hooked:
            return
        _hooked.add("warned")
        logger.warning(
            "handle_sigterm has no effect outside of the main thread, where Python sets signals"
        )
        return
    _hooked.add("sigterm")
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    # Nothing else: the main thread may hold any lock at this moment.
    raise SystemExit(SIGTERM_EXIT_CODE)
