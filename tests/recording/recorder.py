"""Runs an application and writes down its spans: ``recorder.py FILE MODULE ARGUMENT...``.

This runs in the environment of a framework, without the packages of this checkout. Applications
find the provider as the global one; a framework that insists on a provider of its own is handed
``EXPORTER``, which ``install()`` gives.
"""

import importlib.metadata
import json
import os
import platform
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult


class Recorder(SpanExporter):
    """Keeps ended spans as what a recording says of each."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called by the SDK when spans have ended."""
        self.spans += [_recorded(span, order) for order, span in enumerate(spans, len(self.spans))]
        return SpanExportResult.SUCCESS


EXPORTER = Recorder()


def install() -> TracerProvider:
    """A global provider that records."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    trace.set_tracer_provider(provider)
    return provider


def versions(words: Sequence[str]) -> dict[str, str]:
    """Of the installed packages whose name begins with one of these words."""
    found = {
        str(package.metadata["Name"]): package.version
        for package in importlib.metadata.distributions()
        if str(package.metadata["Name"]).lower().startswith(tuple(words))
    }
    return {"python": platform.python_version(), **dict(sorted(found.items()))}


def _recorded(span: ReadableSpan, order: int) -> dict[str, Any]:
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    assert context is not None
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_span_id": f"{parent.span_id:016x}" if parent is not None else None,
        "parent_is_remote": parent.is_remote if parent is not None else None,
        "start_time_unix_nano": span.start_time,
        "end_time_unix_nano": span.end_time,
        "end_order": order,
        "status": {"code": span.status.status_code.name, "description": span.status.description},
        "attributes": dict(span.attributes or {}),
        "events": [
            {"name": e.name, "time": e.timestamp, "attributes": dict(e.attributes or {})}
            for e in span.events
        ],
        "links": [
            {
                "trace_id": f"{link.context.trace_id:032x}",
                "span_id": f"{link.context.span_id:016x}",
                "attributes": dict(link.attributes or {}),
            }
            for link in span.links
        ],
        "resource": dict(span.resource.attributes),
        "scope": {
            "name": scope.name if scope is not None else "",
            "version": (scope.version or "") if scope is not None else "",
        },
        "dropped": {"attributes": span.dropped_attributes},
    }


def main(file: str, application: str, *arguments: str) -> None:
    """Run the application with these arguments, and write what it recorded."""
    install()
    sys.path.insert(0, str(Path(application).parent))
    sys.argv = [application, *arguments]
    try:
        runpy.run_path(application, run_name="__main__")
    except Exception:  # a run that fails is a recording, too
        traceback.print_exc()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()
    told = {"versions": versions(os.environ["VERSIONS_OF"].split()), "spans": EXPORTER.spans}
    Path(file).write_text(json.dumps(told))


if __name__ == "__main__":
    sys.modules["recorder"] = sys.modules["__main__"]  # for applications that hand EXPORTER on
    main(*sys.argv[1:])
