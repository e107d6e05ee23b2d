"""Masks: what they find, where they look, and that nothing passes them when they fail."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.config.options import load_config
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.payload.encode import encode
from prefactor_otel.payload.repairs import Repair, Repairs
from prefactor_otel.privacy.masking import FAILED, Masking
from prefactor_otel.privacy.patterns import NAMED

FOUND = [
    ("emails", "write to anna.b+x@mail.example.org!", "write to [email]!"),
    ("emails", "?to=anna%40example.org&x=1", "?to=[email]&x=1"),
    ("emails", "ümlaut@exämple.de", "[email]"),
    ("emails", "li@163.com", "[email]"),
    ("phones", "call +49 (30) 901820 now", "call [phone] now"),
    ("phones", "call 0049 30 901820", "call [phone]"),
    ("phones", "call (555) 867-5309 or 555-867-5309", "call [phone] or [phone]"),
    ("phones", "call 030/901 820 now", "call [phone] now"),
    ("phones", "+4930901820", "[phone]"),
    ("credit_cards", "4111 1111 1111 1111 12/28", "[credit card] 12/28"),
    ("credit_cards", "order 12 4111-1111-1111-1111 7", "order 12 [credit card] 7"),
    ("credit_cards", "378282246310005, 6011111111111117", "[credit card], [credit card]"),
    ("api_keys", "key sk-proj-abcdefghijkl0123456789", "key [api key]"),
    ("api_keys", "AKIAIOSFODNN7EXAMPLE", "[api key]"),
    ("api_keys", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[api key]"),
    ("api_keys", "Authorization: Bearer abc.def-ghi", "Authorization: Bearer [api key]"),
    ("api_keys", "https://host/?api_key=hunter2hunter2&x=1", "https://host/?api_key=[api key]&x=1"),
    ("api_keys", "OPENAI_API_KEY=hunter2hunter2", "OPENAI_API_KEY=[api key]"),
    ("api_keys", "AWS_SECRET_ACCESS_KEY: hunter2hunter2", "AWS_SECRET_ACCESS_KEY: [api key]"),
    ("api_keys", "Authorization: Token hunter2hunter2", "Authorization: Token [api key]"),
    ("passwords", "export DB_PASSWORD=hunter2", "export DB_PASSWORD=[password]"),
    ("passwords", "MYSQL_PWD='hunter2'", "MYSQL_PWD='[password]'"),
    ("passwords", "password => hunter2", "password => [password]"),
    ("jwt", "t=eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMe;", "t=[jwt];"),
    ("passwords", "postgres://anna:hunter2@db.example/x", "postgres://[password]@db.example/x"),
    ("passwords", "password = hunter2, x", "password = [password], x"),
    (
        "private_keys",
        "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
        "a [private key] b",
    ),
    ("private_keys", "-----BEGIN PRIVATE KEY-----\nMII cut off", "[private key]"),
    ("ibans", "to DE89 3704 0044 0532 0130 00 AND MORE", "to [iban] AND MORE"),
    ("us_ssn", "ssn 078-05-1120.", "ssn [ssn]."),
    (
        "ip_addresses",
        "from 192.168.0.17, 2001:db8::1 and ::1",
        "from [ip address], [ip address] and [ip address]",
    ),
]

LEFT = [
    ("emails", "a @ b, @decorator, git@host, opentelemetry@1.36.0, cpython@3.13.0rc1"),
    ("phones", "2026-11-26T03:38:22.123456Z, 192.168.100.200, 1.234.567, 7 of 12, 2026-11-26"),
    ("credit_cards", "1700000000000000000, 4111111111111112, 4111111111111111111111111"),
    ("api_keys", "sk-learn-pipelines-are-fine, task: bearer of news, pk_customer_identifier"),
    ("jwt", "eyJ.no"),
    ("passwords", "https://host/path:with@sign, a password is needed"),
    ("ibans", "DE00 3704 0044 0532 0130 00"),
    ("us_ssn", "2078-05-11200"),
    ("ip_addresses", "at 03:38:22, std::vector, 1.2.3, version 10.20.30.400"),
]


@pytest.mark.parametrize(("name", "text", "shown"), FOUND)
def test_a_named_mask_leaves_a_marker_where_it_finds_something(
    name: str, text: str, shown: str
) -> None:
    assert NAMED[name]("inputs.input", text) == shown


@pytest.mark.parametrize(("name", "text"), LEFT)
def test_a_named_mask_leaves_what_only_looks_alike(name: str, text: str) -> None:
    assert NAMED[name]("inputs.input", text) == text


@pytest.mark.parametrize("name", NAMED)
def test_every_mask_leaves_its_own_marker(name: str) -> None:
    for _, text, _ in FOUND:
        once = NAMED[name]("inputs.input", text)
        assert NAMED[name]("inputs.input", once) == once


@pytest.mark.parametrize(
    "path",
    [
        "inputs.api_key",
        "inputs.OPENAI_API_KEY",
        "inputs.token",
        "inputs.api_key.value",
        "metadata.http.request.header.authorization.0",
    ],
)
def test_what_is_named_as_a_key_is_one_whatever_it_looks_like(path: str) -> None:
    assert NAMED["api_keys"](path, "hunter2") == "[api key]"
    assert NAMED["passwords"]("inputs.db_password", "hunter2") == "[password]"
    assert NAMED["passwords"]("inputs.userPassword.value", "hunter2") == "[password]"
    assert NAMED["api_keys"]("inputs.max_tokens", "hunter2") == "hunter2"


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "1",
        "1 ",
        "4 ",
        "eyJa.",
        "eyJ",
        "eyJaaaaaa",
        "0 ",
        "A1",
        "AA00",
        "://a",
        "-----BEGIN PRIVATE KEY",
        "1:",
        "@a",
        "sk-a",
        "password",
        "bearer ",
        "(0",
    ],
)
def test_no_text_takes_a_mask_long(piece: str) -> None:
    text = piece * (300_000 // len(piece)) + "@"
    for name, mask in NAMED.items():
        begun = time.process_time()
        mask("inputs.input", text)
        assert time.process_time() - begun < 2.0, name


def upper(path: str, text: str) -> object:
    return text.replace("canary", "CANARY")


def masked(value: object, *masks: object) -> object:
    return Masking(tuple(masks) or (upper,)).value("inputs", value, set())  # type: ignore[arg-type]


def test_names_of_members_are_masked_too() -> None:
    assert masked({"canary": {"a canary": 1}}) == {"CANARY": {"a CANARY": 1}}


def test_names_that_become_equal_stay_two() -> None:
    shown = masked({"a@b.org": 1, "c@d.org": 2}, NAMED["emails"])
    assert shown == {"[email]": 1, "[email] (2)": 2}


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_json_in_a_text_is_masked_however_it_is_escaped(levels: int) -> None:
    text = '{"k\\u0061n": "c\\u0061n\\u0061ry", "canary": [1, "x"]}'
    for _ in range(levels - 1):
        text = json.dumps([text])
    shown = masked(text)
    assert isinstance(shown, str)
    value = json.loads(shown)
    for _ in range(levels - 1):
        value = json.loads(value[0])
    assert value == {"kan": "CANARY", "CANARY": [1, "x"]}


def test_escapes_in_a_text_that_was_cut_are_no_hiding_place() -> None:
    assert masked('{"a": "c\\u0061n\\u0061ry", "b": "c') == '{"a": "CANARY", "b": "c'


def test_json_in_which_nothing_is_found_stays_as_it_was_written() -> None:
    assert masked('{ "a":  "b" }') == '{ "a":  "b" }'


def test_long_numbers_are_shown_to_masks_as_texts() -> None:
    cards = {"a": 4111111111111111, "b": 4111111111111111.0, "c": 17, "d": 0.5, "e": True}
    assert masked(cards, NAMED["credit_cards"]) == {
        "a": "[credit card]",
        "b": "[credit card]",
        "c": 17,
        "d": 0.5,
        "e": True,
    }


def test_bytes_that_are_a_text_are_masked_as_one() -> None:
    assert masked({"$bytes": "YSBjYW5hcnk="}) == "a CANARY"
    assert masked(b"a canary") == "a CANARY"
    assert masked({"$bytes": "/wA="}) == {"$bytes": "/wA="}


def test_a_mask_sees_where_a_text_stands() -> None:
    seen: dict[str, str] = {}

    def note(path: str, text: str) -> object:
        seen[text] = path
        return text

    masked({"messages": [{"content": '{"user": {"city": "Bonn"}}'}]}, note)
    assert seen["Bonn"] == "inputs.messages.0.content.user.city"
    assert seen["city"] == "inputs.messages.0.content.user.*"


def test_a_mask_that_raises_costs_that_value_alone() -> None:
    told: list[type[BaseException]] = []
    repairs: Repairs = set()

    def picky(path: str, text: str) -> object:
        if "canary" in text:
            raise ValueError(text)
        return text

    shown = Masking((picky,), told.append).value("inputs", {"a": "canary", "b": "b"}, repairs)
    assert shown == {"a": FAILED, "b": "b"}
    assert (told, repairs) == ([ValueError], {Repair.MASK})
    assert Masking((picky,)).value("inputs", {"canary": 1}, repairs) == {FAILED: 1}


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_mask_that_would_end_the_process_costs_that_value_alone(
    error: type[BaseException],
) -> None:
    def ending(path: str, text: str) -> object:
        raise error(text)

    told: list[type[BaseException]] = []
    shown = Masking((ending,), told.append).value("inputs", ["x", 1, "y"], set())
    assert shown == [FAILED, 1, FAILED]
    assert told == [error, error]


def test_nothing_nests_so_deep_that_it_passes() -> None:
    nested: object = "canary"
    for _ in range(300):
        nested = [nested]
    text = "canary"
    for _ in range(12):
        text = json.dumps([text])
    assert "canary" not in json.dumps(masked([nested, text, "[" * 5000 + '"canary"' + "]" * 5000]))


def test_a_mask_may_return_any_value() -> None:
    assert masked({"a": "x"}, lambda path, text: None) == {FAILED: None}
    assert masked("x", lambda path, text: {"length": len(text)}) == {"length": 1}


def test_masks_are_given_by_name_as_functions_or_as_both(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config(None, "pf_token").mask is None
    assert load_config(None, "pf_token", mask=upper).mask == (upper,)
    assert load_config(None, "pf_token", mask=["jwt", upper]).mask == (NAMED["jwt"], upper)
    monkeypatch.setenv("PREFACTOR_MASK", "emails, phones")
    assert load_config(None, "pf_token").mask == (NAMED["emails"], NAMED["phones"])


def test_a_mask_that_does_not_exist_is_refused_with_the_ones_that_do() -> None:
    with pytest.raises(PrefactorConfigError, match=r"emials.*must be functions.*emails, credit"):
        load_config(None, "pf_token", mask="emials")


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


TEXTS = st.sampled_from(["canary", "a canary", "x", "", "é canary", "[1", '{"canary"', "\ud800"])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(TEXTS, inner, max_size=3)
        | st.tuples(inner, inner)
        | inner.map(json.dumps)
        | inner.map(lambda value: json.dumps(value).replace("canary", escaped("canary")))
        | inner.map(lambda value: f"Result: {json.dumps(value)}")
        | inner.map(lambda value: json.dumps(value)[:-1])
    ),
    max_leaves=12,
)


def unescaped(text: str) -> str:
    """With all that any number of readers of JSON would make of it."""
    before = ""
    while before != text:
        before, text = text, re.sub(r"\\+u([0-9a-f]{4})", lambda f: chr(int(f[1], 16)), text)
    return text


@given(VALUES)
def test_no_value_hides_anything_from_a_mask(value: object) -> None:
    shown = encode(masked(value)).decode()
    assert "canary" not in unescaped(shown)
