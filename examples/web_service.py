"""A web service: each request is a run of its own, and a nightly job is one explicitly."""

import asyncio

from aiohttp import ClientSession, web
from opentelemetry import trace

import prefactor_otel

prefactor_otel.configure(run_scope="trace", agent_name="concierge")
tracer = trace.get_tracer("concierge")


async def handle(request: web.Request) -> web.Response:
    """What an instrumentation of the web framework would do: a root span a request."""
    with tracer.start_as_current_span("invoke_agent concierge") as agent:
        agent.set_attribute("gen_ai.operation.name", "invoke_agent")
        agent.set_attribute("gen_ai.agent.name", "concierge")
        with tracer.start_as_current_span("execute_tool find_table") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "find_table")
            await asyncio.sleep(0.01)
        return web.Response(text=f"a table for {request.query['guest']}")


@prefactor_otel.run("night porter", purpose="eval")
async def nightly() -> None:
    """Two traces, one run, whatever ``run_scope`` says."""
    for task in ("lock up", "count spoons"):
        with tracer.start_as_current_span(task):
            await asyncio.sleep(0.01)


async def main() -> None:
    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with ClientSession() as session:
        guests = ("anna", "ben", "cleo")
        answers = await asyncio.gather(*(session.get(address, params={"guest": g}) for g in guests))
        print(", ".join([await answer.text() for answer in answers]))
    await nightly()
    await runner.cleanup()


asyncio.run(main())
