"""Recorded runs of real frameworks, as the views that the exporter would have seen."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from prefactor_otel.span import Event, SpanKey, SpanView, StatusName

FOLDER = Path(__file__).parent / "spans"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
_STATUS: dict[str, StatusName] = {"UNSET": "unset", "OK": "ok", "ERROR": "error"}


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
    data = json.loads((FOLDER / f"{name}.json").read_text())
    spans = sorted(data["spans"], key=lambda span: span["end_order"])
    return Recorded(
        name,
        data["framework"],
        data["instrumentation"],
        data["case"],
        data["versions"],
        [_view(span) for span in spans],
    )


def _view(span: dict[str, Any]) -> SpanView:
    trace_id = int(span["trace_id"], 16)
    parent = span["parent_span_id"]
    return SpanView(
        key=SpanKey(trace_id, int(span["span_id"], 16)),
        parent=SpanKey(trace_id, int(parent, 16)) if parent else None,
        parent_is_remote=bool(span["parent_is_remote"]),
        name=span["name"],
        kind=span["kind"].lower(),
        start_ns=span["start_time_unix_nano"],
        end_ns=span["end_time_unix_nano"],
        status=_STATUS[span["status"]["code"]],
        status_message=span["status"]["description"] or "",
        attributes=span["attributes"],
        events=[Event(e["name"], e["time"], e["attributes"] or {}) for e in span["events"]],
        links=[],
        resource=span["resource"],
        scope_name=span["scope"]["name"],
        scope_version=span["scope"]["version"] or "",
        dropped_attributes=span["dropped"]["attributes"],
    )
