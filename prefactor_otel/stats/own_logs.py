"""Our log lines are shown, but not exported: telemetry about telemetry feeds on itself.

OpenTelemetry's ``LoggingHandler`` asks neither for suppression nor for the logger, and sits on the
root logger. So the decision is taken where a record goes to its handlers: our own logger passes
those by, and so do the loggers of what works for us, for records of our thread only. No handler,
level or filter of the application is touched.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

HELPERS: Final = ("asyncio", "aiohttp.client", "aiohttp.internal", "prefactor_otel.transport")
"""Loggers of the libraries that do our work."""

_own = threading.local()


@contextmanager
def own_thread() -> Iterator[None]:
    """While inside, what happens on this thread is our own work."""
    _own.active = True
    for name in HELPERS:
        logging.getLogger(name).addFilter(_rerouted)  # adding it again changes nothing
    try:
        yield
    finally:
        _own.active = False


def is_own_thread() -> bool:
    """Whether this thread does our work."""
    return getattr(_own, "active", False)


def own_logger(name: str) -> logging.Logger:
    """The logger of this name, whose records are not exported."""
    logger = logging.getLogger(name)
    if not isinstance(logger, _NotExported):
        base = type(logger)  # the application may have a class of its own for loggers
        logger.__class__ = type("OwnLogger", (_NotExported, base), {})
    return logger


def unheard(name: str) -> logging.Logger:
    """A logger for an HTTP server's own lines, which nobody is shown: of what is no HTTP they have
    a traceback each, and quote what was sent."""
    logger = logging.Logger(name)
    logger.disabled = True
    return logger


class _NotExported(logging.Logger):
    def callHandlers(self, record: logging.LogRecord) -> None:
        """Hand a record to every handler that concerns it, exporting ones excepted."""
        _show(self, record)


class _Rerouted(logging.Filter):
    """Shows the records of our thread itself, and lets all others pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_own_thread():
            return True
        _show(logging.getLogger(record.name), record)
        return False


_rerouted: Final = _Rerouted()


def _show(logger: logging.Logger, record: logging.LogRecord) -> None:
    handlers = list(_handlers(logger))
    for handler in handlers:
        if record.levelno >= handler.level and not _is_exporting(handler):
            with suppress(Exception):  # a closed stream is no reason to hurt whoever ended a span
                handler.handle(record)
    last = logging.lastResort
    if last is not None and record.levelno >= last.level and all(map(_is_exporting, handlers)):
        with suppress(Exception):
            last.handle(record)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    above: logging.Logger | None = logger
    while above is not None:
        yield from above.handlers
        above = above.parent if above.propagate else None


def _is_exporting(handler: logging.Handler) -> bool:
    # By name: the class lives in the SDK, or in an instrumentation that may not be installed.
    return any(
        each.__name__ == "LoggingHandler" and each.__module__.startswith("opentelemetry.")
        for each in type(handler).__mro__
    )
