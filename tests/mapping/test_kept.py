"""What is worked out once is bounded, whoever sends what."""

from itertools import count

from prefactor_otel.mapping.kept import LONGEST, MOST_KEPT, MOST_NAMES, Kept, Outline
from prefactor_otel.mapping.shapes.messages import messages


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
    for outline in [("x" * (LONGEST + 1),), ("x",) * (MOST_NAMES + 1), (("x", "y"), "role")]:
        assert kept[outline] == made(outline)
    assert not kept


def test_words_that_are_equal_and_not_the_same_are_not_taken_for_each_other() -> None:
    for role in (1, True, 1.0, True, 1):
        [told] = messages([{"role": role, "content": "hi"}]) or []
        assert isinstance(told, dict)
        assert repr(told["role"]) == repr(role)
