"""A turn of a Pipecat pipeline with a model and a tool, in text: ``turn CITY``."""

import asyncio
import os
import sys

from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import EndFrame, LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import PipelineRunner
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from weather import INSTRUCTIONS, MODEL, get_weather, question

CITY = {"city": {"type": "string"}}


async def main(_way: str, city: str) -> None:
    llm = OpenAILLMService(api_key="none", base_url=os.environ["OPENAI_BASE_URL"], model=MODEL)
    answered = asyncio.Event()

    async def look_up(asked: FunctionCallParams) -> None:
        await asked.result_callback(get_weather(**asked.arguments))

    llm.register_function("get_weather", look_up)
    schema = FunctionSchema("get_weather", "Weather of a city.", CITY, ["city"])
    system = {"role": "system", "content": INSTRUCTIONS}
    messages = [system, {"role": "user", "content": question(city)}]
    context = LLMContext(messages, ToolsSchema([schema]))
    pair = LLMContextAggregatorPair(context)
    pipeline = Pipeline([pair.user(), llm, pair.assistant()])
    task = PipelineTask(
        pipeline,
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        enable_tracing=True,
        enable_turn_tracking=True,
        conversation_id="conversation-1",
    )

    @pair.assistant().event_handler("on_assistant_turn_stopped")
    async def on_stopped(*_: object) -> None:
        answered.set()

    await task.queue_frames([LLMRunFrame()])
    running = asyncio.create_task(PipelineRunner(handle_sigint=False).run(task))
    await asyncio.wait_for(answered.wait(), 60)
    await task.queue_frames([EndFrame()])
    await running


asyncio.run(main(*sys.argv[1:]))
