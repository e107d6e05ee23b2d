"""LangGraph's graphs that somebody stops amid their first step: ``app.py CASE INSTRUMENTATION``.

A first step says on standard output that it is ``at`` its graph, and waits for a line on standard
input; whatever runs after it says so. What knows of the terminated run has no code in here.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypedDict

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from prefactor_otel import PrefactorSpanProcessor, PrefactorTerminatedError

processor = PrefactorSpanProcessor()  # as a launcher makes it: before LangChain is imported

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel  # noqa: E402
from langchain_core.messages import AIMessage  # noqa: E402
from langgraph.graph import END, START, MessagesState, StateGraph  # noqa: E402
from langgraph.prebuilt import ToolNode  # noqa: E402
from langgraph.types import RetryPolicy  # noqa: E402

Asked = Mapping[str, Any]


def say(words: str) -> None:
    print(words, flush=True)


resumed = threading.Event()


def pause(name: str) -> None:
    say(f"at {name}")
    sys.stdin.readline()
    resumed.set()


class State(TypedDict):
    steps: Annotated[list[str], lambda old, new: old + new]


def step(name: str) -> Callable[[State], Asked]:
    def run(_: State) -> Asked:
        say(f"went on to {name}")
        return {"steps": [name]}

    return run


def first(name: str) -> Callable[[State], Asked]:
    def run(_: State) -> Asked:
        pause(name)
        return {"steps": ["first"]}

    return run


def two_steps(name: str, **options: Any) -> Any:
    """A graph whose second step is not to run."""
    graph = StateGraph(State)
    graph.add_node("first", first(name))
    graph.add_node("second", step("second"), **options)
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    graph.add_edge("second", END)
    return graph.compile(name=name)


def branches(name: str) -> Any:
    """Two branches side by side, each with another step, of which none is to run."""
    graph = StateGraph(State)
    graph.add_node("first", first(name))
    graph.add_edge(START, "first")
    for branch in ("left", "right"):
        graph.add_node(branch, step(branch))
        graph.add_edge("first", branch)
        graph.add_edge(branch, END)
    return graph.compile(name=name)


def nested(name: str) -> Any:
    """A graph inside of another, stopped in the inner one."""
    graph = StateGraph(State)
    graph.add_node("inner", two_steps("inner"))
    graph.add_node("after", step("after"))
    graph.add_edge(START, "inner")
    graph.add_edge("inner", "after")
    return graph.compile(name=name)


def thinking(name: str) -> Any:
    """A step that asks a model after the run was stopped."""

    def ask(_: State) -> Asked:
        pause(name)
        model = GenericFakeChatModel(messages=iter([AIMessage("the answer")]))
        say(f"went on to {model.invoke('the question').content}")
        return {"steps": ["first"]}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    return graph.compile(name=name)


def acting(name: str) -> Any:
    """A tool node that tells the model of every error; its tool is not to run."""

    def weather(city: str) -> str:
        """The weather."""
        say("went on to weather")
        return f"sunny in {city}"

    def ask(_: MessagesState) -> Asked:
        call = {"name": "weather", "args": {"city": "Paris"}, "id": "1"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    async def act(state: MessagesState) -> Asked:
        await asyncio.to_thread(pause, name)
        answered: Asked = await ToolNode([weather], handle_tool_errors=True).ainvoke(state)
        say("went on to the answer")
        return answered

    graph = StateGraph(MessagesState)
    graph.add_node("ask", ask)
    graph.add_node("act", act)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "act")
    return graph.compile(name=name)


def retrying(name: str) -> Any:
    """A step that may be tried again whatever has happened, but not for hours."""
    policy = RetryPolicy(retry_on=Exception, initial_interval=3600.0)
    return two_steps(name, retry_policy=policy)


def invoke(graph: Any) -> None:
    graph.invoke({"steps": []})


def ainvoke(graph: Any) -> None:
    asyncio.run(graph.ainvoke({"steps": []}))


def stream(graph: Any) -> None:
    for _ in graph.stream({"steps": []}):
        pass


def astream(graph: Any) -> None:
    async def main() -> None:
        async for _ in graph.astream({"steps": []}):
            pass

    asyncio.run(main())


def acted(graph: Any) -> None:
    asyncio.run(graph.ainvoke({"messages": []}))


def watched(run: Callable[[Any], object], graph: Any) -> None:
    """Run a graph and tell how that ended."""
    try:
        run(graph)
    except PrefactorTerminatedError as error:
        say(f"{graph.name} stopped: {error.reason}")
    else:
        say(f"{graph.name} ended")


def going_on(begin: Callable[[], object]) -> Any:
    """A graph whose run nobody stops."""

    def run(_: State) -> Asked:
        begin()
        return {"steps": ["first"]}

    graph = StateGraph(State)
    graph.add_node("first", run)
    graph.add_node("second", step("second"))
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    return graph.compile(name="kept")


def side_by_side() -> None:
    """Two streams of one thread, each a run, taken forward in turns."""
    kept, ended = going_on(int), two_steps("ended")
    streams = [(graph, graph.stream({"steps": []})) for graph in (kept, ended)]
    for _, steps in streams:
        next(steps)
    for graph, steps in streams:
        watched(lambda _: [*steps], graph)  # noqa: B023  # before the next of them


def threads() -> None:
    """Two graphs at once, each in a thread and a run of its own."""
    has_begun = threading.Event()

    def wait() -> None:
        has_begun.set()
        resumed.wait()

    kept = threading.Thread(target=watched, args=(ainvoke, going_on(wait)))
    kept.start()
    has_begun.wait()
    watched(ainvoke, two_steps("ended"))
    kept.join()


def forked() -> None:
    """A child of a process whose run is stopped has a run of its own."""
    watched(invoke, two_steps("parent"))
    child = os.fork()
    if child == 0:
        watched(invoke, step_only())
        processor.shutdown()
        os._exit(0)
    os.waitpid(child, 0)


def step_only() -> Any:
    graph = StateGraph(State)
    graph.add_node("only", step("only"))
    graph.add_edge(START, "only")
    return graph.compile(name="child")


def shut_down() -> None:
    """After a shutdown nothing of ours is left on a graph, and nothing stops it."""
    from langchain_core.callbacks import CallbackManager

    watched(invoke, two_steps("stopped"))
    say(f"{handlers(CallbackManager.configure())} before")
    processor.shutdown()
    say(f"{handlers(CallbackManager.configure())} after")
    watched(invoke, step_only())


def handlers(manager: Any) -> list[str]:
    ours = [each for each in manager.handlers if type(each).__module__.startswith("prefactor")]
    return [type(each).__name__ for each in ours]


CASES: Mapping[str, Callable[[], None]] = {
    "invoke": lambda: watched(invoke, two_steps("graph")),
    "ainvoke": lambda: watched(ainvoke, two_steps("graph")),
    "stream": lambda: watched(stream, two_steps("graph")),
    "astream": lambda: watched(astream, two_steps("graph")),
    "branches": lambda: watched(invoke, branches("graph")),
    "branches-async": lambda: watched(ainvoke, branches("graph")),
    "subgraph": lambda: watched(invoke, nested("graph")),
    "subgraph-async": lambda: watched(ainvoke, nested("graph")),
    "model": lambda: watched(invoke, thinking("graph")),
    "tool": lambda: watched(acted, acting("graph")),
    "retry": lambda: watched(invoke, retrying("graph")),
    "retry-async": lambda: watched(ainvoke, retrying("graph")),
    "side-by-side": side_by_side,
    "threads": threads,
    "fork": forked,
    "shutdown": shut_down,
}


def instrumented(by: str) -> None:
    """Have the graphs of this process recorded."""
    if by == "openinference":
        from openinference.instrumentation.langchain import LangChainInstrumentor

        LangChainInstrumentor().instrument()
    elif by == "openllmetry":
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor

        LangchainInstrumentor().instrument()
    elif by == "opentelemetry":
        from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

        LangChainInstrumentor().instrument()


def main(case: str, by: str) -> None:
    provider = TracerProvider()
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    instrumented(by)
    CASES[case]()
    provider.shutdown()


main(*sys.argv[1:])
