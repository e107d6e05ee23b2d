"""What is worked out once is bounded, whoever sends what."""

import tracemalloc
from collections.abc import Callable
from itertools import count

import pytest

from prefactor_otel.mapping.kept import LONGEST, MOST_KEPT, MOST_WORDS, Kept, Outline
from prefactor_otel.mapping.shapes.blocks import call_of
from prefactor_otel.mapping.shapes.messages import messages
from prefactor_otel.mapping.shapes.reasons import usual_reason
from prefactor_otel.mapping.shapes.texts import settings


def made(outline: Outline) -> str:
    return repr(outline)


def test_what_is_asked_again_is_not_worked_out_again() -> None:
    numbers = count()
    kept = Kept(lambda outline: next(numbers))
    assert [kept[("user", "role")], kept[("user", "role")], kept[("tool", "role")]] == [0, 0, 1]


def test_ever_new_names_are_all_answered_and_fill_no_memory() -> None:
    kept = Kept(made)
    for number in range(3 * MOST_KEPT):
        outline = ("user", f"name {number}")
        assert kept[outline] == made(outline)
        assert len(kept) <= MOST_KEPT


def test_many_or_long_names_are_answered_and_not_kept() -> None:
    kept = Kept(made)
    for outline in [("x" * (LONGEST + 1),), ("x",) * (MOST_WORDS + 1), (("x", "y"), "role")]:
        assert kept[outline] == made(outline)
    assert not kept


def test_words_that_are_equal_and_not_the_same_are_not_taken_for_each_other() -> None:
    for role in (1, True, 1.0, True, 1):
        [told] = messages([{"role": role, "content": "hi"}]) or []
        assert isinstance(told, dict)
        assert repr(told["role"]) == repr(role)


@pytest.mark.parametrize(
    "tell",
    [
        lambda word: messages([{"role": word, "content": "hi"}]),
        lambda word: messages([{"role": "user", "content": "hi", word: 1}]),
        lambda word: messages([{"role": "user", "content": [{"type": word, "text": "hi"}]}]),
        lambda word: messages([{"role": "user", "content": [{"type": "text", word: "hi"}]}]),
        lambda word: messages([{"type": word, "content": "hi"}]),
        lambda word: call_of({"name": "find", word: {}}),
        lambda word: usual_reason(word),
        lambda word: settings({word: 1}),
    ],
)
def test_long_words_of_a_message_fill_no_memory(tell: Callable[[str], object]) -> None:
    tracemalloc.start()
    try:
        for number in range(40):
            tell(f"{number} {'x' * 1_000_000}")
        assert tracemalloc.get_traced_memory()[0] < 10_000_000
    finally:
        tracemalloc.stop()
