"""Why a stored span looks as it does, as far as it still tells: attributes that were read have left
only what they said, those that were not stand in its metadata."""

from collections.abc import Iterator
from typing import Any, Final

from prefactor_otel.devserver.form import Json
from prefactor_otel.mapping.layout import LABELS, places_of
from prefactor_otel.mapping.metadata import RESERVED
from prefactor_otel.mapping.types import SPAN

_OWN: Final = RESERVED.union(
    *(place.fields.values() for place in places_of(SPAN) if place.part == LABELS)
)
"""Names in the metadata that are no attributes."""
_READ: Final = (
    "were read; the stored span no longer says which: prefactor-otel inspect --why FILE does, "
    "of spans in a file"
)


def reasons(payload: Json) -> list[Json] | None:
    """What is shown, from what, and why, which goes on from that as a sentence; None for a payload
    that is not the exporter's."""
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("kind"), str):
        return None
    if not {"trace_id", "span_id", "inputs", "outputs"} <= payload.keys():
        return None
    rows = [*_read(payload), *_named(metadata), *_left(metadata), *_origin(metadata)]
    return [{"shown": place, "from": names, "because": why} for place, names, why in rows]


_Row = tuple[str, list[str], str]


def _read(payload: Json) -> Iterator[_Row]:
    for part in ("inputs", "outputs"):
        fields = payload[part]
        if isinstance(fields, dict) and fields:
            yield (
                ", ".join(f"{part}.{name}" for name in fields),
                ["attributes"],
                _READ,
            )
    if payload.get("token_usage"):
        yield "token_usage", ["attributes that count tokens"], _READ


def _named(metadata: Json) -> Iterator[_Row]:
    if (name := metadata.get("otel.name")) is not None:
        because = "is the span's own name: what its attributes say of the step is shown instead"
        yield "name", [str(name)], because
    if "uncounted_token_usage" in metadata:
        because = "repeat what the calls below count, which a run would count twice"
        yield "metadata.uncounted_token_usage", ["attributes that count tokens"], because


def _left(metadata: Json) -> Iterator[_Row]:
    names = [name for name in metadata if name not in _OWN]
    if names:
        yield "metadata", names, "stay as they are: no field shows all that they say"
    if names := _keys(metadata.get("attributes")):
        because = "stay as they are, apart: fields of the metadata have their names"
        yield "metadata.attributes", names, because
    events = metadata.get("events")
    if isinstance(events, list) and events:
        named = [str(event.get("name")) for event in events if isinstance(event, dict)]
        yield "metadata.events", list(dict.fromkeys(named)), "are events that no field shows"


def _origin(metadata: Json) -> Iterator[_Row]:
    scope = metadata.get("scope")
    if isinstance(scope, dict):
        told = [str(text) for text in (scope.get("name"), scope.get("version")) if text]
        yield "metadata.scope", [" ".join(told)], "is the instrumentation that made the span"
    if names := _keys(metadata.get("resource")):
        because = "describe the process, and stand at the root of a run"
        yield "metadata.resource", names, because
    if isinstance(repaired := metadata.get("repaired"), list):
        because = "could not be taken as it was"
        yield "metadata.repaired", [str(each) for each in repaired], because


def _keys(value: Any) -> list[str]:
    return [*value] if isinstance(value, dict) else []
