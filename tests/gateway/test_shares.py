"""Who gets how much of what many share."""

import asyncio
from collections.abc import Sequence

import pytest

from prefactor_otel.gateway.shares import Parts, Turns, may_have_more

WHILE = 60.0


def order_of(asked: Sequence[tuple[str, int]], most: int) -> list[str]:
    """In which order they get their turns, when the first is at work as the others ask."""
    got: list[str] = []

    async def work() -> None:
        turns, go_on = Turns(most), asyncio.Event()

        async def one(name: str, weight: int) -> None:
            async with turns.turn(name, weight, WHILE):
                got.append(name)
                await go_on.wait()

        async with asyncio.TaskGroup() as group:
            for name, weight in asked:
                group.create_task(one(name, weight))
            await asyncio.sleep(0)
            group.create_task(asyncio.to_thread(lambda: None)).add_done_callback(
                lambda _: go_on.set()
            )

    asyncio.run(work())
    return got


def test_who_asks_for_little_does_not_wait_for_all_that_another_has_asked_for_before() -> None:
    asked = [*(("noisy", 10) for _ in range(6)), ("quiet", 1)]
    assert order_of(asked, most=10).index("quiet") == 1


def test_many_small_requests_get_no_more_than_a_few_large_ones() -> None:
    asked = [("first", 10), *(("large", 10) for _ in range(2)), *(("small", 1) for _ in range(20))]
    order = order_of(asked, most=10)
    second = [place for place, name in enumerate(order) if name == "large"][1]
    assert order[:second].count("small") in range(9, 12)


def test_what_is_more_than_may_be_at_work_gets_its_turn_by_itself() -> None:
    assert order_of([("large", 50), ("large", 50)], most=10) == ["large", "large"]


def test_a_turn_that_does_not_come_in_time_is_given_to_the_next() -> None:
    async def work() -> list[str]:
        turns, got = Turns(1), list[str]()
        async with turns.turn("a", 1, WHILE):
            with pytest.raises(TimeoutError):
                async with turns.turn("b", 1, 0.001):
                    got.append("b")
        async with turns.turn("c", 1, WHILE):
            got.append("c")
        return got

    assert asyncio.run(work()) == ["c"]


def test_whose_part_of_what_waits_is_what_they_have_given_lately() -> None:
    parts = Parts()
    parts.add({"a": 900}, 0)
    parts.add({"b": 100}, 900)
    assert parts.of("a") == 0.9
    parts.add({"b": 100}, 100)
    assert (parts.of("a"), parts.of("b"), parts.of("nobody")) == (0.45, 0.55, 0)
    parts.add({"b": 1}, 0)
    assert (parts.of("a"), parts.of("b")) == (0, 1)


def test_somebody_may_have_much_and_never_all() -> None:
    assert may_have_more(0.0, 0.0)
    assert may_have_more(0.8, 0.2)
    assert not may_have_more(0.9, 0.1)
