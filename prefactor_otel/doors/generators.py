"""Generators whose body runs in an OpenTelemetry context of its own, and whose consumer keeps his.

A generator shares the context of whoever asks it for a value. What its body attaches would stay
with the consumer between two values, and that of another generator with the body. So the body's
context is attached for each step, and taken off again before the value is handed out.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from opentelemetry import context
from opentelemetry.context import Context

P = ParamSpec("P")
Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")
Enter = Callable[[], AbstractContextManager[Context]]
"""Gives the context in which a body begins, and learns how that ends."""


class _Body:
    """The context of a generator's body, as its last step left it."""

    def __init__(self, where: Context) -> None:
        self._where = where

    @contextmanager
    def step(self) -> Iterator[None]:
        token = context.attach(self._where)
        try:
            yield
        finally:
            self._where = context.get_current()
            context.detach(token)


def within(
    enter: Enter, function: Callable[P, Generator[Y, S, R]]
) -> Callable[P, Generator[Y, S, R]]:
    """The generator function, each call of it with a context from ``enter``."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Generator[Y, S, R]:
        generator = function(*args, **kwargs)
        with enter() as where:
            return (yield from _steps(_Body(where), generator))

    return wrapper


def _steps(body: _Body, generator: Generator[Y, S, R]) -> Generator[Y, S, R]:
    step: Callable[[], Y] = partial(next, generator)
    while True:
        try:
            with body.step():
                value = step()
        except StopIteration as stop:
            result: R = stop.value
            return result
        try:
            step = partial(generator.send, (yield value))
        except GeneratorExit:
            with body.step():
                generator.close()
            raise
        except BaseException as error:
            step = partial(generator.throw, error)


def within_async(
    enter: Enter, function: Callable[P, AsyncGenerator[Y, S]]
) -> Callable[P, AsyncGenerator[Y, S]]:
    """The same for an asynchronous generator function."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Y, S]:
        generator = function(*args, **kwargs)
        step: Callable[[], Awaitable[Y]] = generator.__anext__
        with enter() as where:
            body = _Body(where)
            while True:
                try:
                    with body.step():
                        value = await step()
                except StopAsyncIteration:
                    return
                try:
                    step = partial(generator.asend, (yield value))
                except GeneratorExit:
                    with body.step():
                        await generator.aclose()
                    raise
                except BaseException as error:
                    step = partial(generator.athrow, error)

    return wrapper
