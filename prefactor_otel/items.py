"""What waits in the outbox: one API operation each, encoded once, named by its idempotency key.

An item does not hold the instance's id or the account's partition: neither is known before the
run is registered. The sender writes them in front of the body when it builds a request.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from prefactor_http import pfid
from prefactor_otel.span import SpanKey, SpanView


class Operation(StrEnum):
    """The API operations, in the order in which one run needs them."""

    REGISTER = "register"
    START = "start"
    CREATE = "create"
    FINISH_SPAN = "finish_span"
    FINISH_RUN = "finish_run"


class SpanRef(bytes):
    """16 bytes that name an agent span before the partition is known: 6 of milliseconds, 10 of
    the hash of run, trace id and span id. The same span has the same ref for ever."""

    __slots__ = ()

    def pfid(self, partition: int) -> str:
        """The agent span's id in this partition."""
        number = int.from_bytes(self, "big")
        return pfid.encode(number >> 80, partition, number & pfid.MAX_RANDOM)


def span_ref(run: str, view: SpanView) -> SpanRef:
    """The ref of a span within a run. The run is part of it because a forked child that ends
    its copy of a span must not take the parent process's id for it."""
    milliseconds = min(max(view.start_ns // 1_000_000, 0), pfid.MAX_TIMESTAMP_MS)
    named = f"{run}{view.key.trace_hex}{view.key.span_hex}".encode()
    random = hashlib.blake2b(named, digest_size=10, usedforsecurity=False).digest()
    return SpanRef(milliseconds.to_bytes(6, "big") + random)


def span_idempotency_key(run: str, key: SpanKey, operation: Operation) -> str:
    """8 to 64 characters, as bulk demands; never different for the same span and operation."""
    return f"{run[:12]}{key.trace_hex}{key.span_hex}{operation.value[0]}"


@dataclass(frozen=True, slots=True)
class Item:
    """One operation. ``body`` holds the members of a JSON object, without its braces.

    ``ends_span`` marks the item whose acknowledgement means that a finished span has arrived.
    """

    run: str
    operation: Operation
    key: str
    body: bytes
    span: SpanRef | None = None
    parent: SpanRef | None = None
    ends_span: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes in a request, at most."""
        return len(self.body) + 320
