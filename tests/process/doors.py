"""An agent behind each door of the exporter: run with the name of one, where all is installed."""

import sys

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer, get_tracer

import prefactor_otel


def exporter() -> Tracer:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(prefactor_otel.PrefactorExporter()))
    return provider.get_tracer("agent")


def processor() -> Tracer:
    provider = TracerProvider()
    provider.add_span_processor(prefactor_otel.PrefactorSpanProcessor())
    return provider.get_tracer("agent")


def configured() -> Tracer:
    return prefactor_otel.configure().get_tracer("agent")


def none() -> Tracer:
    """Somebody else has set all up, as ``opentelemetry-instrument`` does."""
    return get_tracer("agent")


DOORS = {door.__name__: door for door in (exporter, processor, configured, none)}

if __name__ == "__main__":
    tracer = DOORS[sys.argv[1]]()
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
