"""An agent of LlamaIndex, or a search: ``agent|retrieve CITY``."""

import asyncio
import os
import sys

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from opentelemetry.instrumentation.genai.llama_index import LlamaIndexInstrumentor
from weather import INSTRUCTIONS, MODEL, get_weather, question

ADDRESS = os.environ["OPENAI_BASE_URL"]


async def ask(model: OpenAI, city: str) -> None:
    agent = FunctionAgent(
        name="weather_agent",
        tools=[get_weather],
        llm=model,
        system_prompt=INSTRUCTIONS,
        streaming=False,
    )
    print(await agent.run(user_msg=question(city)))


def main(way: str, city: str) -> None:
    LlamaIndexInstrumentor().instrument()
    model = OpenAI(model=MODEL, api_base=ADDRESS, max_retries=0)
    if way == "agent":
        asyncio.run(ask(model, city))
        return
    documents = [Document(text="Paris: sunny, 21C"), Document(text="Oslo: rain")]
    index = VectorStoreIndex.from_documents(
        documents, embed_model=OpenAIEmbedding(api_base=ADDRESS)
    )
    print(index.as_query_engine(llm=model).query(question(city)))


main(*sys.argv[1:])
