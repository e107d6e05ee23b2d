"""The runs that begin with a trace, named where its first span starts: what that calls a moment
later is told of a run of which the worker does not know yet."""

from collections import OrderedDict
from typing import Final

from prefactor_otel.delivery.operation import new_key

MOST: Final = 10_000
"""Keys that are kept."""


class Begun:
    """The keys of the latest of them, by trace. From any thread: each step is one of the
    interpreter's."""

    def __init__(self) -> None:
        self._keys: OrderedDict[int, str] = OrderedDict()

    def begin(self, trace_id: int) -> str:
        """A run begins with this trace. Returns a key for it."""
        key = self._keys[trace_id] = new_key()
        if len(self._keys) > MOST:
            self._keys.popitem(last=False)
        return key

    def of(self, trace_id: int) -> str | None:
        """The key of the run that began with this trace, if it is one of the latest."""
        return self._keys.get(trace_id)
