"""Images, audio and files inside of content: their type, size and hash instead of their base64.

Nobody reads base64, and one photo is larger than all the text of a run. Who has the file can
still tell by the hash that it was this one.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final

SHORTEST: Final = 1024
"""Characters of base64 below which nothing is taken for media: 768 bytes hold no photo, but keys,
signatures and tokens are that short."""

_DEEPEST: Final = 256
"""Containers inside each other; more have no encoding, and are cut by whoever encodes."""

_SMALL_BODY: Final = 2048
_STRIDE: Final = 16
_RUN: Final = b"B" * (SHORTEST // _STRIDE - 1)
_IS_BASE64: Final = bytes(
    ord("B") if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "+/-_") else 0
    for byte in range(256)
)

_ENCODED: Final = rf"[A-Za-z0-9+/_-]{{{SHORTEST},}}={{0,2}}"
_ALONE: Final = re.compile(_ENCODED)
_DATA_URL: Final = re.compile(
    rf"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?P<more>;[\w=.+;-]*)?;base64,(?P<data>{_ENCODED})",
    re.ASCII,
)
_QUOTED: Final = re.compile(rf"(?<=[\"'])(?P<data>{_ENCODED})(?=\\*[\"']|\Z)")
"""A value inside of a text of JSON or Python that no dialect could read; perhaps cut off."""

_TYPES: Final = ("mime_type", "media_type", "mimeType", "mediaType", "content_type", "contentType")
_HOLDERS: Final = ("data", "content", "bytes", "$bytes", "b64_json", "base64", "file_data", "blob")
_KINDS: Final = ("image", "audio", "video", "file", "blob", "base64", "document", "media")

_MAGIC: Final = {
    b"\x89PNG\r\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "audio/wav",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
    b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip",
    b"\x1aE\xdf\xa3": "video/webm",
}
_UNKNOWN: Final = "application/octet-stream"
_DISTINCT: Final = 40
"""Different characters in the first 1,024 of anything compressed (nearly all 64 of them); dumps
in hexadecimal have 22, and words of one case 26."""


MARKER: Final = re.compile(r"\[media: [^\s,]{3,100}, \d+ bytes, sha256 [0-9a-f]{16}\]")
"""What stands in place of a medium."""


def may_hold_media(body: bytes) -> bool:
    """Whether a body holds a long run of base64 anywhere: a look at every 16th byte."""
    return len(body) > _SMALL_BODY and _RUN in body[::_STRIDE].translate(_IS_BASE64)


def without_media(content: object) -> tuple[object, bool]:
    """JSON content with a marker in place of each medium, and whether there was any."""
    walk = _Walk()
    return walk.value(content, None, 0), walk.found


class _Walk:
    __slots__ = ("_markers", "found")

    def __init__(self) -> None:
        self.found = False
        self._markers: dict[tuple[str, str | None], str] = {}

    def value(self, value: object, declared: str | None, depth: int) -> object:
        """The value; ``declared`` is the type that its surroundings name, "" for some medium."""
        if isinstance(value, str):
            return self._text(value, declared) if len(value) >= SHORTEST else value
        if depth >= _DEEPEST:
            return value
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, (list, tuple)):
            return [self.value(inner, None, depth + 1) for inner in value]
        return value

    def _object(self, value: dict[str, object], depth: int) -> dict[str, object]:
        declared = _declared(value)
        return {
            key: self.value(inner, declared if key in _HOLDERS else None, depth + 1)
            for key, inner in value.items()
        }

    def _text(self, text: str, declared: str | None) -> str:
        if _ALONE.fullmatch(text):
            if declared is None and not _looks_encoded(text):
                return text
            return self._marker(text, declared)
        # To look for a piece of a pattern takes a hundredth of what the pattern takes.
        if ";base64," in text:
            text = _DATA_URL.sub(lambda url: self._marker(url["data"], url["type"]), text)
        if '"' in text or "'" in text:
            text = _QUOTED.sub(self._quoted, text)
        return text

    def _quoted(self, match: re.Match[str]) -> str:
        data = match["data"]
        return self._marker(data, None) if _looks_encoded(data) else data

    def _marker(self, data: str, declared: str | None) -> str:
        self.found = True
        known = self._markers.get((data, declared))  # a payload and its result hold the same
        if known is None:
            known = self._markers[data, declared] = _marker(data, declared)
        return known


def _marker(data: str, declared: str | None) -> str:
    raw = _decoded(data)
    digest = hashlib.sha256(raw, usedforsecurity=False).hexdigest()[:16]
    return f"[media: {declared or _sniffed(raw)}, {len(raw)} bytes, sha256 {digest}]"


def _decoded(data: str) -> bytes:
    """The bytes, also of what was cut off somewhere."""
    digits = data.rstrip("=").translate(_URL_SAFE)
    whole = len(digits) - (len(digits) % 4 == 1)
    try:
        return base64.b64decode(digits[:whole] + "=" * (-whole % 4))
    except binascii.Error:  # pragma: no cover - the pattern lets only base64 through
        return data.encode()


_URL_SAFE: Final = str.maketrans("-_", "+/")


def _declared(part: Mapping[str, object]) -> str | None:
    """The type that a part of a message names; "" where it is media of a type that it does not
    name (OpenAI's audio has a format only); None where it says nothing of media."""
    for name in _TYPES:
        named = part.get(name)
        if isinstance(named, str) and "/" in named and len(named) < 100:
            return named
    kind = part.get("type")
    says = isinstance(kind, str) and any(word in kind for word in _KINDS)
    return "" if says or "$bytes" in part or isinstance(part.get("format"), str) else None


def _looks_encoded(text: str) -> bool:
    """Whether what consists of base64's characters is base64, and no word, path or number."""
    return _sniffed(_decoded(text[:SHORTEST])) != _UNKNOWN or all(_signs(text[:SHORTEST]))


def _signs(text: str) -> Iterator[bool]:
    yield len(set(text)) >= _DISTINCT
    yield any(character.isdigit() for character in text)
    yield not ({*"+/"} & {*text} and {*"-_"} & {*text})  # one alphabet has either pair


def _sniffed(raw: bytes) -> str:
    return next((kind for magic, kind in _MAGIC.items() if raw.startswith(magic)), _UNKNOWN)
