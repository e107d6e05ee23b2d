"""Google's Agent Development Kit."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import calls, steps
from prefactor_otel.mapping.rules import OUTPUT, Rule
from prefactor_otel.mapping.types import LLM, STEP, ByCheck
from prefactor_otel.mapping.usage import usage_in

REQUEST: Final = "gcp.vertex.agent.llm_request"
RESPONSE: Final = "gcp.vertex.agent.llm_response"


def _is_request(value: object) -> bool:
    return isinstance(value, str) and value != "{}"


TYPES: Final = (ByCheck(STEP, (REQUEST,), _is_request, LLM),)
RULES: Final = (
    *steps(("gcp.vertex.agent.tool_call_args",), ("gcp.vertex.agent.tool_response",)),
    *calls((REQUEST,), (RESPONSE,)),
    Rule("usage", (RESPONSE,), usage_in, OUTPUT, partly=True),
)
