"""How what comes in by OTLP is read: a message of protobuf on the worker's thread; of JSON, and of
files, there are views already."""

from typing import Final

from prefactor_otel.spans.protobuf import ProtobufSpan
from prefactor_otel.spans.source import Reader
from prefactor_otel.spans.view import SpanKey, SpanView

Entry = ProtobufSpan | SpanView


def _no_start(_: Entry) -> None:
    """OTLP tells of spans that have ended only."""


def _key(entry: Entry) -> SpanKey:
    return entry.key


def _view(entry: Entry) -> SpanView:
    return entry if isinstance(entry, SpanView) else entry.read()


def _weight(entry: Entry) -> int:
    if isinstance(entry, ProtobufSpan):
        return entry.size
    return sum(len(value) for value in entry.attributes.values() if isinstance(value, str))


READER: Final = Reader(_no_start, _key, _view, _weight, dict, serves_others=True)
