"""Runs an application whose run is to be terminated: ``stopper.py FOLDER APP WORD...``.

This runs in the environment of a framework, with this package installed, of which the application
knows nothing. Says on standard output when the tool (of ``weather`` in the folder) is called, and
in the end how the application ended.
"""

import functools
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from prefactor_otel import PrefactorSpanProcessor


def watch_tool(folder: Path) -> None:
    """Have the tool that all applications share tell when it is called."""
    sys.path.insert(0, str(folder))
    weather: Any = __import__("weather")
    tool = weather.get_weather

    @functools.wraps(tool)
    def get_weather(city: str) -> str:
        print("tool called", flush=True)
        answer: str = tool(city)
        return answer

    weather.get_weather = get_weather


def main(tools: str, application: str, *arguments: str) -> None:
    """Run the application with these arguments."""
    provider = TracerProvider()
    provider.add_span_processor(PrefactorSpanProcessor())
    trace.set_tracer_provider(provider)
    watch_tool(Path(tools))
    sys.path.insert(0, str(Path(application).parent))
    sys.argv = [application, *arguments]
    try:
        runpy.run_path(application, run_name="__main__")
    except BaseException as error:
        traceback.print_exc()
        print(f"ended by {type(error).__name__}", flush=True)
    else:
        print("ended", flush=True)
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
