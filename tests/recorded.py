"""Recorded runs of real frameworks, as the views that the exporter would have seen."""

import json
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from prefactor_otel.cli.shelf import Shelf
from prefactor_otel.spans.documents import Documents
from prefactor_otel.spans.files import read_spans
from prefactor_otel.spans.view import SpanKey, SpanView

FOLDER = Path(__file__).parent / "spans"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Recorded:
    """One run: its spans in the order in which they ended."""

    name: str
    framework: str
    instrumentation: str
    case: str
    versions: dict[str, str]
    views: list[SpanView]

    def named(self, name: str) -> list[SpanView]:
        """The spans of this name."""
        return [view for view in self.views if view.name == name]


@cache
def recorded(name: str) -> Recorded:
    """The run in the file of this name."""
    text = (FOLDER / f"{name}.json").read_text()
    data = json.loads(text)
    return Recorded(
        name,
        data["framework"],
        data["instrumentation"],
        data["case"],
        data["versions"],
        views_in(text),
    )


def views_in(text: str) -> list[SpanView]:
    """The spans of a file in the order in which they ended."""
    with Shelf() as shelf, StringIO(text) as file:
        for found in read_spans(Documents(file.read)):
            shelf.add(found)
        return [*shelf.in_order()]


def readable(name: str) -> list[ReadableSpan]:
    """The same spans as the SDK hands them to an exporter."""
    return [_readable(view) for view in recorded(name).views]


def _readable(view: SpanView) -> ReadableSpan:
    parent = view.parent
    return ReadableSpan(
        name=view.name,
        context=_context(view.key, remote=False),
        parent=_context(parent, remote=view.parent_is_remote) if parent is not None else None,
        resource=Resource(cast("dict[str, AttributeValue]", view.resource)),
        attributes=cast("dict[str, AttributeValue]", view.attributes),
        events=[
            SdkEvent(e.name, cast("dict[str, AttributeValue]", e.attributes), e.time_ns)
            for e in view.events
        ],
        links=[
            Link(_context(key, remote=True), cast("dict[str, AttributeValue]", attributes))
            for key, attributes in view.links
        ],
        kind=SpanKind[view.kind.upper()],
        instrumentation_scope=InstrumentationScope(view.scope_name, view.scope_version),
        status=Status(StatusCode[view.status.upper()], view.status_message or None),
        start_time=view.start_ns,
        end_time=view.end_ns,
    )


def _context(key: SpanKey, *, remote: bool) -> SpanContext:
    return SpanContext(key.trace_id, key.span_id, remote, TraceFlags(TraceFlags.SAMPLED))
