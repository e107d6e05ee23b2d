"""What a step is called, and what is said of its span beside what that carries."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from prefactor_otel.mapping.capture import Capture
from prefactor_otel.mapping.layout import INPUTS, SINGLE, Fields
from prefactor_otel.mapping.names import (
    LONGEST_KEPT,
    Models,
    own_name,
    usual_name,
    without_identity,
)
from prefactor_otel.mapping.outline import Parts
from prefactor_otel.mapping.types import HANDOFF, SpanType
from prefactor_otel.spans.view import SpanView


class Caption(NamedTuple):
    """A name, and what is said about the span: whoever adds that to something leaves it as it
    is."""

    name: str
    about: Mapping[str, object]


def caption_of(
    view: SpanView,
    kind: SpanType,
    parts: Parts,
    named_by: Models,
    models: Models,
    capture: Capture,
) -> Caption:
    """The caption of a span of this type that is named by one of these models, where it is by any,
    and in which those are shown."""
    original = view.name if capture.inputs else without_identity(view.name, view.attributes)
    find = _usual if len(view.name) <= LONGEST_KEPT else _usual.__wrapped__
    caption = find(
        view.name,
        kind,
        parts[SINGLE].get("name"),
        named_by,
        models,
        original,
        view.kind,
        view.scope_name,
        view.scope_version,
    )
    if caption is not None:
        return caption
    name = _own_name(view, kind, parts[INPUTS], named_by, capture)
    scope = view.scope_name, view.scope_version
    return Caption(name, _about(name, None, models, original, view.kind, *scope))


@lru_cache(maxsize=1024)  # many spans say the same
def _usual(
    name: str, kind: SpanType, told: str | None, named_by: Models, models: Models, *rest: str
) -> Caption | None:
    usual = usual_name(name, kind, told, named_by)
    return None if usual is None else Caption(usual, _about(usual, told, models, *rest))


def _own_name(
    view: SpanView, kind: SpanType, inputs: Fields, models: Models, capture: Capture
) -> str:
    """The name in which the attributes of the span have a say."""
    if kind is HANDOFF and {"from_agent", "to_agent"} <= inputs.keys():
        return f"{inputs['from_agent']} → {inputs['to_agent']}"
    return own_name(view, kind, models, shows_texts=not capture.hidden)


def _about(
    name: str,
    told: str | None,
    models: Models,
    original: str,
    span_kind: str,
    scope_name: str,
    scope_version: str,
) -> Mapping[str, object]:
    about: dict[str, object] = {"kind": span_kind}
    if None not in models:
        about["response_model"] = models[1]
    if name != original:
        about["otel.name"] = original
    if told not in (None, name, original):
        about["told_name"] = told
    if scope_name:
        about["scope"] = {"name": scope_name, "version": scope_version}
    return about
