"""The end of everything of ours in a process, for whoever asks for it, and for the ends that
``atexit`` does not see, or not in time.

Children of ``multiprocessing`` (and of its relative, billiard) end by ``os._exit`` after they have
run their finalizers, pool workers of Celery after one signal of its own. Each hook is made only
where the library in question is loaded already. For ``SIGTERM`` see ``sigterm``.
"""

import asyncio
import os
import sys
import threading
import time
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Protocol
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from prefactor_otel.ledger import logger
from prefactor_otel.nesting import inside, processors_of

FLUSH_TIMEOUT: Final = 30_000
"""Milliseconds; that of the SDK."""

_OVERRUN: Final = 1.0
"""Seconds beyond a flush's own timeout after which ``aflush`` leaves it: a processor before ours
may know of no timeout."""


def is_ending() -> bool:
    """Whether the interpreter is on its way out: then no thread is to be asked for any more."""
    return not threading.main_thread().is_alive()


class Closable(Protocol):
    """What wants to be closed before its process is gone."""

    @property
    def owner(self) -> TracerProvider | None:
        """The provider that hands it spans, if that is known."""
        ...

    def nobody_waits(self) -> AbstractContextManager[None]:
        """While inside, whoever hands over spans does not wait for their delivery."""
        ...

    def flush(self, timeout_millis: float) -> bool:
        """Deliver what waits. Whether everything was delivered."""
        ...

    def shutdown(self, timeout_millis: float | None = None) -> bool:
        """Deliver what waits, and end. Whether everything was delivered."""
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


def flush(timeout_millis: float = FLUSH_TIMEOUT) -> bool:
    """Deliver the spans of this process that have ended, however Prefactor was set up in it.

    True when all of them are acknowledged within the timeout, or on disk while the API does not
    answer; also where nothing was set up. Other exporters of the same provider are left alone.
    """
    deadline = time.monotonic() + timeout_millis / 1000
    _hand_over(deadline)
    flushed = [each.flush(milliseconds_to(deadline)) for each in list(_open)]
    return all(flushed)


async def aflush(timeout_millis: float = FLUSH_TIMEOUT) -> bool:
    """``flush`` for coroutines: the event loop goes on meanwhile."""
    try:
        async with asyncio.timeout(timeout_millis / 1000 + _OVERRUN):
            return await asyncio.to_thread(flush, timeout_millis)
    except TimeoutError:
        return False


def shutdown(timeout_millis: float | None = None) -> bool:
    """Deliver the spans of this process and finish its runs, however Prefactor was set up in it.

    Takes at most the timeout, by default the option ``shutdown_timeout``. Whether everything was
    delivered; True also where nothing was set up. What ends later is dropped and counted.
    """
    if timeout_millis is None:
        _hand_over(time.monotonic() + FLUSH_TIMEOUT / 1000)
        ended = [each.shutdown() for each in list(_open)]
    else:
        deadline = time.monotonic() + timeout_millis / 1000
        _hand_over(deadline)
        ended = [each.shutdown(milliseconds_to(deadline)) for each in list(_open)]
    return all(ended)


def _hand_over(deadline: float) -> None:
    """Have the processors before ours part with the spans that we have not seen."""
    providers = [trace.get_tracer_provider(), *(each.owner for each in list(_open))]
    processors = {id(each): each for provider in providers for each in processors_of(provider)}
    with ExitStack() as stack:
        for each in list(_open):
            stack.enter_context(each.nobody_waits())
        for processor in filter(_leads_to_us, processors.values()):
            try:
                processor.force_flush(milliseconds_to(deadline))
            except Exception as error:
                logger.warning("A processor could not be flushed: %s", type(error).__name__)


def _leads_to_us(processor: SpanProcessor) -> bool:
    """Whether an exporter of ours is behind it. Our own processor keeps nothing back."""
    exporters = (each for each in inside(processor) if isinstance(each, SpanExporter))
    return any(getattr(each, "pipeline", None) in _open for each in exporters)


def milliseconds_to(deadline: float) -> int:
    """Milliseconds until a time of the monotonic clock."""
    return max(0, round((deadline - time.monotonic()) * 1000))


def _close_all(*_: object, **__: object) -> None:
    shutdown()


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
