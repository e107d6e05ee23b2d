"""What a span carries beside what it tells, and what is said about it."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.mapping.capture import Capture, cut_content, is_hidden, without_content
from prefactor_otel.mapping.layout import Fields
from prefactor_otel.mapping.moments import timestamp
from prefactor_otel.mapping.telling import Rest
from prefactor_otel.payload.repairs import Repairs, told
from prefactor_otel.privacy.content import side_in_event
from prefactor_otel.spans.view import Event, SpanView, as_dict

RESERVED: Final = frozenset(
    {
        *("attributes", "dropped_attributes", "events", "kind", "links", "otel.name", "provider"),
        *("repaired", "resource", "response_model", "scope", "session_id", "user_id"),
        *("called_tools", "cost", "prompt", "time_to_first_token", "usage_details"),
        "told_name",
        "uncounted_token_usage",
    }
)
"""Names in the metadata that are ours; attributes of such names stand under ``attributes``."""


def metadata_of(
    view: SpanView,
    metadata: Fields,
    labels: Fields,
    about: Mapping[str, object],
    rest: Rest,
    capture: Capture,
    repairs: Repairs,
) -> Fields:
    """What the span carries beside what is shown, and what is said about it."""
    if rest.left:
        metadata |= {key: dict(left) for key, left in rest.left.items()}
    if not capture.leaves_fields:
        metadata = cut_content(without_content(metadata, capture), capture, repairs)
    if not RESERVED.isdisjoint(metadata):
        clashing = sorted(RESERVED & metadata.keys())
        metadata["attributes"] = {key: metadata.pop(key) for key in clashing}
    metadata |= labels
    metadata |= about
    if view.events and len(view.events) > len(rest.seen):
        metadata["events"] = [
            _event(event, capture)
            for number, event in enumerate(view.events)
            if number not in rest.seen
        ]
    if view.links:
        metadata["links"] = _links(view, capture)
    if view.parent is None or view.parent_is_remote:
        metadata["resource"] = without_content(as_dict(view.resource), capture)
    if view.dropped_attributes:
        metadata["dropped_attributes"] = view.dropped_attributes
    if view.repaired or repairs:
        metadata["repaired"] = [*view.repaired, *told(repairs)]
    return metadata


def _links(view: SpanView, capture: Capture) -> list[object]:
    return [
        {
            "trace_id": key.trace_hex,
            "span_id": key.span_hex,
            "attributes": without_content(dict(attributes), capture),
        }
        for key, attributes in view.links
    ]


def _event(event: Event, capture: Capture) -> dict[str, object]:
    attributes = {
        name: value
        for name, value in event.attributes.items()
        if not capture.hidden
        or not is_hidden(side_in_event(event.name, name), name, value, capture.hidden)
    }
    return {"name": event.name, "time": timestamp(event.time_ns), "attributes": attributes}
