"""MLflow's tracing."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import steps
from prefactor_otel.mapping.rules import INPUT, Rule
from prefactor_otel.mapping.shapes.requests import model_in
from prefactor_otel.mapping.shapes.texts import model_name
from prefactor_otel.mapping.types import STEP, ByValue

TYPES: Final = (ByValue(STEP, "mlflow.spanType"),)
RULES: Final = (
    *steps(("mlflow.spanInputs",), ("mlflow.spanOutputs",)),
    Rule("answering", ("mlflow.llm.model",), model_name),
    Rule("requested", ("mlflow.spanInputs",), model_in, INPUT, partly=True),
)
