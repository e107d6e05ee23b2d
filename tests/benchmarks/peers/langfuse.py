# mypy: ignore-errors
"""langfuse's span processor: the stock batch processor and OTLP exporter with gzip, and its own
steps before them. In an environment of its own (and not installed where types are checked)."""

import os

from tests.benchmarks.peers import Peer


class Langfuse(Peer):
    """As it comes, except that it takes every span and not only those of known scopes."""

    name = "langfuse"
    requirements = ("langfuse==5.0.4",)
    abilities = frozenset({"process"})

    def processor(self, url, queue=None):
        os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(max(queue or 0, 2048))
        # Private, but the public client adds threads and clients that are not measured here.
        from langfuse._client.span_processor import LangfuseSpanProcessor

        return LangfuseSpanProcessor(
            public_key="pk-lf-benchmark",
            secret_key="sk-lf-benchmark",
            base_url=url,
            should_export_span=lambda span: True,
        )


PEERS = (Langfuse(),)
