"""The Google GenAI client: ``content|stream|error CITY INSTRUMENTATION``, with the client's own
loop of tools. The instrumentation is ``official``, ``openinference_google_genai``
or ``traceloop_google_generativeai``."""

import os
import sys

from google import genai
from google.genai import types
from weather import INSTRUCTIONS, get_weather, question


def instrument(instrumentation: str) -> None:
    if instrumentation == "openinference_google_genai":
        from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor

        GoogleGenAIInstrumentor().instrument()
    elif instrumentation == "traceloop_google_generativeai":
        from opentelemetry.instrumentation.google_generativeai import (
            GoogleGenerativeAiInstrumentor,
        )

        GoogleGenerativeAiInstrumentor().instrument()
    else:
        from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

        GoogleGenAiSdkInstrumentor().instrument()


def main(way: str, city: str, instrumentation: str) -> None:
    instrument(instrumentation)
    options = types.HttpOptions(base_url=os.environ["MODEL_HOST"])
    client = genai.Client(api_key="none", http_options=options)
    model = "no-such-model" if way == "error" else "gemini-2.5-flash"
    config = types.GenerateContentConfig(
        system_instruction=INSTRUCTIONS, tools=[] if way == "stream" else [get_weather]
    )
    asked = {"model": model, "contents": question(city), "config": config}
    if way == "stream":
        print([part.text for part in client.models.generate_content_stream(**asked)])
    else:
        print(client.models.generate_content(**asked).text)


main(*sys.argv[1:])
