"""The Google GenAI client: ``content|stream|error CITY``, with the client's own loop of tools."""

import os
import sys

from google import genai
from google.genai import types
from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor
from weather import INSTRUCTIONS, get_weather, question


def main(way: str, city: str) -> None:
    GoogleGenAiSdkInstrumentor().instrument()
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
