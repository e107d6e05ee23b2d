"""JSON that any other side can read."""

import json
import math
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefactor_http import _json

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(values)
def test_whatever_json_can_hold_comes_back(value: Any) -> None:
    text = _json.dumps(value)
    text.encode("utf-8")
    assert _json.loads(text) == json.loads(text) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("beside", [None, "\ud800", 2**70])
def test_numbers_that_json_does_not_have_become_null(number: float, beside: object) -> None:
    text = _json.dumps({"a": [number, (number,)], "b": beside})
    assert json.loads(text) == {"a": [None, [None]], "b": beside}


@pytest.mark.parametrize("beside", [None, "\ud800"])
def test_dates_and_uuids_are_texts(beside: object) -> None:
    name = uuid.UUID(int=1)
    text = _json.dumps({"a": MOMENT, "b": name, "c": beside})
    assert json.loads(text) == {"a": "2026-03-01T00:00:00+00:00", "b": str(name), "c": beside}


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        _json.dumps({"a": object()})


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": 1} x', "9" * 10_000])
def test_a_text_that_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        _json.loads(text)
