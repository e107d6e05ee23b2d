"""A web service sends its agent and nothing else, and says what its tools and steps are."""

from opentelemetry import trace

import prefactor_otel

EMAIL = {
    "title": "Email",
    "description": "A mail that leaves the house.",
    "template": "to {{ inputs.to }}: {{ inputs.subject }}",
    "inputs": {
        "type": "object",
        "properties": {"to": {"type": "string"}, "subject": {"type": "string"}},
        "required": ["to"],
    },
}
APPROVAL = {"title": "Approval", "template": "{{ name }} by {{ metadata.approver }}"}

prefactor_otel.configure(
    agent_name="postmaster",
    span_filter="agent",  # no HTTP, no database, nothing around the agent
    span_types={"approval": APPROVAL},
    tool_span_types={"send_email": EMAIL},
    span_type_prefix="langchain",  # for an evaluator that knows its names
)
tracer = trace.get_tracer("postmaster")


def send(to: str, subject: str) -> None:
    """A tool: an instrumentation of the agent's framework would write these attributes."""
    arguments = f'{{"to": "{to}", "subject": "{subject}"}}'
    with tracer.start_as_current_span("execute_tool send_email") as tool:
        tool.set_attribute("gen_ai.operation.name", "execute_tool")
        tool.set_attribute("gen_ai.tool.name", "send_email")
        tool.set_attribute("gen_ai.tool.call.arguments", arguments)
        with tracer.start_as_current_span("POST") as request:  # is not sent
            request.set_attribute("http.request.method", "POST")


def approve(approver: str) -> None:
    """A step of our own, which says what it is."""
    with tracer.start_as_current_span("release the mail") as step:
        step.set_attribute("prefactor.span_type", "approval")
        step.set_attribute("approver", approver)


with tracer.start_as_current_span("POST /mail") as served:  # is not sent
    served.set_attribute("http.request.method", "POST")
    with tracer.start_as_current_span("invoke_agent postmaster") as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.agent.name", "postmaster")
        with tracer.start_as_current_span("outbox"):  # our own, between AI spans: is sent
            approve("ada")
            send("anna@example.com", "Your table")

provider = trace.get_tracer_provider()
assert isinstance(provider, prefactor_otel.TracerProvider)
provider.shutdown()
