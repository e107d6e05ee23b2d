"""Blocks of the application that open something and are told how they were left."""

from abc import ABC, abstractmethod
from contextvars import Token
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from opentelemetry import context
from opentelemetry.context import Context


class Closing(Protocol):
    """What a block opens."""

    def closed(self, error: BaseException | None) -> None: ...


C = TypeVar("C", bound=Closing)


class Block(ABC, Generic[C]):
    """``with`` and ``async with``. The same block may be entered again, also inside of itself."""

    def __init__(self) -> None:
        self._entered: list[tuple[C, Token[Context]]] = []

    @abstractmethod
    def _open(self) -> tuple[C, Context]:
        """What the block opens, and the context in which what is inside happens."""

    def __enter__(self) -> C:
        opened, where = self._open()
        self._entered.append((opened, context.attach(where)))
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        opened, token = self._entered.pop()
        context.detach(token)
        opened.closed(error)

    async def __aenter__(self) -> C:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)
