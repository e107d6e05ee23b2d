"""What is inside of tracer providers: the processors and exporters that they hold."""

from collections.abc import Iterable, Iterator
from typing import Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

_WRAPPERS_DEEP: Final = 4
"""Processors and exporters inside each other that are searched."""


def inside(outer: object) -> Iterator[object]:
    """The processors and exporters that an object holds, itself included. There is no public
    way to ask a processor for its exporter, and users wrap both, so attributes are searched."""
    layer, seen = [outer], {id(outer)}
    for _ in range(_WRAPPERS_DEEP):
        yield from layer
        held = [value for holder in layer for value in _held_by(holder) if id(value) not in seen]
        seen.update(map(id, held))
        layer = held


def exporters_in(outer: object) -> Iterator[object]:
    """The exporters among them."""
    return (each for each in inside(outer) if isinstance(each, SpanExporter))


def processors_of(provider: object) -> list[SpanProcessor]:
    """The processors that were added to one of the SDK's providers."""
    return [
        processor
        for several in _held_by(provider)
        for processor in _held_by(several)
        if isinstance(processor, SpanProcessor)
    ]


def _held_by(holder: object) -> Iterable[object]:
    for value in vars(holder).values() if hasattr(holder, "__dict__") else ():
        for single in value if isinstance(value, (list, tuple)) else (value,):
            if (
                isinstance(single, (SpanProcessor, SpanExporter))
                or type(single).__name__ == "BatchProcessor"
            ):
                yield single
