"""What becomes of values, whatever they are: properties, checked with many examples."""

import base64
import hashlib
import json
import random
import string
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefactor_otel.payload.encode import encode, fitted, item_body
from prefactor_otel.payload.plain import plain, plain_attributes
from prefactor_otel.payload.repairs import Repair, Repairs
from tests.faults.poison import PHOTO, POISONS, Colour, Level, Number, Text, Unprintable
from tests.faults.test_bad_data import strict

texts = st.text(st.characters(codec="utf-8"))
clean_scalars = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**64 - 1)
    | texts
)
clean_values = st.recursive(
    clean_scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=15
)
odd_scalars = (
    st.floats()
    | st.integers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.dates()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from([Colour.RED, Level.LOW, int, date.min, ...])
    | st.builds(Text, st.text())
    | st.builds(Number, st.integers())
)
keys = st.none() | st.booleans() | odd_scalars
any_values = st.recursive(
    clean_scalars | odd_scalars | st.builds(Unprintable),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys, inner)
        | st.tuples(inner, inner)
        | st.lists(inner).map(lambda twice: [twice, twice])
        | st.frozensets(st.integers())
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(any_values)
def test_whatever_it_is_it_becomes_strict_json(value: object) -> None:
    strict(encode({"odd": value}))


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(keys, any_values, max_size=8))
def test_attributes_are_plain_once_and_for_all(attributes: dict[Any, object]) -> None:
    made = plain_attributes(attributes, set())
    assert len(made) == len(attributes)
    again: Repairs = set()
    assert plain_attributes(made, again) == made
    assert not again
    strict(encode(made))


@given(clean_values)
def test_what_json_can_hold_stays_as_it_is(value: object) -> None:
    repairs: Repairs = set()
    assert orjson.loads(encode(value, repairs)) == value
    assert plain(value, repairs) == value
    assert not repairs


@given(st.dictionaries(texts, clean_scalars))
def test_clean_attributes_are_not_even_copied(attributes: dict[str, object]) -> None:
    assert plain_attributes(attributes, set()) is attributes


@pytest.mark.parametrize("poison", POISONS, ids=str)
def test_encoding_survives_every_poison(poison: Any) -> None:
    attributes = poison.changes.get("attributes")
    if isinstance(attributes, dict) and str(poison) != "doubling":  # bounded where spans come in
        strict(encode(attributes))


def item(**inputs: object) -> dict[str, object]:
    payload = {"span_id": "0123456789abcdef", "name": "chat", "inputs": inputs, "metadata": {}}
    return {"schema_name": "otel:llm", "status": "complete", "payload": payload}


BULK: dict[str, object] = {
    "text": "word " * 400_000,
    "controls": "\x01" * 400_000,
    "emoji": "\U0001f600" * 400_000,
    "texts": ["word " * 100] * 4_000,
    "messages": [{"role": "user", "content": "word " * 200}] * 2_000,
    "numbers": list(range(300_000)),
    "short texts": ["word"] * 300_000,
    "members": {f"k{number}": number for number in range(200_000)},
    "long names": {"k" * length: 1 for length in range(2_000)},
    "one long name": {"k" * 2_000_000: 1},
    "lists of numbers": [[number] * 10 for number in range(50_000)],
    "deep and wide": [[[["word"] * 20] * 20] * 20] * 20,
}


@pytest.mark.parametrize("max_bytes", [2_048, 20_000, 1_000_000])
@pytest.mark.parametrize("bulk", BULK)
def test_an_item_of_any_shape_is_made_to_fit_and_keeps_who_it_is(bulk: str, max_bytes: int) -> None:
    content = item(model="m-1", odd=BULK[bulk], temperature=0.5)
    body = item_body(content, max_bytes)
    made = strict(body)
    assert max_bytes // 8 < len(body) <= max_bytes or bulk == "one long name"
    assert (made["schema_name"], made["status"]) == ("otel:llm", "complete")
    assert (made["payload"]["span_id"], made["payload"]["name"]) == ("0123456789abcdef", "chat")
    assert made["payload"]["inputs"]["model"] == "m-1"
    assert made["payload"]["inputs"]["temperature"] == 0.5
    assert made["payload"]["metadata"]["repaired"] == [Repair.SIZE]
    assert b"[cut: " in body


