"""Which ended spans log records are still to tell of, and the waiting for these."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from prefactor_otel.gateway.reader import Entry
from prefactor_otel.mapping.dialects.events import CHOICE, DETAILS
from prefactor_otel.spans.logs import Origin, OtlpRecord, origin_of
from prefactor_otel.spans.view import SpanKey

K = TypeVar("K")

_LAST: Final = frozenset((CHOICE, DETAILS))
"""Records that are written when a call is over."""
_MOST_ORIGINS: Final = 1024
_MOST_TOLD: Final = 8192


class Records:
    """What is known of one account's log records. An origin that has sent any is expected to tell
    of every span of its own. One event loop owns it."""

    def __init__(self, log_wait: float) -> None:
        self._log_wait = log_wait
        self._origins: OrderedDict[Origin, None] = OrderedDict()
        self._told: OrderedDict[SpanKey, None] = OrderedDict()
        self._awaited: defaultdict[SpanKey, list[asyncio.Event]] = defaultdict(list)

    def note(self, records: Iterable[OtlpRecord]) -> None:
        """These have come, and are handed over."""
        for record in records:
            _keep(self._origins, record.origin, _MOST_ORIGINS)
            if record.name in _LAST:
                _keep(self._told, record.key, _MOST_TOLD)
                for told in self._awaited.get(record.key, ()):
                    told.set()

    async def wait_for(self, spans: Sequence[Entry]) -> None:
        """Until records have told of all of these spans of which they are expected to, and at most
        ``log_wait``."""
        missing = [span.key for span in spans if self._is_missing(span)] if self._origins else []
        if not missing or not self._log_wait:
            return
        events = {key: asyncio.Event() for key in missing}
        for key, told in events.items():
            self._awaited[key].append(told)
        try:
            with suppress(TimeoutError):  # what comes from now on is counted as unmatched
                async with asyncio.timeout(self._log_wait):
                    for told in events.values():
                        await told.wait()
        finally:
            for key, told in events.items():
                self._awaited[key].remove(told)
                if not self._awaited[key]:
                    del self._awaited[key]

    def _is_missing(self, span: Entry) -> bool:
        is_told_of = origin_of(span.resource, span.scope_name) in self._origins
        return is_told_of and span.key not in self._told


def _keep(known: OrderedDict[K, None], one: K, most: int) -> None:
    """Remember one more, and forget what was named longest ago."""
    known[one] = None
    known.move_to_end(one)
    if len(known) > most:
        known.popitem(last=False)
