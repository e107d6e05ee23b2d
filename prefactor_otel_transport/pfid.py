"""PFIDs: the platform's 160-bit, time-ordered ids, as 32 lower-case Crockford base32 characters.

Layout, from the reference package ``pfid``: 48 bits of milliseconds since the epoch (UTC),
30 bits of partition (the account's), 80 random bits. Text order is time order.
"""

import re
import secrets
import time
from collections.abc import Sequence

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGITS = bytes.maketrans(_CROCKFORD.encode(), b"0123456789abcdefghijklmnopqrstuv")
"""From its symbols to those of Python's numbers of base 32."""
_SYMBOLS = bytes.maketrans(bytes(range(32)), _CROCKFORD.encode())
_SHAPE = re.compile(r"[0-7][0-9abcdefghjkmnpqrstvwxyz]{31}")

MAX_PARTITION = 2**30 - 1
MAX_RANDOM = 2**80 - 1
MAX_TIMESTAMP_MS = 2**48 - 1


AT_ONCE = 64
"""Ids that are encoded as one number: more would take masks of more than a few kilobytes."""
_BITS = 256
"""Of a number for each id: a byte for each of its symbols."""


def _everywhere(bits: int) -> int:
    """These bits in each of the numbers of so many ids."""
    return int.from_bytes(bits.to_bytes(_BITS // 8, "big") * AT_ONCE, "big")


def _halvings() -> list[tuple[int, int, int]]:
    """How 32 groups of five bits move apart until each has a byte of its own: into halves, whose
    halves move apart in turn. Per step the masks of the upper and lower halves, and how far the
    upper move. All halves of many ids at once: for each symbol after the other it takes ten times
    as long."""
    steps = []
    for symbols in (16, 8, 4, 2, 1):
        lower = _everywhere(
            sum((2 ** (5 * symbols) - 1) << 16 * symbols * half for half in range(16 // symbols))
        )
        steps.append((lower << 5 * symbols, lower, 3 * symbols))
    return steps


_HALVINGS = _halvings()
_TIMES, _RANDOM = _everywhere(MAX_TIMESTAMP_MS << 80), _everywhere(MAX_RANDOM)
_PARTITIONS = _everywhere(MAX_PARTITION << 80)


def encode_all(names: Sequence[bytes], partition: int) -> list[str]:
    """The texts of the PFIDs with these parts besides the partition: 16 bytes each, 6 of
    milliseconds and 10 of random bits."""
    texts: list[str] = []
    ahead = partition.to_bytes(16, "big")
    for begin in range(0, len(names), AT_ONCE):
        part = names[begin : begin + AT_ONCE]
        size = 32 * len(part)
        number = int.from_bytes(ahead + ahead.join(part), "big")
        number = (number & _TIMES) << 30 | number >> 48 & _PARTITIONS | number & _RANDOM
        for upper, lower, shift in _HALVINGS:
            number = (number & upper) << shift | number & lower
        text = number.to_bytes(size, "big").translate(_SYMBOLS).decode("ascii")
        texts += [text[place : place + 32] for place in range(0, size, 32)]
    return texts


def encode(timestamp_ms: int, partition: int, random80: int) -> str:
    """The text of a PFID. Raises ``OverflowError`` when a part does not fit its bits."""
    if not 0 <= partition <= MAX_PARTITION:
        raise OverflowError("a PFID holds 30 bits of partition")
    name = timestamp_ms.to_bytes(6, "big") + random80.to_bytes(10, "big")
    return encode_all([name], partition)[0]


def decode(text: str) -> tuple[int, int, int]:
    """``(timestamp_ms, partition, random80)`` of a PFID. Raises ``ValueError`` when it is none."""
    if not is_pfid(text):
        raise ValueError("not a PFID: 32 lower-case Crockford base32 characters, the first 0 to 7")
    number = int(text.encode().translate(_DIGITS), 32)
    return number >> 110, number >> 80 & MAX_PARTITION, number & MAX_RANDOM


def is_pfid(text: str) -> bool:
    """Whether ``text`` has the shape of a PFID."""
    return _SHAPE.fullmatch(text) is not None


def partition_of(text: str) -> int:
    """The partition (account) of a PFID. Raises ``ValueError`` when it is none."""
    return decode(text)[1]


def generate(partition: int) -> str:
    """A new PFID of this partition: the current time and 80 bits of the system's randomness."""
    return encode(time.time_ns() // 1_000_000, partition, secrets.randbits(80))
