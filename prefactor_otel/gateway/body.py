"""The body of a request, inflated, and never larger than it may be."""

import zlib
from collections import Counter
from collections.abc import AsyncIterable
from typing import Final

from prefactor_otel.gateway.shares import may_have_more

_AUTOMATIC: Final = 47
"""``zlib`` finds out by the header whether that is gzip or zlib."""
_RAW: Final = -zlib.MAX_WBITS
_STEP: Final = 256 * 1024
"""Bytes inflated at a time."""

CONTENT_ENCODINGS: Final = ("gzip", "deflate")
"""What a body may be compressed by."""


class TooLargeError(Exception):
    """A body is larger than it may be, before or after it was inflated."""


class CorruptError(ValueError):
    """A body cannot be inflated."""


class Room:
    """The bytes that all bodies of one server may take at a time. Each ``Share`` is one request's,
    and gives back what it has taken. However many somebody sends at a time, there is room for one
    of another."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._of: Counter[str] = Counter()

    def take(self, size: int, whose: str, in_this: int) -> bool:
        """So many bytes more, if there is room for them, for a request of somebody's that has taken
        so many."""
        left = self._left - size
        if left < 0 or not may_have_more(self._of[whose] - in_this, left):
            return False
        self._left = left
        self._of[whose] += size
        return True

    def give_back(self, size: int, whose: str) -> None:
        """So many are free again."""
        self._left += size
        self._of[whose] -= size
        if not self._of[whose]:
            del self._of[whose]


class FullError(Exception):
    """There is no room for the body now; there will be."""


class Share:
    """What one request's body takes of the room, and may take at most."""

    def __init__(self, room: Room, most: int, whose: str) -> None:
        self._room = room
        self._whose = whose
        self._taken = 0
        self.most = most
        """Bytes of it, as it comes and inflated."""

    def __enter__(self) -> "Share":
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give_back(self._taken, self._whose)

    def add(self, size: int) -> None:
        """So many bytes more. Raises ``TooLargeError`` or ``FullError`` instead."""
        if self._taken + size > self.most:
            raise TooLargeError
        if not self._room.take(size, self._whose, self._taken):
            raise FullError
        self._taken += size


async def read(chunks: AsyncIterable[bytes], encoding: str, share: Share) -> bytes:
    """The whole body. Of one that is compressed no more is inflated than may be taken: what would
    be larger raises ``TooLargeError``, what cannot be inflated ``CorruptError``."""
    inflate = _Inflating(share) if encoding else None
    parts: list[bytes] = []
    came = 0
    async for chunk in chunks:
        came += len(chunk)
        if came > share.most:
            raise TooLargeError
        if inflate is None:
            share.add(len(chunk))
            parts.append(chunk)
        else:
            parts += inflate(chunk)
    if inflate is not None:
        inflate.finish()
    return b"".join(parts)


class _Inflating:
    """One body that comes in pieces: gzip, also of several members, or deflate, which some senders
    write without the header that HTTP asks for."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._inflater = zlib.decompressobj(_AUTOMATIC)
        self._has_begun = False

    def __call__(self, chunk: bytes) -> list[bytes]:
        """What comes of one more piece."""
        parts: list[bytes] = []
        while chunk:
            if self._inflater.eof:
                self._inflater = zlib.decompressobj(_AUTOMATIC)
            part = self._step(chunk)
            self._share.add(len(part))
            parts.append(part)
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data
        return parts

    def _step(self, chunk: bytes) -> bytes:
        try:
            part = self._inflater.decompress(chunk, _STEP)
        except zlib.error:
            if self._has_begun:
                raise CorruptError from None
            self._inflater = zlib.decompressobj(_RAW)
            part = self._raw(chunk)
        self._has_begun = True
        return part

    def _raw(self, chunk: bytes) -> bytes:
        try:
            return self._inflater.decompress(chunk, _STEP)
        except zlib.error:
            raise CorruptError from None

    def finish(self) -> None:
        """Nothing more comes."""
        if self._has_begun and not self._inflater.eof:
            raise CorruptError
