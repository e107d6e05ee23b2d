"""The API token: a fixed one, or what a function of the application says it is now."""

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from prefactor_otel.stats.own_logs import own_thread
from prefactor_otel_transport.daemon import in_daemon

TokenSource = Callable[[], str]

UNREAD: Final = "unread"
"""Stands for the token in a client that has not sent anything."""

PATIENCE: Final = 10.0
"""Seconds that the application's function has for its answer."""


def usable_token(token: object) -> str:
    """A token without the space around it. Raises ``ValueError``, which never quotes it."""
    if not isinstance(token, str):
        raise ValueError("must be text")
    stripped = token.strip()
    if not stripped:
        raise ValueError("must not be blank")
    if not stripped.isprintable() or not stripped.isascii():
        raise ValueError("must be printable ASCII")
    return stripped


def usable_source(token: object) -> str | TokenSource:
    """A usable token, or a function that is asked for one. Raises ``ValueError``."""
    return token if callable(token) else usable_token(token)


def read_token(source: str | TokenSource) -> str:
    """The token as it is now. Raises ``ValueError`` where there is no usable one; it says why,
    without anything that the application's function has said."""
    if isinstance(source, str):
        return source
    try:
        token: object = source()
    except BaseException as error:  # SystemExit as well: it is not this thread's to end
        problem = f"api_token() raised {type(error).__name__}"
    else:
        if not inspect.iscoroutine(token):
            return _returned(token)
        token.close()
        problem = "api_token() is a coroutine function; pass one that returns the token"
    raise ValueError(problem)


def _returned(token: object) -> str:
    try:
        return usable_token(token)
    except ValueError as error:
        problem = f"what api_token() returns {error}"
    raise ValueError(problem)


class TokenReader:
    """Reads the token without waiting for it on the loop: the application's function may hang."""

    def __init__(self, source: str | TokenSource) -> None:
        self._source = source
        self._asked: Future[str] | None = None

    async def read(self) -> str:
        """The token as it is now. Raises ``ValueError`` as ``read_token`` does, and when there is
        none within ``PATIENCE`` seconds; the function is not called again while it hangs."""
        if isinstance(self._source, str):
            return self._source
        if self._asked is None:
            self._asked = self._ask(self._source)
        asked = asyncio.wrap_future(self._asked)
        asked.add_done_callback(_seen)
        try:
            token = await asyncio.wait_for(asyncio.shield(asked), PATIENCE)
        except TimeoutError:
            raise ValueError(f"api_token() has not returned for {PATIENCE:.0f} s") from None
        finally:
            if self._asked.done():
                self._asked = None
        return token

    def _ask(self, source: TokenSource) -> Future[str]:
        context = contextvars.copy_context()  # in which nothing is traced
        try:
            return in_daemon(lambda: context.run(_quietly, source), "prefactor-token")
        except RuntimeError:  # no thread can be had any more
            token: Future[str] = Future()
            token.set_result(read_token(source))
            return token


def _seen(asked: "asyncio.Future[str]") -> None:
    # Else asyncio complains when nobody waits any more for what the function raised.
    if not asked.cancelled():
        asked.exception()


def _quietly(source: TokenSource) -> str:
    with own_thread():
        return read_token(source)
