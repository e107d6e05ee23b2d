"""Live: the run and its open agent are on the platform while the agent still works."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from prefactor_otel import PrefactorSpanProcessor

processor = PrefactorSpanProcessor()
provider = TracerProvider(resource=Resource.create({"service.name": "live-agent"}))
provider.add_span_processor(processor)  # any SDK provider will do, also one you already have
tracer = provider.get_tracer("live-agent")

with tracer.start_as_current_span("invoke_agent clerk") as agent:
    agent.set_attribute("gen_ai.operation.name", "invoke_agent")
    agent.set_attribute("gen_ai.agent.name", "clerk")
    for page in range(3):
        with tracer.start_as_current_span("execute_tool read_page") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "read_page")
            tool.set_attribute("gen_ai.tool.call.arguments", f'{{"page": {page}}}')
    delivered = provider.force_flush(5_000)
    print(f"everything that ended is on the platform: {delivered}; run {processor.run_id}")

provider.shutdown()
stats = processor.stats()
print(f"{stats.acknowledged} of {stats.accepted} spans acknowledged, {stats.dropped} dropped")
