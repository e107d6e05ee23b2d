"""Masks applied to everything in a tree of values: texts, names of members, and the JSON in texts.

Whatever goes wrong, the value concerned is left out: nothing leaves unmasked.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from prefactor_otel.payload.encode import encode
from prefactor_otel.payload.plain import MAX_DEPTH, free_key, plain
from prefactor_otel.payload.repairs import Repair, Repairs

Mask = Callable[[str, str], object]
"""Takes the path of a value and its text; returns what may be sent in its place, or the text."""

FAILED: Final = "[mask error]"
"""Stands for a value for which a mask raised."""

_NO_TEXT: Final = "[masked]"
"""Stands for a text of which a mask made something else, where only a text will do."""

_TOO_DEEP: Final = "[cut: nested too deep]"
_ESCAPED: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")
_LONG: Final = 1_000_000
"""Numbers from here on may be of a card or a telephone."""

_OWN_NAMES: Final = frozenset(
    {
        *(
            "arguments",
            "attributes",
            "content",
            "count",
            "dimensions",
            "documents",
            "dropped_attributes",
        ),
        *(
            "error_type",
            "events",
            "id",
            "input",
            "kind",
            "links",
            "message",
            "messages",
            "metadata",
        ),
        *("model", "name", "output", "parameters", "query", "reasoning", "reasoning_details"),
        *(
            "repaired",
            "resource",
            "response_model",
            "role",
            "scope",
            "score",
            "session_id",
            "span_id",
        ),
        *("stacktrace", "stop_reason", "system", "text", "time", "tool_call_id", "tool_calls"),
        *("tools", "trace_id", "type", "user_id", "version"),
    }
)
"""Names of members that say nothing of anybody, and that readers look for."""


@dataclass(frozen=True, slots=True)
class Masking:
    """The masks of one exporter, in their order. ``on_error`` gets the type of what they raise."""

    masks: tuple[Mask, ...]
    on_error: Callable[[type[BaseException]], None] = lambda error: None

    def fields(
        self, path: str, values: Mapping[str, object], repairs: Repairs
    ) -> dict[str, object]:
        """A masked copy of an object that stands at this path. Never raises."""
        masked = self.value(path, values, repairs)
        return masked if isinstance(masked, dict) else {FAILED: FAILED}

    def text(self, path: str, text: str, repairs: Repairs) -> str:
        """A masked text where the API takes nothing else. Never raises."""
        masked = self.value(path, text, repairs)
        return masked if isinstance(masked, str) else _NO_TEXT

    def value(self, path: str, value: object, repairs: Repairs) -> object:
        """A masked copy of any value. Never raises."""
        return self._value(path, value, repairs, 0)

    def _value(self, path: str, value: object, repairs: Repairs, depth: int) -> object:
        try:
            if value is None or isinstance(value, bool):
                return value
            if isinstance(value, str):
                return self._text(path, value, repairs, depth)
            if isinstance(value, (int, float)):
                return self._number(path, value, repairs)
            if depth > MAX_DEPTH:
                return _TOO_DEEP
            if isinstance(value, Mapping):
                return self._object(path, value, repairs, depth)
            if isinstance(value, (list, tuple)):
                return [
                    self._value(f"{path}.{place}", inner, repairs, depth + 1)
                    for place, inner in enumerate(value)
                ]
            return self._value(path, plain(value, repairs), repairs, depth + 1)
        except Exception as error:
            return self._failed(error, repairs)

    def _object(
        self, path: str, value: Mapping[object, object], repairs: Repairs, depth: int
    ) -> object:
        if len(value) == 1 and "$bytes" in value:
            return self._bytes(path, value["$bytes"], repairs, depth)
        masked: dict[str, object] = {}
        for key, inner in value.items():
            name = key if isinstance(key, str) else str(plain(key, repairs))
            shown = self._value(f"{path}.{name}", inner, repairs, depth + 1)
            masked[free_key(self._name(path, name, repairs, depth), masked)] = shown
        return masked

    def _name(self, path: str, name: str, repairs: Repairs, depth: int) -> str:
        if name in _OWN_NAMES:
            return name
        masked = self._value(f"{path}.*", name, repairs, depth + 1)
        return masked if isinstance(masked, str) else FAILED

    def _bytes(self, path: str, encoded: object, repairs: Repairs, depth: int) -> object:
        """Bytes are shown as base64; those that are a text are masked as that."""
        try:
            text = base64.b64decode(str(encoded), validate=True).decode()
        except (ValueError, binascii.Error):
            return {"$bytes": self._value(path, encoded, repairs, depth + 1)}
        masked = self._text(path, text, repairs, depth)
        return masked if masked != text else {"$bytes": encoded}

    def _number(self, path: str, number: float, repairs: Repairs) -> object:
        if not abs(number) >= _LONG:
            return number
        text = str(number).removesuffix(".0")
        masked = self._masked(path, text, repairs)
        return masked if masked != text else number

    def _text(self, path: str, text: str, repairs: Repairs, depth: int) -> object:
        if depth <= MAX_DEPTH:
            inner = _json_in(text)
            if inner is not None:
                masked = self._value(path, inner, repairs, depth + 1)
                if masked != inner:
                    text = encode(masked).decode()
        elif text.lstrip()[:1] in _BEGINNINGS:
            return _TOO_DEEP
        if "\\u" in text:
            plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
            masked = self._masked(path, plain, repairs)
            if masked != plain:
                return masked
        return self._masked(path, text, repairs)

    def _masked(self, path: str, value: object, repairs: Repairs) -> object:
        """What the masks leave of a text; once one has made something else of it, that is it."""
        for mask in self.masks:
            if not isinstance(value, str):
                break
            try:
                value = mask(path, value)
            except BaseException as error:  # a SystemExit, too, concerns this value alone
                return self._failed(error, repairs)
        return value if isinstance(value, str) else plain(value, repairs)

    def _failed(self, error: BaseException, repairs: Repairs) -> str:
        repairs.add(Repair.MASK)
        self.on_error(type(error))
        return FAILED


_BEGINNINGS: Final = ("{", "[", '"')


def _json_in(text: str) -> object:
    """The value of a text that is JSON of an object, an array or a text; else None."""
    if text.lstrip()[:1] not in _BEGINNINGS:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text)  # NaN and lone surrogates
    except (ValueError, RecursionError):
        return None
