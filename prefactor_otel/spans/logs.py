"""Log records as events of the spans in which they were emitted, whatever they came by."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from prefactor_otel.payload.plain import plain, plain_attributes
from prefactor_otel.payload.repairs import Repairs
from prefactor_otel.payload.size import characters
from prefactor_otel.spans.view import Attributes, Event, SpanKey

EVENT_NAME: Final = "event.name"
"""Where SDKs have the name of an event that OTLP had no field for."""
SAMPLED: Final = 1
"""The bit of a record's ``flags`` that says that its span is sampled."""


class Origin(NamedTuple):
    """What both the spans and the records of one instrumentation of one service name."""

    service: object
    scope: str


def origin_of(resource: Attributes, scope: str) -> Origin:
    """Where what a scope of this resource tells comes from."""
    return Origin(resource.get("service.name"), scope)


def said_in(
    attributes: Attributes,
    body: object,
    copied: Callable[[Attributes, Repairs], Attributes],
    repairs: Repairs,
) -> dict[str, object]:
    """What a record says in its attributes and its body, as the attributes of an event; ``copied``
    makes members plain. A body that has no members is the content."""
    said = dict(attributes)
    said.pop(EVENT_NAME, None)
    if isinstance(body, Mapping):
        said |= copied(body, repairs)
    elif body is not None:
        said.setdefault("content", plain(body, repairs))
    return said


class OtlpRecord(NamedTuple):
    """A log record of a sampled span, as OTLP has it; see ``Record``."""

    key: SpanKey
    name: str
    time_ns: int
    attributes: Attributes
    body: object
    origin: Origin

    def read(self) -> Event:
        """What it says, as an event; see ``said_in``."""
        repairs: Repairs = set()
        attributes = plain_attributes(self.attributes, repairs)
        said = said_in(attributes, self.body, plain_attributes, repairs)
        return Event(self.name, self.time_ns, said)

    def weight(self) -> int:
        """The characters of its texts."""
        return characters(self.attributes) + characters(self.body)


class Recorded(NamedTuple):
    """What came in one request: the records that tell of spans, how many cannot be read, and why
    one of them cannot, without any content."""

    records: list[OtlpRecord]
    rejected: int = 0
    why: str = ""
