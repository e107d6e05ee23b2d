"""Scripted trouble: what the server does instead of answering, for tests and for users' own."""

import re
import threading
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from prefactor_otel.devserver.rules import ApiError, Json, invalid


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble, for the next ``times`` matching requests (None: until cleared).

    ``path`` is a regular expression searched in the request's path. ``status`` answers with an
    error envelope (and ``Retry-After``), or with the text ``body``; ``delay`` waits that many
    seconds first; ``drop`` cuts the connection before or after the work is done; ``hang`` never
    answers; ``max_body`` answers 413 to larger bodies (bytes). ``bulk_error`` refuses bulk items
    whose JSON the regular expression ``item`` finds, with that code.
    """

    path: str = ""
    times: int | None = 1
    status: int | None = None
    code: str = "scripted_fault"
    retry_after: str | None = None
    body: str | None = None
    delay: float = 0.0
    drop: Literal["before", "after"] | None = None
    hang: bool = False
    max_body: int | None = None
    bulk_error: str | None = None
    item: str = ""

    def matches(self, path: str, size: int) -> bool:
        """Whether a request of this path and body size (bytes) meets the fault."""
        if self.max_body is not None and size <= self.max_body:
            return False
        return re.search(self.path, path) is not None


class Faults:
    """The faults in force, in the order of their adding. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault | None = None, **settings: Any) -> None:
        """Add a fault, or one with these settings."""
        fault = fault or Fault(**settings)
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """Back to health."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[Json]:
        """The faults in force, with the number of requests that each has left."""
        with self._lock:
            return [asdict(fault) | {"left": left} for fault, left in self._faults]

    def take(self, path: str, size: int) -> Fault | None:
        """The fault that this request meets, if any; it has one less left."""
        return self._take(lambda fault: fault.bulk_error is None and fault.matches(path, size))

    def take_for_item(self, item: bytes) -> ApiError | None:
        """The refusal that a bulk item meets, if any."""
        fault = self._take(
            lambda f: (
                f.bulk_error is not None
                and re.search(f.item, item.decode("utf-8", "replace")) is not None
            )
        )
        if fault is None or fault.bulk_error is None:
            return None
        return ApiError(fault.status or 422, fault.bulk_error, "scripted fault")

    def _take(self, wanted: Any) -> Fault | None:
        with self._lock:
            for index, (fault, left) in enumerate(self._faults):
                if not wanted(fault):
                    continue
                if left is not None:
                    self._faults[index] = (fault, left - 1)
                    if left <= 1:
                        del self._faults[index]
                return fault
        return None


def from_json(body: Json) -> Fault:
    """A fault from the body of ``POST /__faults``. Raises ``ApiError`` naming an unknown field."""
    known = {field.name for field in fields(Fault)}
    for name in body:
        if name not in known:
            raise invalid(name, f"must be one of {', '.join(sorted(known))}")
    try:
        return Fault(**body)
    except TypeError as error:
        raise invalid("fault", str(error)) from None
