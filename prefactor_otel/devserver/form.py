"""Reading the fields of a request: every fault is collected, so one refusal names them all."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from prefactor_otel.devserver.errors import invalid
from prefactor_otel_transport import pfid

Json = dict[str, Any]

KEY_LIMIT: Final = 64
DEPTH_LIMIT: Final = 128
"""Objects and lists inside of each other in a field; what reads and writes JSON ends at 254."""


def timestamp(moment: datetime) -> str:
    """The one form in which moments are stored and shown: its text order is time order."""
    shown = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{shown.isoformat(timespec='microseconds')}Z"


def refuse_depth(fields: Mapping[str, Any]) -> None:
    """Raises for fields that are nested too deep to be worked with."""
    form = Form(fields)
    for name, value in fields.items():
        if _is_deeper_than(DEPTH_LIMIT, value):
            form.refuse(name, f"is nested deeper than {DEPTH_LIMIT} levels")
    form.check()


def _is_deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        holders = [each for each in level if isinstance(each, dict | list)]
        if not holders:
            return False
        level = [
            inner
            for each in holders
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)


class Form:
    """The fields of one request. Readers answer None for what is absent, null or at fault;
    ``check`` raises for the faults. Call it before the values are used."""

    def __init__(self, fields: Mapping[str, Any], prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix
        self.errors: dict[str, list[str]] = {}

    def check(self) -> None:
        if self.errors:
            raise invalid(self.errors)

    def refuse(self, name: str, message: str) -> None:
        self.errors.setdefault(self._prefix + name, []).append(message)

    def absorb(self, inner: "Form") -> None:
        """The faults of a part, under this form's own prefix."""
        for name, messages in inner.errors.items():
            self.errors.setdefault(self._prefix + name, []).extend(messages)

    def _value(self, name: str, required: bool) -> Any:
        value = self._fields.get(name)
        if value is None and required:
            self.refuse(name, "is required")
        return value

    def text(self, name: str, *, required: bool = False, limit: int = 10_000) -> str | None:
        value = self._value(name, required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(name, "must be a string")
        elif required and not value.strip():
            self.refuse(name, "must not be blank")
        elif len(value) > limit:
            self.refuse(name, f"must be at most {limit} characters")
        else:
            return value
        return None

    def choice(self, name: str, allowed: Collection[str], *, required: bool = False) -> str | None:
        value = self._value(name, required)
        if value is None or (isinstance(value, str) and value in allowed):
            return value
        self.refuse(name, f"must be one of: {', '.join(allowed)}")
        return None

    def mapping(self, name: str, *, required: bool = False) -> Json | None:
        value = self._value(name, required)
        if value is None or isinstance(value, dict):
            return value
        self.refuse(name, "must be an object")
        return None

    def sequence(self, name: str) -> list[Any] | None:
        value = self._value(name, False)
        if value is None or isinstance(value, list):
            return value
        self.refuse(name, "must be a list")
        return None

    def texts(self, name: str) -> None:
        """Nothing, or a list of strings."""
        if any(not isinstance(text, str) for text in self.sequence(name) or ()):
            self.refuse(name, "must be a list of strings")

    def flag(self, name: str) -> bool | None:
        """A boolean; from a query also the words ``true`` and ``false``."""
        value = self._value(name, False)
        if value is None or isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        self.refuse(name, "must be true or false")
        return None

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number; from a query also its digits."""
        value = self._fields.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(name, f"must be a whole number from {least} to {most}")
        return default

    def moment(self, name: str) -> str | None:
        """An ISO 8601 time with its offset. A time without one is refused: it could mean any."""
        value = self._value(name, False)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return timestamp(moment)
        except (ValueError, TypeError, OverflowError):
            pass
        self.refuse(name, "must be an ISO 8601 time with Z or an offset")
        return None

    def identifier(self, name: str, partition: int, *, required: bool = False) -> str | None:
        """A PFID of the account's partition (API contract, PFID)."""
        value = self._value(name, required)
        if value is None:
            return None
        if not isinstance(value, str) or not pfid.is_pfid(value):
            self.refuse(name, "is not a PFID")
        elif pfid.partition_of(value) != partition:
            self.refuse(name, "belongs to the partition of another account")
        else:
            return value
        return None
