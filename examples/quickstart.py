"""The one-line use: set PREFACTOR_API_URL and PREFACTOR_API_TOKEN, then run this file."""

import json

from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from prefactor_otel import PrefactorExporter, TracerProvider

trace.set_tracer_provider(TracerProvider(span_processors=[BatchSpanProcessor(PrefactorExporter())]))
tracer = trace.get_tracer("quickstart")


def ask(question: str) -> str:
    """One call of a model, recorded after the GenAI conventions."""
    with tracer.start_as_current_span("chat example-model") as span:
        asked = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.request.model", "example-model")
        span.set_attribute("gen_ai.input.messages", json.dumps(asked))
        answer = "Forty-two."
        answered = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
        span.set_attribute("gen_ai.output.messages", json.dumps(answered))
        span.set_attribute("gen_ai.usage.input_tokens", 7)
        span.set_attribute("gen_ai.usage.output_tokens", 3)
        return answer


with tracer.start_as_current_span("invoke_agent oracle") as agent:
    agent.set_attribute("gen_ai.operation.name", "invoke_agent")
    agent.set_attribute("gen_ai.agent.name", "oracle")
    print(ask("What is the answer?"))
# No shutdown here: the provider delivers what is left when the process exits.
