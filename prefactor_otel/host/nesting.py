"""What is inside of providers: the processors and exporters that they hold."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

Kinds = tuple[type[Any], type[Any]]
"""The processors and the exporters of a signal."""
OF_SPANS: Final[Kinds] = (SpanProcessor, SpanExporter)

_WRAPPERS_DEEP: Final = 4
"""Processors and exporters inside each other that are searched."""


def inside(outer: object, kinds: Kinds = OF_SPANS) -> Iterator[object]:
    """The processors and exporters that an object holds, itself included. There is no public
    way to ask a processor for its exporter, and users wrap both, so attributes are searched."""
    layer, seen = [outer], {id(outer)}
    for _ in range(_WRAPPERS_DEEP):
        yield from layer
        held = [
            each for holder in layer for each in _held_by(holder, kinds) if id(each) not in seen
        ]
        seen.update(map(id, held))
        layer = held


def exporters_in(outer: object) -> Iterator[object]:
    """The exporters of spans among them."""
    return (each for each in inside(outer) if isinstance(each, SpanExporter))


def processors_of(provider: object, kinds: Kinds = OF_SPANS) -> list[Any]:
    """The processors that were added to one of the SDK's providers."""
    return [
        processor
        for several in _held_by(provider, kinds)
        for processor in _held_by(several, kinds)
        if isinstance(processor, kinds[0])
    ]


def _held_by(holder: object, kinds: Kinds) -> Iterable[object]:
    for value in vars(holder).values() if hasattr(holder, "__dict__") else ():
        for single in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(single, kinds) or type(single).__name__ == "BatchProcessor":
                yield single
