"""Bedrock by boto3: ``converse|error CITY INSTRUMENTATION``; the last is
``openinference_bedrock``, ``traceloop_bedrock`` or ``official_botocore``."""

import os
import sys
from typing import Any

import boto3
from opentelemetry import trace
from weather import INSTRUCTIONS, get_weather, question

MODEL = "anthropic.claude-sonnet-4-5"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "Weather.", "inputSchema": {"json": CITY}}


def instrument(instrumentation: str) -> None:
    if instrumentation == "openinference_bedrock":
        from openinference.instrumentation.bedrock import BedrockInstrumentor

        BedrockInstrumentor().instrument()
    elif instrumentation == "traceloop_bedrock":
        from opentelemetry.instrumentation.bedrock import BedrockInstrumentor as Traceloop

        Traceloop().instrument()
    else:
        from opentelemetry.instrumentation.botocore import BotocoreInstrumentor

        BotocoreInstrumentor().instrument()


def converse(client: Any, model: str, asked: list[Any]) -> None:
    for _ in range(2):
        answer = client.converse(
            modelId=model,
            messages=asked,
            system=[{"text": INSTRUCTIONS}],
            inferenceConfig={"maxTokens": 200, "temperature": 0.5},
            toolConfig={"tools": [{"toolSpec": TOOL}]},
        )
        message = answer["output"]["message"]
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        results = [
            {"toolUseId": call["toolUseId"], "content": [{"text": get_weather(**call["input"])}]}
            for call in calls
        ]
        told = [{"toolResult": result} for result in results]
        asked += [message, {"role": "user", "content": told}]


def main(way: str, city: str, instrumentation: str) -> None:
    instrument(instrumentation)
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=os.environ["MODEL_HOST"],
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",  # nobody asks for it
    )
    asked: list[Any] = [{"role": "user", "content": [{"text": question(city)}]}]
    with trace.get_tracer("weather").start_as_current_span("weather"):
        converse(client, "no-such-model" if way == "error" else MODEL, asked)


main(*sys.argv[1:])
