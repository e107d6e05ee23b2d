"""The client alone: register a run, record a step, finish the run."""

import asyncio
import os

from prefactor_http import HttpClientConfig, PrefactorHttpClient

CONFIG = HttpClientConfig(
    api_url=os.environ["PREFACTOR_API_URL"], api_token=os.environ["PREFACTOR_API_TOKEN"]
)
SCHEMAS = {
    "external_identifier": "example-1",
    "span_type_schemas": [{"name": "example:step", "params_schema": {"type": "object"}}],
}


async def main() -> None:
    """One run with one step."""
    async with PrefactorHttpClient(CONFIG) as client:
        run = await client.agent_instances.register(
            agent_version={"name": "example", "external_identifier": "1.0"},
            agent_schema_version=SCHEMAS,
        )
        await client.agent_instances.start(run.id)
        step = await client.agent_spans.create(
            run.id, "example:step", "active", payload={"name": "first step"}
        )
        await client.agent_spans.finish(step.id, "complete", result_payload={"output": "done"})
        finished = await client.agent_instances.finish(run.id, "complete")
        print(f"run {finished.id} is {finished.status}")


asyncio.run(main())
