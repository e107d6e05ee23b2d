"""Nothing that a recorded span carries is lost: it is used, or stands in the metadata."""

import math
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.mapping.shapes.texts import decoded
from prefactor_otel.payload.encode import encode
from prefactor_otel.spans.view import SpanView
from tests.recorded import NAMES, recorded

Leaf = tuple[str, object]

SHAPES = ("type", "_type", "block_type", "object", "role", "mime_type")
"""What only says how something is written, or has a usual name in its place."""
REASONS = ("finish_reason", "finish_reasons", "stop_reason")
"""Shown under their usual names."""
VECTORS = ("vector[]", "embedding[]", "embeddings~[][]")
"""Measured, and never sent."""
WRITTEN_OTHERWISE = ("input_str", "id[]", "content[].id", "items[].id", "function_calls~[].id")
"""Arguments as Python writes them beside themselves; the class of a serialised message; the id
of an item beside that of its call."""


def leaves(value: object, path: str) -> Iterator[Leaf]:
    """The texts and numbers in a value, also in its JSON, with the way to each."""
    inner = decoded(value)
    if inner is not value:
        yield from leaves(inner, f"{path}~")
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, f"{path}.{name}")
    elif isinstance(value, (list, tuple)):
        for below in value:
            yield from leaves(below, f"{path}[]")
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield path, value


def carried(view: SpanView) -> Iterator[Leaf]:
    for key, value in view.attributes.items():
        yield from leaves(value, key)
    for event in view.events:
        for key, value in event.attributes.items():
            yield from leaves(value, f"{event.name}:{key}")


def told(value: object) -> Iterator[str]:
    """Every text, number and name in a payload, also in its JSON."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield name
            yield from told(below)
    elif isinstance(value, list):
        for below in value:
            yield from told(below)
    else:
        yield str(value)
        inner = decoded(value)
        if inner is not value:
            yield from told(inner)


def without_cached(payload: dict[str, Any]) -> Iterator[str]:
    """The counts of a payload as who leaves out of them what was cached tells them."""
    counts = payload["token_usage"] or {}
    for name in ("prompt_tokens", "total_tokens"):
        yield str(counts.get(name, 0) - counts.get("cached_tokens", 0))


def is_excused(path: str, value: object) -> bool:
    last = path.replace("~", "").rpartition(":")[2].rpartition(".")[2]
    return (
        last in (*SHAPES, *REASONS)
        or last.removesuffix("[]") in REASONS
        or path.endswith((*VECTORS, *WRITTEN_OTHERWISE))
        or (last == "status" and value in ("success", "completed"))
        or (isinstance(value, float) and not math.isfinite(value))
        or (isinstance(value, (int, float)) and -10 < value < 10)  # found anywhere by chance
    )


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_span_carries_is_somewhere_in_its_payload(name: str) -> None:
    views = list(recorded(name).views)
    rows = {
        row["payload"]["span_id"]: "\n".join(
            (*told(row["payload"]), *without_cached(row["payload"]))
        )
        for row in agent_spans(views)
    }
    lost = [
        (view.name, path, value)
        for view in views
        for path, value in carried(view)
        if not is_excused(path, value) and as_sent(value) not in rows[view.key.span_hex]
    ]
    assert not lost


def as_sent(value: object) -> str:
    return str(orjson.loads(encode(value)))


@pytest.mark.parametrize(
    "path", ["gen_ai.input.messages~[].parts[].content", "traceloop.entity.input~.tags[]"]
)
def test_content_is_never_excused(path: str) -> None:
    assert not is_excused(path, "sunny")