@pytest.mark.parametrize("bulk", BULK)
def test_an_item_that_is_still_too_large_is_cut_again_and_remembers_the_first_length(
    bulk: str,
) -> None:
    once = item_body(item(odd=BULK[bulk]), 100_000)
    twice = fitted(once, 5_000)
    assert len(twice) <= 5_000
    if isinstance(BULK[bulk], list) and bulk != "deep and wide":
        cut = strict(twice)["payload"]["inputs"]["odd"]
        whole = BULK[bulk]
        assert isinstance(whole, list)
        assert cut[-1] == f"[cut: {len(whole) - len(cut) + 1} entries]"


@settings(deadline=None)
@given(clean_values, st.integers(1_000, 5_000))
def test_a_body_never_exceeds_its_limit(value: object, max_bytes: int) -> None:
    body = item_body(item(odd=[value] * 200), max_bytes)
    assert len(body) <= max_bytes
    strict(body)


def sent(value: object) -> str:
    made = strict(item_body(item(odd=value, text="kept " * 600), 10**9))
    return json.dumps(made["payload"]["inputs"]["odd"], ensure_ascii=False)


RAW = base64.b64encode(random.Random(3).randbytes(3_000)).decode()
URL_SAFE = base64.urlsafe_b64encode(random.Random(4).randbytes(3_000)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (f"data:image/webp;base64,{RAW}", "image/webp"),
        (f"see data:text/plain;charset=utf-8;base64,{RAW} here", "text/plain"),
        ({"type": "blob", "mime_type": "audio/wav", "content": RAW}, "audio/wav"),
        ({"type": "image", "media_type": "image/gif", "data": "A" * 4000}, "image/gif"),
        ({"source": {"type": "base64", "media_type": "image/jpeg", "data": RAW}}, "image/jpeg"),
        ({"inline_data": {"mime_type": "video/mp4", "data": URL_SAFE}}, "video/mp4"),
        ({"inlineData": {"mimeType": "video/mp4", "data": URL_SAFE}}, "video/mp4"),
        ({"input_audio": {"format": "wav", "data": RAW}}, "application/octet-stream"),
        ({"b64_json": PHOTO}, "image/png"),
        ({"$bytes": RAW}, "application/octet-stream"),
        (PHOTO, "image/png"),
        (json.dumps(json.dumps({"deep": PHOTO})), "image/png"),
        (f"Message(content='{PHOTO}', id=1)", "image/png"),
        ('{"cut off": "' + PHOTO[:-5], "image/png"),
    ],
)
def test_media_in_any_wrapping_become_type_size_and_hash(value: object, kind: str) -> None:
    shown = sent(value)
    assert f"[media: {kind}, " in shown
    assert len(shown) < 300


UNTOUCHED: list[object] = [
    "x" * 5_000,
    string.ascii_letters * 50,
    random.Random(5).randbytes(5_000).hex(),
    random.Random(5).randbytes(5_000).hex().upper(),
    f"dump: {RAW}",
    "".join(map(str, range(5_000))),
    "/".join(["usr", "local", "lib", "Python3", "site-packages", "my_pkg"] * 60),
    f"eyJhbGciOiJIUzI1NiJ9.{RAW.replace('+', '-').replace('/', '_')}.{URL_SAFE[:43]}",
    {"type": "text", "content": "word" * 1_000},
    {"type": "image", "data": RAW[:1_000]},
    {"signature": RAW[:1_000], "id": URL_SAFE[:1_000]},
]


@pytest.mark.parametrize("value", UNTOUCHED, ids=lambda value: str(value)[:30])
def test_what_only_looks_like_media_stays(value: object) -> None:
    assert sent(value) == json.dumps(value, ensure_ascii=False)


def test_the_hash_is_that_of_the_file() -> None:
    raw = random.Random(6).randbytes(5_000)
    shown = sent({"type": "image", "data": base64.b64encode(raw).decode()})
    assert f"5000 bytes, sha256 {hashlib.sha256(raw).hexdigest()[:16]}]" in shown
