"""Why an agent span looks as it does: which attribute is shown where, and which reader took it.

These are the mapping's own steps, taken once more for one span and watched.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from prefactor_otel.counting import UNCOUNTED
from prefactor_otel.mapping import DIALECTS, SpanType, keys, scalars
from prefactor_otel.mapping.content import Content, Slot
from prefactor_otel.mapping.layout import inputs_of, outputs_of
from prefactor_otel.span import SpanView

Payload = Mapping[str, Any]

_SINGLE: Final = {
    **{key: f"token_usage.{name}" for name, known in keys.TOKENS.items() for key in known},
    **dict.fromkeys(keys.USAGE_HOLDERS, "token_usage"),
    **dict.fromkeys(keys.ANSWERED_MODEL, "metadata.response_model"),
    **dict.fromkeys(keys.REQUESTED_MODEL, "inputs.model"),
    **dict.fromkeys(keys.STOP_REASON, "outputs.stop_reason"),
}
"""Where single values are shown; the others are names of tools and agents."""
_MANY: Final = 3
"""More names than this are told by how they begin."""
NOT_SENT: Final = "not sent"
METADATA: Final = "metadata"


class Use(NamedTuple):
    """A place in the payload, the attributes and events that it was made of, and their reader."""

    place: str
    names: tuple[str, ...]
    reader: str = ""

    def __str__(self) -> str:
        begin = ".".join(self.names[0].split(".")[:2]) + "."
        alike = len(self.names) > _MANY and all(name.startswith(begin) for name in self.names)
        names = f"{begin}* ({len(self.names)})" if alike else ", ".join(self.names)
        return f"{self.place} ← {names}" + (f" ({self.reader})" if self.reader else "")


class _Watched(Content):
    """Content that tells what is taken from it."""

    def __init__(self, view: SpanView) -> None:
        super().__init__(view)
        self.shown: dict[Slot, tuple[str, ...]] = {}

    def show(self, slot: Slot) -> object:
        taken, events = set(self.taken), set(self.used_events)
        value = super().show(slot)
        numbers = sorted(self.used_events - events)
        names = (*_in_order(self, self.taken - taken), *(self.events[n].name for n in numbers))
        if names:
            self.shown[slot] = names
        return value


def uses_of(view: SpanView, kind: SpanType, payload: Payload) -> list[Use]:
    """Where the attributes of a span went, each in one place, and the events that are shown."""
    content, readers = _Watched(view), dict[Slot, str]()
    for dialect in DIALECTS:
        dialect.read(content, kind)
        reader = dialect.read.__module__.rpartition(".")[2]
        readers = dict.fromkeys(content.slots, reader) | readers
    single = scalars.read(content, kind)
    uses = [*_singles(content, payload)]
    for part, fields_of in (("inputs", inputs_of), ("outputs", outputs_of)):
        content.shown.clear()
        fields = fields_of(content, kind, single)
        uses += [
            Use(_place(part, _field(fields, slot, content), payload), names, readers[slot])
            for slot, names in content.shown.items()
            if content.slots[slot] != {}  # a tool without arguments: nothing is to be seen
        ]
    told = {name for use in uses for name in use.names}
    return [*uses, *_others(content, told, payload[METADATA])]


def _singles(content: Content, payload: Payload) -> Iterator[Use]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for key in _in_order(content, content.taken):
        places[_SINGLE.get(key, "name")].append(key)
    for place, names in places.items():
        if place == "metadata.response_model" and "response_model" not in payload[METADATA]:
            place = "inputs.model"
        elif place.startswith("token_usage") and payload["token_usage"] is None:
            place = f"{METADATA}.{UNCOUNTED}{place.removeprefix('token_usage')}"
        yield Use(place, tuple(names))


def _field(fields: Mapping[str, object], slot: Slot, content: Content) -> str | None:
    """The field that shows this slot as it is; None where it was taken apart."""
    if slot in fields:
        return slot
    return next((name for name, value in fields.items() if value is content.slots[slot]), None)


def _place(part: str, field: str | None, payload: Payload) -> str:
    sent = payload[part] if field is None else field in payload[part]
    return (f"{part}.{field}" if field else part) if sent else NOT_SENT


def _others(content: Content, told: set[str], metadata: Mapping[str, Any]) -> Iterator[Use]:
    """Attributes that go with one that is shown, those left as they are, and those held back."""
    left = metadata.keys() | metadata.get("attributes", {}).keys()
    beside = content.used - told
    places = {"with these": beside, METADATA: left - beside - told}
    places[NOT_SENT] = set(content.keys) - beside - told - left
    for place, names in places.items():
        if found := _in_order(content, names):
            yield Use(place, found)


def _in_order(content: Content, names: Iterable[str]) -> tuple[str, ...]:
    wanted = set(names)
    return tuple(key for key in content.keys if key in wanted)
