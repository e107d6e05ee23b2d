"""What can be wrong with a span, in the words that its metadata tell it with."""

from enum import StrEnum


class Repair(StrEnum):
    """One sort of change. The values are what people read in ``metadata.repaired``."""

    BYTES = "bytes became base64"
    CYCLE = "a value that holds itself was cut"
    DEPTH = "what was nested too deep was cut"
    END_BEFORE_START = "end before start"
    INTEGER = "integers beyond 64 bits became text"
    KEY = "keys that are no text became text"
    MANY = "a value of too many values was cut"
    MASK = "a mask failed: what it was given was left out"
    MEDIA = "media were replaced by type, size and hash"
    NO_END = "no end: its start stands for it"
    NO_START = "no start: its end stands for it"
    NOT_FINITE = "NaN and infinities became null"
    OBJECT = "objects became plain values or the names of their types"
    OUT_OF_TIME = "times before 1970 or after 9999 were moved there"
    OWN_PARENT = "the span was its own parent: it has none"
    SIZE = "too large: the largest fields were cut"
    SURROGATE = "lone surrogates were replaced"
    UNMAPPABLE = "the span could not be mapped; its attributes were left out"
    UNREADABLE = "what could not be read was left out"


Repairs = set[Repair]
"""What has been done to one span so far; whoever repairs adds to it."""


def told(repairs: Repairs) -> list[str]:
    """The sentences, in an order that does not change."""
    return sorted(str(repair) for repair in repairs)
