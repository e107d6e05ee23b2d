"""Requests in OTLP, in both of its encodings."""

import json
import secrets
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

NOW = 1_790_000_000_000_000_000


def ids() -> tuple[bytes, bytes]:
    """Of a new trace and a span in it."""
    return secrets.token_bytes(16), secrets.token_bytes(8)


def request(
    *spans: tuple[bytes, bytes], name: str = "step", parent: bytes = b"", **resource: str
) -> ExportTraceServiceRequest:
    """A request with ended spans of these ids."""
    made = ExportTraceServiceRequest()
    of_resource = made.resource_spans.add()
    for key, text in resource.items():
        value = KeyValue(key=key.replace("_", "."), value=AnyValue(string_value=text))
        of_resource.resource.attributes.append(value)
    of_scope = of_resource.scope_spans.add()
    for trace_id, span_id in spans:
        of_scope.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            start_time_unix_nano=NOW,
            end_time_unix_nano=NOW + 1000,
        )
    return made


def saying(made: ExportTraceServiceRequest, **attributes: str) -> ExportTraceServiceRequest:
    """The request, each of whose spans says this as well."""
    for of_resource in made.resource_spans:
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                for key, text in attributes.items():
                    value = KeyValue(
                        key=key.replace("_", ".", 1), value=AnyValue(string_value=text)
                    )
                    span.attributes.append(value)
    return made


def in_json(*spans: tuple[bytes, bytes], **more: object) -> dict[str, Any]:
    """The same, as OTLP has it in JSON, with members of each span as given."""
    made = [
        {
            "traceId": trace_id.hex(),
            "spanId": span_id.hex(),
            "name": "step",
            "startTimeUnixNano": str(NOW),
            "endTimeUnixNano": str(NOW + 1000),
            **more,
        }
        for trace_id, span_id in spans
    ]
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": made}]}]}


def in_json_of(trace_id: bytes, span_id: bytes, **more: object) -> dict[str, Any]:
    """A request with one record of a call, as OTLP has it in JSON."""
    content = {"key": "content", "value": {"stringValue": "Is it raining?"}}
    record = {
        "traceId": trace_id.hex(),
        "spanId": span_id.hex(),
        "flags": 1,
        "timeUnixNano": str(NOW),
        "eventName": "gen_ai.user.message",
        "body": {"kvlistValue": {"values": [content]}},
        **more,
    }
    scopes = [{"scope": {"name": "instrumentation"}, "logRecords": [record]}]
    return {"resourceLogs": [{"resource": {}, "scopeLogs": scopes}]}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def response(body: bytes) -> ExportTraceServiceResponse:
    """What an answer says in protobuf."""
    return ExportTraceServiceResponse.FromString(body)
