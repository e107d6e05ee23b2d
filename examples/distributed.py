"""Three processes, one run: a web service, an agent that it asks, and a worker on a queue."""

import asyncio
import multiprocessing
from multiprocessing.queues import Queue

from aiohttp import request, web
from opentelemetry import propagate, trace

import prefactor_otel

AGENT = {"gen_ai.operation.name": "invoke_agent"}
tracer = trace.get_tracer("travel")


def configure() -> None:  # in each of the processes
    prefactor_otel.configure(run_scope="trace", run_propagation=True)


def headers() -> dict[str, str]:
    """What instrumentations of clients and queues do by themselves, as those of servers extract."""
    propagate.inject(carried := dict[str, str]())
    return carried


def work(jobs: "Queue[dict[str, str]]") -> None:
    configure()
    tracer.start_span("book hotel", propagate.extract(jobs.get())).end()


def serve(ports: "Queue[int]", served: "Queue[str]") -> None:
    async def answer(asked: web.Request) -> web.Response:
        where = propagate.extract(asked.headers)
        with tracer.start_as_current_span("invoke_agent pilot", where, attributes=AGENT):
            return web.Response(text="a seat by the window")

    async def main() -> None:
        configure()
        runner = web.AppRunner(app := web.Application())
        app.router.add_get("/", answer)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ports.put(runner.addresses[0][1])
        await asyncio.to_thread(served.get)

    asyncio.run(main())


async def travel(port: int) -> None:
    with tracer.start_as_current_span("invoke_agent travel", attributes=AGENT):
        with tracer.start_as_current_span("ask pilot"):
            async with request("GET", f"http://127.0.0.1:{port}/", headers=headers()) as answer:
                print(await answer.text())
        with tracer.start_as_current_span("send hotel"):
            jobs.put(headers())
        await asyncio.to_thread(worker.join)


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    jobs, ports, served = spawn.Queue(), spawn.Queue(), spawn.Queue()
    (worker := spawn.Process(target=work, args=(jobs,))).start()
    (server := spawn.Process(target=serve, args=(ports, served))).start()
    configure()
    tracer.start_span("warm up").end()  # runs can be named once Prefactor has answered
    prefactor_otel.flush()
    asyncio.run(travel(ports.get()))
    served.put("all")
    server.join()  # else its last words come when the run is over
