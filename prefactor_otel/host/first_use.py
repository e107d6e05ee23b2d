"""Word of the first use of a provider, for what sits inside of its processors."""

import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from prefactor_otel.host import program
from prefactor_otel.host.nesting import Kinds, inside, processors_of
from prefactor_otel.stats.log import logger

H = TypeVar("H")
P = TypeVar("P")


class FirstUses(Generic[H, P]):
    """Tells things of ours in whose provider they are, before anything is recorded with that.

    An exporter is made before the processor that holds it, under a file also before its provider is
    the global one, and the SDK calls it only when spans have ended. But whoever records with a
    provider has asked that for a tracer, or for a logger. So this method of the SDK's class tells
    us as well while something of ours waits to be told; after that it is the SDK's own again.
    """

    def __init__(self, providers: type[P], method: str, kinds: Kinds) -> None:
        self._providers = providers
        self._method = method
        self._kinds = kinds
        self._waiting: WeakKeyDictionary[H, Callable[[H, P], None]] = WeakKeyDictionary()
        self._watching: object = None
        self._locks: dict[int, threading.RLock] = {}

    def tell(self, held: H, then: Callable[[H, P], None]) -> None:
        """Call this, once, with what is held and with the provider that holds it, when that is used
        first. What it raises is logged, and is no matter of who uses the provider."""
        self._waiting[held] = then
        ask = getattr(self._providers, self._method)
        if ask is self._watching:
            return

        @wraps(ask)
        def tell_and_ask(provider: P, *given: object, **named: object) -> object:
            self._tell_those_in(provider)
            if not self._waiting and getattr(self._providers, self._method) is tell_and_ask:
                setattr(self._providers, self._method, ask)
            return ask(provider, *given, **named)

        self._watching = tell_and_ask
        setattr(self._providers, self._method, tell_and_ask)

    def _tell_those_in(self, provider: P) -> None:
        """Whoever comes meanwhile waits until that is done. A child that is forked off meanwhile
        has a lock of its own."""
        with self._locks.setdefault(program.generation, threading.RLock()):
            held_here = {id(each) for each in self._held_in(provider)}
            for held in [each for each in list(self._waiting) if id(each) in held_here]:
                try:
                    self._waiting.pop(held)(held, provider)
                except Exception as error:
                    logger.warning("A provider cannot be followed: %s", type(error).__name__)

    def _held_in(self, provider: P) -> Iterator[object]:
        for processor in processors_of(provider, self._kinds):
            yield from inside(processor, self._kinds)
