"""A generator that is a run has that run to itself: its consumer and other generators are apart."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator

import pytest

import prefactor_otel
from prefactor_otel.devserver import DevServer
from tests.runs.test_runs import Service, by_run


def test_a_generator_and_its_consumer_keep_their_runs_apart(api: DevServer) -> None:
    service = Service(api)

    @prefactor_otel.run()
    def produce(name: str) -> Iterator[int]:
        for number in range(2):
            service.tracer.start_span(f"{name} {number}").end()
            yield number

    for number in produce("only"):
        service.tracer.start_span(f"consumer {number}").end()
    first, second = produce("first"), produce("second")
    assert [next(first), next(second), *first, *second] == [0, 0, 1, 1]
    assert prefactor_otel.current_run() is None
    service.provider.shutdown()
    assert sorted(by_run(api).values()) == [
        ["consumer 0", "consumer 1"],
        ["first 0", "first 1"],
        ["only 0", "only 1"],
        ["second 0", "second 1"],
    ]


def test_an_asynchronous_generator_and_its_consumer_keep_their_runs_apart(api: DevServer) -> None:
    service = Service(api)

    @prefactor_otel.run()
    async def produce() -> AsyncIterator[int]:
        for number in range(2):
            await asyncio.sleep(0)
            service.tracer.start_span(f"produced {number}").end()
            yield number

    async def consume() -> None:
        async for number in produce():
            service.tracer.start_span(f"consumer {number}").end()

    asyncio.run(consume())
    service.provider.shutdown()
    assert sorted(by_run(api).values()) == [
        ["consumer 0", "consumer 1"],
        ["produced 0", "produced 1"],
    ]


def test_a_span_that_is_current_across_a_yield_is_so_in_the_body_alone(api: DevServer) -> None:
    service = Service(api)

    @prefactor_otel.run()
    def produce() -> Iterator[int]:
        with service.tracer.start_as_current_span("outer"):
            yield 1
            service.tracer.start_span("inner").end()

    for _ in produce():
        service.tracer.start_span("consumer").end()
    service.provider.shutdown()
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert rows["inner"]["parent_span_id"] == rows["outer"]["id"]
    assert rows["consumer"]["parent_span_id"] is None


@prefactor_otel.run()
def echo() -> Generator[object, object, str]:
    """Yields what it gets, and what is thrown at it."""
    got: object = "ready"
    while got is not None:
        try:
            got = yield got
        except ValueError as error:
            got = error
    return "over"


def test_a_generator_is_sent_to_and_thrown_at_as_without_a_run() -> None:
    generator = echo()
    error = ValueError("no")
    assert [next(generator), generator.send(1), generator.throw(error)] == ["ready", 1, error]
    with pytest.raises(StopIteration) as caught:
        next(generator)
    assert caught.value.value == "over"


def test_a_generator_that_is_left_ends_its_run(api: DevServer) -> None:
    service = Service(api)
    closed: list[bool] = []

    @prefactor_otel.run()
    def produce() -> Generator[int, None, None]:
        try:
            service.tracer.start_span("a").end()
            yield 1
        finally:
            closed.append(True)

    generator = produce()
    next(generator)
    generator.close()
    assert closed == [True]
    assert service.ends(1)
    service.provider.shutdown()


def test_an_asynchronous_generator_is_sent_to_thrown_at_and_closed() -> None:
    closed: list[bool] = []

    @prefactor_otel.run()
    async def echoing():  # type: ignore[no-untyped-def]
        got: object = "ready"
        try:
            while True:
                try:
                    got = yield got
                except ValueError as error:
                    got = error
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def use() -> None:
        generator = echoing()
        error = ValueError("no")
        assert await anext(generator) == "ready"
        assert await generator.asend(1) == 1
        assert await generator.athrow(error) is error
        await generator.aclose()

    asyncio.run(use())
    assert closed == [True]
