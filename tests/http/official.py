# mypy: ignore-errors
"""Uses the official core client and LangChain adapter as their documentation shows.

A script of its own: it runs where those packages are installed. Arguments: URL, token, agent and
environment. Prints the ids of the instances that it made. (Those packages are not installed where
types are checked.)
"""

import asyncio
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from prefactor_core import PrefactorCoreClient, PrefactorCoreConfig, SchemaRegistry
from prefactor_langchain import PrefactorMiddleware, register_langchain_schemas

from prefactor_http import HttpClientConfig


class FakeModel(GenericFakeChatModel):
    """Asks for a tool, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"rain in {city}"


def config(url: str, token: str, registry: SchemaRegistry) -> PrefactorCoreConfig:
    return PrefactorCoreConfig(
        http_config=HttpClientConfig(api_url=url, api_token=token), schema_registry=registry
    )


async def use_core(url: str, token: str, agent: str, environment: str) -> str:
    registry = SchemaRegistry()
    registry.register_type(
        name="agent:llm",
        params_schema={"type": "object"},
        result_schema={"type": "object"},
        title="LLM call",
        template="{{model}}: {{prompt}}",
    )
    registry.register_quality_schema(name="score", schema={"type": "object"})
    async with PrefactorCoreClient(config(url, token, registry)) as client:
        instance = await client.create_agent_instance(
            agent_id=agent,
            environment_id=environment,
            agent_version={"name": "An agent", "external_identifier": "v1"},
        )
        await instance.start()
        async with instance.span("agent:llm") as outer:
            await outer.start({"model": "a model", "prompt": "Hello"})
            async with instance.span("agent:llm") as inner:
                await inner.start({"model": "a model", "prompt": "Inside"})
                await inner.fail({"error": "on purpose"})
            await outer.complete({"response": "Hello yourself"})
        await instance.record_quality("score", {"value": 1})
        await instance.finish()
        return instance.id


async def use_langchain(url: str, token: str, agent: str, environment: str) -> str:
    registry = SchemaRegistry()
    register_langchain_schemas(registry)
    async with PrefactorCoreClient(config(url, token, registry)) as client:
        instance = await client.create_agent_instance(
            agent_id=agent,
            environment_id=environment,
            agent_version={"name": "An agent", "external_identifier": "v2"},
        )
        await instance.start()
        call = {"name": "weather", "args": {"city": "Bath"}, "id": "call1"}
        answers = [AIMessage("", tool_calls=[call]), AIMessage("It rains.")]
        model = FakeModel(messages=iter(answers))
        middleware = PrefactorMiddleware(instance=instance)
        graph = create_agent(model, tools=[weather], middleware=[middleware])
        await graph.ainvoke({"messages": [HumanMessage("How is the weather?")]})
        await middleware.close()
        await instance.finish()
        return instance.id


async def main(*arguments: str) -> None:
    url, token, agent, environment = arguments
    print(await use_core(url, token, agent, environment))
    print(await use_langchain(url, token, agent, environment))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
