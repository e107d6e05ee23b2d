"""Why an agent span looks as it does: which attribute is shown where, and which vocabulary's rule
took it. The mapping tells it itself, as it maps the span once more."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from prefactor_otel.mapping import TOTALS, SpanType
from prefactor_otel.mapping.folding import Folded
from prefactor_otel.mapping.layout import INPUTS, LABELS, OUTPUTS
from prefactor_otel.mapping.mapper import with_events
from prefactor_otel.mapping.outline import Outline
from prefactor_otel.mapping.plan import Candidate, Plan
from prefactor_otel.mapping.rules import Seen
from prefactor_otel.mapping.shape import shape_of
from prefactor_otel.mapping.telling import Note, tell
from prefactor_otel.mapping.tokens import usage_of
from prefactor_otel.mapping.usage import COUNTS
from prefactor_otel.runs.calls import UNCOUNTED
from prefactor_otel.spans.view import Attributes, SpanView

Payload = Mapping[str, Any]

_PARTS: Final = {INPUTS: "inputs", OUTPUTS: "outputs"}
_SINGLE: Final = {"requested": "inputs.model", "answering": "metadata.response_model"}
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


class _Told(NamedTuple):
    """A span as its plan tells it."""

    view: SpanView
    attributes: Attributes
    plan: Plan
    folded: Folded
    mask: int
    """The names that are used up, as bits."""


def uses_of(view: SpanView, kind: SpanType, payload: Payload) -> list[Use]:
    """Where the attributes of a span went, each in one place, and the events that are shown."""
    notes: list[Note] = []
    view, attributes = with_events(view)
    shape, folded = shape_of(tuple(attributes))
    plan = shape.know(attributes, view.name).plan(kind, 0)
    _, _, mask, _ = tell(Outline(plan, ()), folded.unfolded(attributes, plan.lists), notes)
    told = _Told(view, attributes, plan, folded, mask)
    uses = [*_counts(told, payload), *_fields(told, notes, payload), *_models(told, payload)]
    return [*uses, *_others(told, {name for use in uses for name in use.names}, payload[METADATA])]


def _fields(told: _Told, notes: Iterable[Note], payload: Payload) -> Iterator[Use]:
    seen: set[str] = set()
    for candidate, value, used in notes:
        names = [name for name in told.folded.names_of(used) if name not in seen]
        if isinstance(value, Seen):
            names += [told.view.events[number].name for number in value.numbers]
        seen.update(names)
        if names and value != {}:  # a tool without arguments: nothing is to be seen
            dialect = candidate.dialect if candidate.part in _PARTS else ""
            yield Use(_place(candidate, payload), tuple(names), dialect)


def _place(candidate: Candidate, payload: Payload) -> str:
    part, field = _PARTS.get(candidate.part), candidate.field
    if candidate.part == LABELS:
        return f"{METADATA}.{_PROMPT.get(field, field)}"
    if part is None:
        place = _SINGLE.get(field, "name")
        is_shown = "response_model" in payload[METADATA]
        return place if is_shown or field != "answering" else "inputs.model"
    if field in payload[part]:
        return f"{part}.{field}"
    return part if payload[part] and candidate.rule.slot in _TAKEN_APART else NOT_SENT


_PROMPT: Final = {
    "prompt_name": "prompt.name",
    "prompt_version": "prompt.version",
    "prompt_id": "prompt.id",
}
_TAKEN_APART: Final = ("arguments", "texts", "output")
"""Slots of which the fields have names of their own."""


def _counts(told: _Told, payload: Payload) -> Iterator[Use]:
    begin = "token_usage" if payload["token_usage"] is not None else f"{METADATA}.{UNCOUNTED}"
    if payload["token_usage"] is None and UNCOUNTED not in payload[METADATA]:
        return  # what agents repeat stays as it is
    _, used = usage_of(told.plan, told.attributes)
    places: defaultdict[str, list[str]] = defaultdict(list)
    for count, name, bit in told.plan.counts:
        if bit & used:
            part = begin if count in COUNTS else f"{METADATA}.usage_details"
            places[f"{part}.{count}"].append(name)
    for place, names in places.items():
        yield Use(place, tuple(names))


def _models(told: _Told, payload: Payload) -> Iterator[Use]:
    """The models of the calls of which an agent or a step tells the total."""
    if payload["token_usage"] is None or told.plan.type not in TOTALS:
        return
    _, used = told.plan.models_of_total(told.attributes)
    for name in told.folded.names_of(used):
        is_asked = told.attributes[name] == payload["inputs"]["model"]
        yield Use("inputs.model" if is_asked else f"{METADATA}.response_model", (name,))


def _others(told: _Told, shown: set[str], metadata: Mapping[str, Any]) -> Iterator[Use]:
    """Attributes that go with one that is shown, those left as they are, and those held back."""
    names = told.view.attributes
    left = metadata.keys() | metadata.get("attributes", {}).keys()
    beside = set(told.folded.names_of(told.mask)) - shown - left
    places = {"with these": beside, METADATA: left - shown}
    places[NOT_SENT] = set(names) - beside - shown - left
    for place, there in places.items():
        if found := tuple(name for name in names if name in there):
            yield Use(place, found)
