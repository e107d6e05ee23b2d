"""The stock OTLP exporter over HTTP, under the stock batch processor: the reference."""

from typing import TYPE_CHECKING

from tests.benchmarks.peers import REFERENCE, Peer

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter


class Otlp(Peer):
    """As it comes: protobuf, no compression."""

    name = REFERENCE
    abilities = frozenset({"export", "process"})

    def construction(self, url: str) -> str:
        return (
            "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
            f"made = OTLPSpanExporter(endpoint={url + '/v1/traces'!r})"
        )

    def exporter(self, url: str) -> "SpanExporter":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=f"{url}/v1/traces")

    def processor(self, url: str, queue: int | None = None) -> "SpanProcessor":
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        return BatchSpanProcessor(
            self.exporter(url), max_queue_size=None if queue is None else max(queue, 2048)
        )


PEERS = (Otlp(),)
