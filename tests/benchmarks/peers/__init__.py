"""Who is measured. One file a peer: a subclass of ``Peer``, and its instances in ``PEERS``.

These files are imported by the command and by every measured process, so what a peer needs is
imported inside its methods. A variant of ours with other options is one more instance.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, Literal

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

    from tests.benchmarks.workload import Run

Ability = Literal["export", "process", "own"]

REFERENCE: Final = "otlp"
"""The peer to whom the others are compared."""


class Peer:
    """Something that takes spans and delivers them. ``abilities`` says which methods work."""

    name: str
    requirements: ClassVar[tuple[str, ...]] = ()
    """Packages of a virtual environment of its own; none: it lives in ours."""
    abilities: ClassVar[frozenset[Ability]] = frozenset()

    def construction(self, url: str) -> str:
        """Python source that imports what a user imports and leaves an exporter in ``made``."""
        raise NotImplementedError

    def exporter(self, url: str) -> "SpanExporter":
        """An exporter whose ``export`` returns when the backend has answered."""
        raise NotImplementedError

    def processor(self, url: str, queue: int | None = None) -> "SpanProcessor":
        """A processor as users add it; ``queue`` spans may wait, by default as many as stock."""
        raise NotImplementedError

    def with_a_run_a_trace(self) -> "Peer":
        """The same, with each trace as a run of its own where it knows of runs."""
        return self

    def own(self, url: str, runs: "Sequence[Run]") -> None:
        """Make these spans through an API of its own; returns when all are acknowledged."""
        raise NotImplementedError


def peers() -> list[Peer]:
    """Every peer, those of our environment first."""
    modules = (import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__))
    found: list[Peer] = [peer for module in modules for peer in module.PEERS]
    return sorted(found, key=lambda peer: (bool(peer.requirements), peer.name == REFERENCE))
