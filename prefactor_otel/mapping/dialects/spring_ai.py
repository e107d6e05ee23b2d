"""Spring AI's own words, beside those of the GenAI conventions."""

from typing import Final

from prefactor_otel.mapping.rules import INPUT, Rule, types
from prefactor_otel.mapping.shapes.texts import text
from prefactor_otel.mapping.types import CHAIN, RETRIEVER, STEP, TOOL, ByCheck, ByValue

KIND: Final = "spring.ai.kind"


def _searches(kind: object, operation: object) -> bool:
    return kind == "vector_store" and operation == "query"


TYPES: Final = (
    ByCheck(STEP, (KIND, "db.operation.name"), _searches, RETRIEVER),
    ByValue(STEP, KIND, {"tool_call": TOOL, "chat_client": CHAIN, "advisor": CHAIN}, ()),
)
RULES: Final = (
    Rule("query", ("db.vector.query.content",), side=INPUT, of=types(RETRIEVER)),
    Rule("name", ("spring.ai.tool.definition.name",), text, of=types(TOOL)),
)
