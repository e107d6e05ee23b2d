"""Two agents in one process: set PREFACTOR_API_URL and PREFACTOR_API_TOKEN, then run this file."""

from opentelemetry import baggage, context, trace

import prefactor_otel

prefactor_otel.configure(
    agent_name="front desk",
    tenants={"night porter": {"agent_version": "2", "capture_inputs": False}},
)
tracer = trace.get_tracer("hotel")


def work(task: str) -> None:
    with tracer.start_as_current_span(f"invoke_agent {task}") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("input.value", f"please {task}")


work("check in")  # the process's own agent

with tracer.start_as_current_span("round", attributes={"prefactor.agent_name": "night porter"}):
    work("lock up")  # a child is in the run of its parent

token = context.attach(baggage.set_baggage("prefactor.agent_name", "night porter"))
work("carry bags")  # the same run: a process has one of each agent
context.detach(token)

with prefactor_otel.run("audit", agent="night porter"):
    work("count keys")  # a run of its own, of that agent
prefactor_otel.shutdown()
