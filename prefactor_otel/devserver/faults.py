"""Scripted trouble: what the server does instead of answering, for tests and for users' own."""

import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from random import SystemRandom
from typing import Any, Final, Literal, get_args

from prefactor_otel.devserver.errors import ApiError, invalid, invalid_field
from prefactor_otel.devserver.form import Json

Drop = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble, for the next ``times`` requests that it fits (None: until cleared).

    Which: ``method``; ``path``, a regular expression searched in the request's path, so that
    ``/bulk`` does; ``max_body``, bodies above so many bytes (always until cleared, 413 unless
    ``status`` says otherwise); ``chance``, this share of what fits (0 to 1). For ``bulk_error``,
    which items: ``nth`` of its request, from 1, and ``item``, a regular expression searched in
    the item's JSON.

    What: ``delay`` waits so many seconds first. Then ``status`` answers with an error envelope
    of this ``code`` and with ``Retry-After`` and ``Location``, or with the text ``body``; ``drop``
    cuts the
    connection before or after the work is done; ``hang`` holds it without an answer until the
    faults are cleared or the server stops; ``bulk_error`` refuses the item with this code.

    Raises ``ValueError`` for a pattern that is none.
    """

    path: str = ""
    method: str | None = None
    times: int | None = 1
    chance: float = 1.0
    status: int | None = None
    code: str = "scripted_fault"
    message: str = "a scripted fault"
    retry_after: str | float | None = None
    location: str | None = None
    body: str | None = None
    delay: float = 0.0
    drop: Drop | None = None
    hang: bool = False
    max_body: int | None = None
    bulk_error: str | None = None
    nth: int | None = None
    item: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.path)
            re.compile(self.item)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None

    def fits(self, method: str, path: str, size: int) -> bool:
        """Whether a request meets the fault."""
        if self.bulk_error is not None or (self.method is not None and self.method != method):
            return False
        if self.max_body is not None and size <= self.max_body:
            return False
        return re.search(self.path, path) is not None and _lot(self.chance)

    def fits_item(self, number: int, text: Callable[[], str]) -> bool:
        """Whether a bulk item meets the fault."""
        if self.bulk_error is None or self.nth not in (None, number):
            return False
        fits = not self.item or re.search(self.item, text()) is not None
        return fits and _lot(self.chance)


_CHANCE: Final = SystemRandom()
"""Of its own: in an agent's process the numbers of ``random`` are the agent's."""


def _lot(chance: float) -> bool:
    return chance >= 1.0 or _CHANCE.random() < chance


class Faults:
    """The faults in force; of those that fit, the one added first strikes. Safe from any thread.

    ``on_clear`` is told after each ``clear``, on the thread that clears.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, int | None]] = []
        self.on_clear: Callable[[], None] = lambda: None

    def add(self, fault: Fault | None = None, **settings: Any) -> None:
        """Put a fault in force: this one, or one of these settings."""
        fault = fault or Fault(**settings)
        left = None if fault.max_body is not None else fault.times
        with self._lock:
            self._faults.append((fault, left))

    def clear(self) -> None:
        """Back to health; what hangs is cut."""
        with self._lock:
            self._faults.clear()
        self.on_clear()

    def pending(self) -> list[Json]:
        """The faults in force, each with how often it is ``left`` to strike."""
        with self._lock:
            return [asdict(fault) | {"left": left} for fault, left in self._faults]

    def strike(self, method: str, path: str, size: int) -> Fault | None:
        """The fault that this request meets, if any; it is left once less."""
        return self._take(lambda fault: fault.fits(method, path, size))

    def strike_item(self, number: int, text: Callable[[], str]) -> None:
        """Raises the refusal that a bulk item meets, if any."""
        fault = self._take(lambda each: each.fits_item(number, text))
        if fault is not None and fault.bulk_error is not None:
            raise ApiError(422, fault.bulk_error, fault.message)

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for index, (fault, left) in enumerate(self._faults):
                if not fits(fault):
                    continue
                if left is not None and left <= 1:
                    del self._faults[index]
                elif left is not None:
                    self._faults[index] = (fault, left - 1)
                return fault
        return None


_NULLABLE = frozenset({"method", "times", "status", "retry_after", "body", "drop"}) | frozenset(
    {"max_body", "bulk_error", "nth", "location"}
)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("path", "method", "code", "message", "body", "bulk_error", "item"), (str,)),
    "location": (str,),
    **dict.fromkeys(("times", "status", "max_body", "nth"), (int,)),
    "retry_after": (str, int, float),
    "chance": (int, float),
    "delay": (int, float),
    "drop": (str,),
    "hang": (bool,),
}

_RANGES: dict[str, tuple[Any, Any]] = {"status": (200, 599), "delay": (0, 3600), "chance": (0, 1)}


def from_json(body: Json) -> Fault:
    """A fault from the body of ``POST /__faults``. Raises ``ApiError`` naming what is wrong."""
    errors = {name: [text] for name, value in body.items() if (text := _wrong(name, value))}
    if errors:
        raise invalid(errors)
    try:
        return Fault(**body)
    except ValueError as error:
        raise invalid_field("path" if "path" in body else "item", str(error)) from None


def _wrong(name: str, value: Any) -> str | None:
    if name not in _TYPES:
        return f"is none of {', '.join(field.name for field in fields(Fault))}"
    if value is None and name in _NULLABLE:
        return None
    if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "hang"):
        return f"must be of type {' or '.join(each.__name__ for each in _TYPES[name])}"
    if name == "drop" and value not in get_args(Drop):
        return f"must be one of: {', '.join(get_args(Drop))}"
    least, most = _RANGES.get(name, (None, None))
    if least is not None and not least <= value <= most:
        return f"must be from {least} to {most}"
    return None
