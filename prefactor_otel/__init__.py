"""OpenTelemetry exporter for Prefactor: an instrumented agent becomes a governed run.

A span's way through the code: ``exporter`` or ``processor`` (the doors), ``pipeline``,
``worker``, ``span``, ``mapping``, ``tree``, ``encoding``, ``outbox``, ``sender``.
"""

from prefactor_otel.errors import PrefactorConfigError, PrefactorError, PrefactorTerminatedError
from prefactor_otel.exits import aflush, flush, shutdown
from prefactor_otel.exporter import PrefactorExporter
from prefactor_otel.ledger import Stats
from prefactor_otel.processor import PrefactorSpanProcessor
from prefactor_otel.provider import ConfiguredProvider, TracerProvider, configure
from prefactor_otel.runs import AgentRun, current_run, end_session, raise_if_terminated, run
from prefactor_otel.termination import TerminatedRun
from prefactor_otel.version import __version__

__all__ = [
    "AgentRun",
    "ConfiguredProvider",
    "PrefactorConfigError",
    "PrefactorError",
    "PrefactorExporter",
    "PrefactorSpanProcessor",
    "PrefactorTerminatedError",
    "Stats",
    "TerminatedRun",
    "TracerProvider",
    "__version__",
    "aflush",
    "configure",
    "current_run",
    "end_session",
    "flush",
    "raise_if_terminated",
    "run",
    "shutdown",
]
