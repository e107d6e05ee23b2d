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
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, ExitStack
from contextvars import copy_context
from typing import Final, Protocol

from opentelemetry import trace

from prefactor_otel.host.nesting import exporters_in, processors_of
from prefactor_otel.living import Living
from prefactor_otel.stats.log import logger
from prefactor_otel_transport.daemon import in_daemon

FLUSH_TIMEOUT: Final = 30_000
"""Milliseconds; that of the SDK."""

_OVERRUN: Final = 1.0
"""Seconds beyond a flush's own timeout after which ``aflush`` leaves it: a processor before ours
may know of no timeout."""

_PART_OF_OTHERS: Final = 0.5
"""Of the time for a shutdown: what processors of others may take of it, which may hang."""
_LEAST: Final = 0.5
"""Seconds that these have at least, for who has no time is to hear whether they hold anything."""


def is_ending() -> bool:
    """Whether the interpreter is on its way out: then no thread is to be asked for any more."""
    return not threading.main_thread().is_alive()


class Flushable(Protocol):
    """A processor of whatever stands before us."""

    def force_flush(self, timeout_millis: int = FLUSH_TIMEOUT) -> bool:
        """Part with all spans. Whether that is done."""
        ...


class Closable(Protocol):
    """What wants to be closed before its process is gone."""

    @property
    def owners(self) -> Living[object]:
        """The providers that are known to hand it spans."""
        ...

    @property
    def shutdown_timeout(self) -> float:
        """Seconds that a shutdown may take where nobody says how many."""
        ...

    @property
    def is_closing(self) -> bool:
        """Whether shutdown has begun; what comes now is too late."""
        ...

    def nobody_waits(self) -> AbstractContextManager[None]:
        """While inside, whoever hands over spans does not wait for their delivery."""
        ...

    def flush(self, timeout_millis: float) -> bool:
        """Deliver what waits. Whether everything was delivered."""
        ...

    def begin_shutdown(self, timeout_millis: float | None = None) -> None:
        """Take nothing more, and deliver what waits: ``shutdown`` waits for that."""
        ...

    def shutdown(self, timeout_millis: float | None = None) -> bool:
        """Deliver what waits, and end. Whether everything was delivered."""
        ...


_open: Final[Living[Closable]] = Living()
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
    flushed = [_hand_over(deadline)]
    flushed += [each.flush(milliseconds_to(deadline)) for each in _open]
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
    delivered and every run is finished; True also where nothing was set up, False where it was off
    and has been given spans. What ends later is dropped and counted. A loss is told once: the next
    call is about what was set up, or was given spans, since.
    """
    begun, closing = time.monotonic(), list(_open)
    given = timeout_millis / 1000 if timeout_millis is not None else None
    seconds = {each: each.shutdown_timeout if given is None else given for each in closing}
    longest = max(seconds.values(), default=0.0) if given is None else given
    parted = _hand_over(begun + longest * _PART_OF_OTHERS)
    # All at the same time: one after another they would take as many times the timeout.
    for each in closing:
        each.begin_shutdown(milliseconds_to(begun + seconds[each]))
    ended = {each: each.shutdown(milliseconds_to(begun + seconds[each])) for each in closing}
    for each, is_delivered in ended.items():
        if not is_delivered:
            _open.discard(each)
    return parted and all(ended.values())


def _hand_over(deadline: float) -> bool:
    """Have the processors before ours part with the spans that we have not seen. Whether all of
    them have done so."""
    owners = [owner for each in _open for owner in each.owners]
    providers = [trace.get_tracer_provider(), *owners]
    processors = {id(each): each for provider in providers for each in processors_of(provider)}
    with ExitStack() as stack:
        for each in _open:
            stack.enter_context(each.nobody_waits())
        flushing = [_flushing(each, deadline) for each in filter(_leads_to_us, processors.values())]
        wait(flushing, max(_LEAST, deadline - time.monotonic()))
    parted = [_has_parted(each) for each in flushing]
    return all(parted)


def _flushing(processor: Flushable, deadline: float) -> "Future[bool]":
    """The flush of a processor, on a thread of its own: a signal handler may have interrupted this
    one amid such a flush, under a lock of the processor's. At the interpreter's end there is none
    to be had."""
    context, left = copy_context(), milliseconds_to(deadline)
    flushing: Future[bool] = Future()
    try:
        if not is_ending():
            return in_daemon(lambda: context.run(processor.force_flush, left), "prefactor-flush")
        flushing.set_result(processor.force_flush(left))
    except Exception as error:
        flushing.set_exception(error)
    return flushing


def _has_parted(flushing: "Future[bool]") -> bool:
    if not flushing.done():
        logger.warning("A processor is not flushed yet; spans that it holds may be lost")
        return False
    error = flushing.exception()
    if error is not None:
        logger.warning("A processor could not be flushed: %s", type(error).__name__)
    # Not all that promise a bool return one.
    return error is None and flushing.result() is not False


def _leads_to_us(processor: object) -> bool:
    """Whether an exporter of ours is behind it that still takes spans. Our own processor keeps
    nothing back."""
    pipelines = [getattr(each, "pipeline", None) for each in exporters_in(processor)]
    return any(each in pipelines and not each.is_closing for each in _open)


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
    if util is not None and list(_open) and "bootstrap" not in _hooked:
        _hooked.add("bootstrap")
        util.register_after_fork(_hook_finalizers, _hook_finalizers)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_await_bootstrap)
