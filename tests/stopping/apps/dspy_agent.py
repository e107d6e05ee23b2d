"""A program of DSPy that asks a model twice: ``openinference CITY``."""

import sys

import dspy
from openinference.instrumentation.dspy import DSPyInstrumentor
from weather import MODEL, question

DSPyInstrumentor().instrument()
dspy.configure(lm=dspy.LM(f"openai/{MODEL}", cache=False))
predict = dspy.Predict("question -> answer")
for again in ("", "Again: "):
    print(predict(question=again + question(sys.argv[2])).answer)
