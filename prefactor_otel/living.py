"""What is known of as long as somebody else holds it, and looked at while others come."""

from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Living(Generic[T]):
    """Objects in the order in which they came, each until nobody else holds it any more. Any
    thread may add, discard and look at any time, and a signal handler amid any of these: who
    looks sees those that were there when he began."""

    def __init__(self) -> None:
        # Not a WeakSet: whoever goes through that goes step by step, and fails where one more
        # has come meanwhile. ``keyrefs`` is one step of the interpreter.
        self._known: WeakKeyDictionary[T, None] = WeakKeyDictionary()

    def add(self, one: T) -> None:
        """Know of this one, too."""
        self._known[one] = None

    def discard(self, one: T) -> None:
        """Know of it no more."""
        self._known.pop(one, None)

    def __iter__(self) -> Iterator[T]:
        found = [known() for known in self._known.keyrefs()]
        return iter([one for one in found if one is not None])
