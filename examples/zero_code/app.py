"""An application that has never heard of Prefactor. Run it with:

pip install opentelemetry-distro
export OTEL_TRACES_EXPORTER=prefactor OTEL_METRICS_EXPORTER=none OTEL_LOGS_EXPORTER=none
opentelemetry-instrument python app.py
"""

from opentelemetry import trace

tracer = trace.get_tracer("shop")


def price(item: str) -> int:
    """What an item costs."""
    with tracer.start_as_current_span("price") as span:
        span.set_attribute("shop.item", item)
        return len(item)


with tracer.start_as_current_span("checkout"):
    print(sum(price(item) for item in ("apple", "pear")))
