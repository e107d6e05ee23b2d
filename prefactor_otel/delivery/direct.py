"""Single requests whose caller waits for the answer, beside all that is delivered in its own time.

Each is tried again as long as that may help and there is time, with the body that it had, and so
under the same idempotency key.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import ClientError

from prefactor_otel.delivery.client import ApiClient, ApiError
from prefactor_otel.delivery.verdicts import NOT_FOUND, Answer, Verdict, fields_in, judge_request
from prefactor_otel.errors import (
    PrefactorRequestError,
    PrefactorTokenError,
    PrefactorUnavailableError,
)
from prefactor_otel.payload.encode import encode
from prefactor_otel_transport.waits import jittered

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 5.0
"""Seconds between two attempts, where the API does not say how many."""

Reply = Mapping[str, object]


class Refused(Exception):
    """The API has refused what was asked, and would again. Its text holds no content."""

    def __init__(self, error: ApiError, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.status = error.status
        self.fields = fields_in(error.errors)
        self.is_unknown = error.status == 404 or answer.code == NOT_FOUND

    def told(self, what: str) -> PrefactorRequestError:
        """The same for the application; ``what`` it was that was refused."""
        return PrefactorRequestError(f"Prefactor refused {what} ({self})", status=self.status)


class Direct:
    """Requests to the API until ``timeout`` seconds from now have passed, all of them together."""

    def __init__(self, client: ApiClient, timeout: float) -> None:
        self._client = client
        self._until = time.monotonic() + timeout

    async def get(self, path: str) -> Reply:
        """The answer. Raises ``Refused``, and what a token or an API that is away makes of it:
        ``PrefactorTokenError`` and ``PrefactorUnavailableError``."""
        return await self._tried(lambda: self._client.get(path))

    async def post(self, path: str, body: Mapping[str, object]) -> Reply:
        """The same, of a body."""
        encoded = encode(body)
        return await self._tried(lambda: self._client.post(path, encoded))

    async def put(self, path: str, body: Mapping[str, object]) -> Reply:
        """The same, in place of what is there."""
        encoded = encode(body)
        return await self._tried(lambda: self._client.put(path, encoded))

    async def _tried(self, attempt: Callable[[], Awaitable[Reply]]) -> Reply:
        wait, reason = _FIRST_WAIT, "no answer in time"
        while True:
            try:
                async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                    return await attempt()
            except (ApiError, ClientError, OSError) as error:
                answer = judge_request(error)
                if isinstance(error, ApiError) and answer.verdict is not Verdict.LATER:
                    raise _final(error, answer) from None
                reason = answer.reason if not isinstance(error, TimeoutError) else reason
            pause = answer.retry_after if answer.retry_after is not None else jittered(wait)
            if time.monotonic() + pause >= self._until:
                raise PrefactorUnavailableError(
                    f"Prefactor could not be reached ({reason}); nothing is known to be recorded"
                )
            await asyncio.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


def _final(error: ApiError, answer: Answer) -> Exception:
    if answer.verdict is Verdict.UNAUTHORIZED:
        return PrefactorTokenError(
            f"Prefactor refused the token ({answer.reason}): it is wrong, expired, or not one for "
            "this; set PREFACTOR_API_TOKEN or pass api_token=",
            status=error.status,
        )
    return Refused(error, answer)
