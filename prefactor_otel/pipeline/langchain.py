"""LangChain's side of stopping its graphs. Imports langchain-core, so it is imported only where the
application has."""

import logging
from collections.abc import Callable
from typing import Any, Final

from langchain_core.callbacks import manager
from langchain_core.callbacks.base import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from prefactor_otel.errors import PrefactorTerminatedError

_STOP: Final = f"{PrefactorTerminatedError.__name__}("
"""How a stop is told in a log line."""


class StopHandler(BaseCallbackHandler):  # type: ignore[misc]  # its class is not here to be checked
    """Asks before each step of one graph whether that is to go on. What it raises reaches who runs
    the graph: of other handlers LangChain logs it and goes on."""

    raise_error = True
    run_inline = True

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check

    def on_chain_start(self, *_: Any, **__: Any) -> None:
        """A graph, a node of it or a chain is about to begin. Raises ``PrefactorTerminatedError``
        where it is not to."""
        self._check()

    on_llm_start = on_chat_model_start = on_tool_start = on_retriever_start = on_chain_start


class _Handlers:
    """Stands for the context variable of which LangChain wants the handler of a graph. It asks with
    ``get`` wherever a graph or a step of it begins, and takes no handler where there is one of the
    same class already: so each graph has its own."""

    def __init__(self, new_check: Callable[[], Callable[[], None] | None]) -> None:
        self._new_check = new_check

    def get(self) -> StopHandler | None:
        check = self._new_check()
        return StopHandler(check) if check is not None else None


def _tells_of_no_stop(record: logging.LogRecord) -> bool:
    """False for LangChain's line of an error in a callback that is a stop: that is no error, and
    who runs the graph is told of it."""
    told = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(each, str) and each.startswith(_STOP) for each in told)


def add_handlers(new_check: Callable[[], Callable[[], None] | None]) -> None:
    """From now on each graph of LangChain's has a handler that calls, before each step, what this
    returns where the graph begins; None: no handler. LangChain has no way to take that back."""
    logging.getLogger(manager.__name__).addFilter(_tells_of_no_stop)
    register_configure_hook(_Handlers(new_check), inheritable=True, handle_class=StopHandler)
