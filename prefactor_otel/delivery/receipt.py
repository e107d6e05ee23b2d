"""Who waits for what was handed over: receipts, and the entries of the outbox that settle them."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.storage import Storage


class Receipt:
    """A promise to whoever handed something over: settled when all of it is.

    ``future``'s result is True when everything was acknowledged, False when something was
    dropped, None when the waiting was called off and everything stays accepted. A ``patient``
    one is never called off: whoever holds it has a deadline of his own. ``stored``'s result is
    whether everything is on disk, or acknowledged already.
    """

    __slots__ = ("_lost", "_outstanding", "_patient", "_sealed", "future", "stored")

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient
        self.future: Future[bool | None] = Future()
        self.stored: Future[bool] = Future()
        self._outstanding = 0
        self._lost = False
        self._sealed = False

    def expect(self, count: int = 1) -> None:
        """So many more entries belong to this receipt."""
        self._outstanding += count

    def seal(self) -> None:
        """Nothing more will be expected."""
        self._sealed = True
        self._settle()

    def resolve(self, *, lost: bool) -> None:
        """One of its entries is acknowledged or lost."""
        self._outstanding -= 1
        self._lost = self._lost or lost
        self._settle()

    def lose(self) -> None:
        """Something that never became an entry is lost."""
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


@dataclass(slots=True, eq=False)
class Entry:
    """An item in the outbox, who waits for it, and where it is on disk, if it is."""

    item: Item
    at: float = 0.0
    file: Storage | None = None
    seq: int = 0
    receipts: Sequence[Receipt] = ()
    attempts: int = 0
    faults: int = 0
    """How often the server failed over a request with it."""
    blamed: int = 0
    """How often it did so over this alone, while others got through."""
    failed_at: float = 0.0
    was_cancelled: bool = False
    """Whether it has been refused as cancelled, and is tried as failed."""
    not_before: float = 0.0
    """When it may be sent again (monotonic seconds)."""

    def owe(self, receipt: Receipt) -> None:
        """Let a receipt wait for it as well."""
        receipt.expect()
        self.receipts = (*self.receipts, receipt)

    def resolve(self, *, lost: bool) -> None:
        """Tell everybody who waits for it."""
        for receipt in self.receipts:
            receipt.resolve(lost=lost)
