"""Who waits for what was handed over."""

from concurrent.futures import Future
from typing import Final

_FEW: Final = 64
"""Receipts that are not worth clearing away."""


class Receipt:
    """A promise to whoever handed something over: settled when all of it is.

    ``future``'s result is True when everything was acknowledged, False when something was
    dropped, None when the waiting was called off and everything stays accepted. A ``patient``
    one is never called off: whoever holds it has a deadline of his own. ``stored``'s result is
    whether everything is on disk, or acknowledged already.
    """

    __slots__ = ("_is_forgone", "_lost", "_outstanding", "_patient", "_sealed", "future", "stored")

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient
        self.future: Future[bool | None] = Future()
        self.stored: Future[bool] = Future()
        self._outstanding = 0
        self._lost = False
        self._sealed = False
        self._is_forgone = False

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._is_forgone or self.future.done()

    def forgo(self) -> None:
        """Whoever waited for it does so no longer. From any thread."""
        self._is_forgone = True

    def expect(self, count: int = 1) -> None:
        """So many more batches belong to this receipt."""
        self._outstanding += count

    def seal(self) -> None:
        """Nothing more will be expected."""
        self._sealed = True
        self._settle()

    def resolve(self, *, lost: bool) -> None:
        """One of its batches is acknowledged or lost."""
        self._outstanding -= 1
        self._lost = self._lost or lost
        self._settle()

    def lose(self) -> None:
        """Something that never got into a batch is lost."""
        self._lost = True

    def call_off(self) -> None:
        """Stop the waiting; what was accepted stays accepted."""
        if not self._patient and not self.future.done():
            self.future.set_result(None)

    def keep(self, *, on_disk: bool) -> None:
        """Everything handed over with it has been written, or cannot be."""
        if not self.stored.done():
            self.stored.set_result(on_disk)

    def _settle(self) -> None:
        if self._sealed and self._outstanding <= 0 and not self.future.done():
            self.future.set_result(not self._lost)


class Receipts:
    """Those for which something waits, so that nobody has to look for them in all that waits."""

    def __init__(self) -> None:
        self._open: dict[Receipt, None] = {}
        self._look_at = _FEW

    def add(self, receipt: Receipt) -> None:
        """Something waits for this one, too."""
        self._open[receipt] = None
        if len(self._open) > self._look_at:
            self._open = {each: None for each in self._open if not each.is_over}
            self._look_at = 2 * len(self._open) + _FEW

    def call_off(self) -> None:
        """Stop the waiting of all."""
        for receipt in self._open:
            receipt.call_off()
        self._open = {}
