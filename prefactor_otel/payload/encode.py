"""The one place where values become JSON that the API accepts: repaired, limited, encoded.

What is wrong with a span costs that span a marker where it was, and a sentence in its
``metadata.repaired``; clean values pass untouched.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from prefactor_otel.payload.media import may_hold_media, without_media
from prefactor_otel.payload.plain import MAX_DEPTH, NotFinite, free_key, plain, plain_attributes
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.payload.size import cut, fit
from prefactor_otel.payload.size import limited as _limited

__all__ = [
    "MAX_DEPTH",
    "NotFinite",
    "Repair",
    "Repairs",
    "cut",
    "encode",
    "fit",
    "fitted",
    "free_key",
    "item_body",
    "limited",
    "plain",
    "plain_attributes",
    "presentable",
    "told",
]

_MOST_VALUES: Final = 200_000
"""Values in one body. What came in is bounded already; this is about who did not ask there."""


def encode(value: object, repairs: Repairs | None = None) -> bytes:
    """JSON of a value, UTF-8. What JSON cannot hold is repaired, never refused.

    NaN and infinities become null; lone surrogates U+FFFD; bytes base64 with a marker; integers
    beyond 64 bits text; sets lists; other objects the name of their type.
    """
    try:
        return orjson.dumps(value)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        return orjson.dumps(plain(value, set() if repairs is None else repairs, _MOST_VALUES))


def limited(values: dict[str, object], length: int, repairs: Repairs) -> dict[str, object]:
    """A copy whose texts hold at most ``length`` characters; 0 means no limit. Media are replaced
    first, because of a piece of one nobody can tell what the whole was."""
    if length == 0:
        return values
    shown, found = without_media(values)
    if found:
        repairs.add(Repair.MEDIA)
    cut_short = _limited(shown, length)
    assert isinstance(cut_short, dict)
    return cut_short


def presentable(value: object, repairs: Repairs) -> object:
    """Any value as plain JSON without media, where its parts are to be looked at one by one."""
    shown, found = without_media(orjson.loads(encode(value, repairs)))
    if found:
        repairs.add(Repair.MEDIA)
    return shown


def item_body(content: Mapping[str, object], max_bytes: int) -> bytes:
    """JSON of an agent span's creation or finish: repaired, without media, of at most
    ``max_bytes``; its metadata tells what was done."""
    repairs: Repairs = set()
    body = encode(content, repairs)
    if may_hold_media(body):
        shown, found = without_media(orjson.loads(body))
        if found:
            repairs.add(Repair.MEDIA)
            body = orjson.dumps(shown)
    if repairs:
        body = orjson.dumps(_telling(orjson.loads(body), repairs))
    return fitted(body, max_bytes)


def fitted(body: bytes, max_bytes: int) -> bytes:
    """The JSON of an item with its largest fields cut until it takes at most ``max_bytes``."""
    if len(body) <= max_bytes:
        return body
    return orjson.dumps(fit(_telling(orjson.loads(body), {Repair.SIZE}), max_bytes))


def _telling(content: Any, repairs: Repairs) -> object:
    """The content of an item, with these among the repairs in its metadata."""
    holder = content.get("payload", content.get("result_payload"))
    if isinstance(holder, dict):
        metadata = holder.setdefault("metadata", {})
        if isinstance(metadata, dict):
            before = metadata.get("repaired")
            known = before if isinstance(before, list) else []
            metadata["repaired"] = sorted({*map(str, known), *told(repairs)})
    return content
