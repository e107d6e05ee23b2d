"""What waits in the outbox: one API operation each, encoded once, named by its idempotency key.

An item does not hold the instance's id or the account's partition: neither is known before the
run is registered. The sender writes them in front of the body when it builds a request.
"""

import re
import secrets
import time
import zlib
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache, partial
from hashlib import blake2b
from operator import itemgetter
from typing import Final, Literal, NamedTuple

from prefactor_otel_transport import pfid

OVERHEAD: Final = 320
"""Bytes that an item takes in a request besides its body, at most."""
FOOTPRINT: Final = 560
"""Bytes of memory that an item takes while it waits besides its body."""
NAME: Final = 32
"""Characters of a run's key that name it: of these its spans' ids and keys are made."""
PACKED_FROM: Final = 512
"""Bytes of a body that are worth packing."""


FinishStatus = Literal["complete", "failed", "cancelled"]
"""How a run or a span of the API may be finished."""


class Operation(StrEnum):
    """The API operations, in the order in which one run needs them. ``JOIN`` asks for a run of
    another process's."""

    JOIN = "join"
    REGISTER = "register"
    START = "start"
    CREATE = "create"
    FINISH_SPAN = "finish_span"
    QUALITY = "quality"
    FINISH_RUN = "finish_run"


class Registered(NamedTuple):
    """What the API calls a run that it has registered: the agent instance's id, and the address of
    its page, where it tells one."""

    id: str
    url: str | None


def new_key() -> str:
    """A new key for a run: 32 hexadecimal characters, 20 of the system's randomness and then 12 of
    the time, in milliseconds."""
    return f"{secrets.token_hex(10)}{time.time_ns() // 1_000_000:012x}"


def digest_of(*origin: str, size: int) -> str:
    """What follows from these texts and from no others: so many bytes, in hexadecimal."""
    text = "\0".join(origin).encode(errors="surrogatepass")
    return blake2b(text, digest_size=size).hexdigest()


def key_like(key: str, *origin: str) -> str:
    """The key of a run of the same time that follows from where it comes from."""
    return f"{digest_of(key, *origin, size=10)}{key[20:]}"


def name_of(run: str) -> str:
    """What names the run of this key, for all processes that have a part in it."""
    return run[:NAME]


def is_shared(run: str) -> bool:
    """Whether other processes may have a part in the run of this key: then it ends with what only
    this part has."""
    return len(run) > NAME


class SpanRef(bytes):
    """16 bytes that name an agent span before the partition is known: 6 of milliseconds, 10 of
    the hash of run, trace id and span id. The same span has the same ref for ever."""

    __slots__ = ()

    def pfid(self, partition: int) -> str:
        """The agent span's id in this partition."""
        return _pfid(self, partition)


def milliseconds_of(ref: SpanRef) -> int:
    """When the span of this ref has started, in milliseconds since the epoch."""
    return int.from_bytes(ref[:6], "big")


@lru_cache(maxsize=1024)  # a span is named when it is sent, and soon after by its children
def _pfid(ref: SpanRef, partition: int) -> str:
    number = int.from_bytes(ref, "big")
    return pfid.encode(number >> 80, partition, number & pfid.MAX_RANDOM)


class Instead(SpanRef):
    """The same, where it names what a span hangs on instead of its parent, which has no record."""

    __slots__ = ()


class Packed(bytes):
    """A body that is not to be sent soon: deflated, because of JSON half or less is left."""

    __slots__ = ()


class Around(bytes):
    """A body without its largest part, which is one and the same object for many: ``shared`` stands
    ``at`` this place in what is sent."""

    shared: bytes
    at: int

    @classmethod
    def of(cls, before: bytes, shared: bytes, after: bytes) -> "Around":
        """What is sent as these three."""
        made = cls(before + after)
        made.shared, made.at = shared, len(before)
        return made


def as_sent(body: bytes) -> bytes:
    """The whole of a body, however it is kept."""
    if type(body) is Around:
        return b"%b%b%b" % (body[: body.at], body.shared, body[body.at :])
    return zlib.decompress(body) if type(body) is Packed else body


class Item(NamedTuple):
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
        shared = len(self.body.shared) if type(self.body) is Around else 0
        return len(self.body) + shared + OVERHEAD

    @property
    def footprint(self) -> int:
        """Bytes of memory that it takes while it waits, with what is kept beside it."""
        return footprint_of([self])

    def packed(self) -> "Item":
        """The span's item for a long wait, with a packed body where that is smaller."""
        if self.span is None or len(self.body) < PACKED_FROM:
            return self
        body = Packed(zlib.compress(self.body, 1))
        return self._replace(body=body) if len(body) < len(self.body) else self

    def unpacked(self) -> "Item":
        """The same with its whole body."""
        body = as_sent(self.body)
        return self if body is self.body else self._replace(body=body)

    def under(self, parent: SpanRef | None) -> "Item":
        """The same, with this parent."""
        # Of almost every span: ``_replace`` takes four times as long.
        run, operation, key, body, span, _, ends_span = self
        return new_item((run, operation, key, body, span, parent, ends_span))


new_item: Final = partial(tuple.__new__, Item)
"""Makes an item of all its parts without the call of Python that a named tuple takes."""
_body_of: Final = itemgetter(3)
_JUDGED_AS: Final = re.compile(rb'"name":"((?:[^"\\]|\\.)*)"')


def judged_as(judgement: Item) -> tuple[str, bytes]:
    """The run that is judged, and the name under which, as JSON has it: of all judgements that have
    these in common only the last counts."""
    name = _JUDGED_AS.match(judgement.body)
    return judgement.run, name[1] if name is not None else judgement.key.encode()


def footprint_of(items: Sequence[Item]) -> int:
    """Bytes of memory that items take while they wait, with what is kept beside them."""
    return FOOTPRINT * len(items) + sum(map(len, map(_body_of, items)))
