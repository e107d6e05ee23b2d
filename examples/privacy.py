"""What may leave the process: set PREFACTOR_API_URL and PREFACTOR_API_TOKEN, then run this file."""

import json
import re

from opentelemetry import trace

from prefactor_otel import PrefactorSpanProcessor, TracerProvider

ORDER = re.compile(r"\bORD-\d+\b")


def orders(path: str, text: str) -> str:
    """A mask of our own: where a text stands, and what may be sent in its place."""
    return ORDER.sub("[order]", text)


processor = PrefactorSpanProcessor(
    mask=["emails", "credit_cards", orders],
    sensitive={"inputs.reason": "customer"},  # sent, and marked
    data_risk={
        "tool": {
            "action_profile": {"financial_transactions": "allowed", "destroy_data": "disallowed"},
            "data_categories": {"financial_information": "included"},
        }
    },
    max_output_length=40,
)
trace.set_tracer_provider(TracerProvider(span_processors=[processor]))
tracer = trace.get_tracer("shop")

with tracer.start_as_current_span("execute_tool refund ORD-1234") as span:
    arguments = {
        "to": "anna@example.org",
        "card": "4111 1111 1111 1111",
        "reason": "the tent leaks",
    }
    span.set_attribute("gen_ai.operation.name", "execute_tool")
    span.set_attribute("gen_ai.tool.call.arguments", json.dumps(arguments))
    span.set_attribute("gen_ai.tool.call.result", "ORD-1234 is refunded. " + "Thank you! " * 20)
processor.shutdown()
print(f"{processor.stats().acknowledged} span sent, masked")
