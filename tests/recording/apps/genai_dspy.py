"""A module of DSPy: ``predict CITY``."""

import sys

import dspy
from opentelemetry.instrumentation.genai.dspy import DSPyInstrumentor
from weather import MODEL, question


def main(_way: str, city: str) -> None:
    DSPyInstrumentor().instrument()
    dspy.configure(lm=dspy.LM(f"openai/{MODEL}", cache=False, num_retries=0))
    print(dspy.Predict("question -> answer")(question=question(city)))


main(*sys.argv[1:])
