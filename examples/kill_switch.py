"""An agent that never comes to an end by itself, and the switch that stops it.

Somebody terminates its run on the platform; here, without an account, a local API does so after
the third step. The agent knows nothing of that: its next span raises.
"""

import os
import threading

from opentelemetry import trace

import prefactor_otel
from prefactor_otel import PrefactorTerminatedError
from prefactor_otel.devserver import DevServer

tracer = trace.get_tracer("hamster")


def agent(on_step: threading.Event) -> None:
    """Works until something stops it."""
    with tracer.start_as_current_span("invoke_agent hamster") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        while True:
            with tracer.start_as_current_span("execute_tool wheel") as tool:
                tool.set_attribute("gen_ai.operation.name", "execute_tool")
            on_step.wait(0.05)


def somebody(server: DevServer) -> None:
    """Watches the run on the platform, and has seen enough."""
    server.wait_until(lambda api: len(api.spans()) > 3, timeout=20)
    server.terminate(server.instances()[0]["id"], "it only turns the wheel")


def main() -> None:
    with DevServer() as server:
        os.environ["PREFACTOR_API_URL"] = server.url
        os.environ["PREFACTOR_API_TOKEN"] = server.token
        prefactor_otel.configure(on_terminate="raise", poll_interval=0.2, agent_name="hamster")
        watching = threading.Thread(target=somebody, args=(server,))
        watching.start()
        try:
            agent(threading.Event())
        except PrefactorTerminatedError as error:
            print(f"stopped: {error.reason}")
        watching.join()
        provider = trace.get_tracer_provider()
        assert isinstance(provider, prefactor_otel.TracerProvider)
        provider.shutdown()
        print(f"the run is {server.instances()[0]['status']}")


main()
