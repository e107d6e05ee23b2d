"""What evaluators found, told by a span: a judgement of the run that it is in."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from prefactor_otel.mapping.capture import Capture
from prefactor_otel.mapping.mapper import with_events
from prefactor_otel.mapping.rules import EVENTS
from prefactor_otel.mapping.shape import shape_of
from prefactor_otel.mapping.shapes.flattened import Indexed, key_of
from prefactor_otel.mapping.vocabulary import RULES_OF
from prefactor_otel.spans.view import Attributes, Event, SpanView

_RULES: Final = tuple(rule for _, rule in RULES_OF["judged"])
_LISTS: Final = {key_of(r.names.prefix) for r in _RULES if isinstance(r.names, Indexed)}
_PLAIN: Final = ("score", "label", "annotator_kind", "identifier", "error_type")
"""What says nothing of what was said."""


class Judgement(NamedTuple):
    """Under which name, and what."""

    name: str
    payload: dict[str, object]


def judgements_in(view: SpanView, capture: Capture) -> list[Judgement]:
    """What a span tells of judgements, in the order of its vocabularies; what explains one may
    quote what was asked and what was answered."""
    _, attributes = with_events(view)
    return list(_judged(attributes, capture, view.key.span_hex))


def judgements_of(event: Event, span_hex: str, capture: Capture) -> list[Judgement]:
    """The same of one event of a span that has ended."""
    return list(_judged({EVENTS: (event,)}, capture, span_hex))


def _judged(attributes: Attributes, capture: Capture, span_hex: str) -> Iterator[Judgement]:
    shape, folded = shape_of(tuple(attributes))
    known = folded.unfolded(attributes, _LISTS)
    for rule in _RULES:
        for reading in rule.readings(shape.names):
            told = rule.read(reading.get(known))
            yield from _made(told if isinstance(told, list) else (), capture, span_hex)


def _made(found: Sequence[object], capture: Capture, span_hex: str) -> Iterator[Judgement]:
    for each in found:
        name = each.get("name") if isinstance(each, dict) else None
        if isinstance(each, dict) and isinstance(name, str) and name:
            payload = {
                field: value
                for field, value in each.items()
                if field != "name" and (field in _PLAIN or not capture.hidden)
            }
            yield Judgement(name, {**payload, "span_id": span_hex})
