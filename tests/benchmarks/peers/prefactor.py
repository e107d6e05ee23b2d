"""The exporter of this repository."""

from typing import TYPE_CHECKING, cast

from tests.benchmarks.peers import Peer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

    from prefactor_otel.config.options import Options

TOKEN = "pf_benchmark"


class Prefactor(Peer):
    """With options of its own, so that variants can be measured side by side: one more instance
    in ``PEERS``, with another name."""

    abilities = frozenset({"export", "process"})

    def __init__(self, name: str = "prefactor", **options: object) -> None:
        self.name = name
        self._options = cast("Options", options)

    def construction(self, url: str) -> str:
        return (
            "from prefactor_otel import PrefactorExporter\n"
            f"made = PrefactorExporter({url!r}, {TOKEN!r}, **{self._options!r})"
        )

    def exporter(self, url: str) -> "SpanExporter":
        from prefactor_otel import PrefactorExporter

        return PrefactorExporter(url, TOKEN, **self._options)

    def with_a_run_a_trace(self) -> Peer:
        return Prefactor(self.name, **{**self._options, "run_scope": "trace"})

    def processor(self, url: str, queue: int | None = None) -> "SpanProcessor":
        from prefactor_otel import PrefactorSpanProcessor

        # A span takes two items where it is created while open, and more bytes than it has.
        options = cast("Options", {**self._options})
        if queue is not None:
            options["max_queue_size"] = max(65_536, 2 * queue)
            options["max_queue_bytes"] = 2**30
        return PrefactorSpanProcessor(url, TOKEN, **options)


PEERS = (Prefactor(),)
