# mypy: ignore-errors
"""The published ``prefactor-core``, which makes two requests a span. It shares an import name with
us, so it lives in an environment of its own (and is not installed where types are checked)."""

import asyncio

from tests.benchmarks.peers import Peer


class Core(Peer):
    """Through its span API, as its documentation shows."""

    name = "prefactor-core"
    requirements = ("prefactor-core==0.5.3",)
    abilities = frozenset({"own"})

    def own(self, url, runs):
        asyncio.run(_drive(url, runs))


async def _drive(url, runs):
    from prefactor_core import PrefactorCoreClient, PrefactorCoreConfig

    from prefactor_http import HttpClientConfig

    config = PrefactorCoreConfig(
        http_config=HttpClientConfig(api_url=url, api_token="pf_benchmark")
    )
    async with PrefactorCoreClient(config) as client:
        instance = await client.create_agent_instance(
            agent_version={"name": "An agent", "external_identifier": "v1"},
            agent_schema_version={"external_identifier": "v1", "span_type_schemas": []},
        )
        await instance.start()
        for root, *children in runs:
            async with instance.span(root.name) as outer:
                await outer.start(dict(root.attributes))
                for child in children:
                    async with instance.span(child.name) as inner:
                        await inner.start(dict(child.attributes))
                        await inner.complete({})
                await outer.complete({})
        await instance.finish()


PEERS = (Core(),)
