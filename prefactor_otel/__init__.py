"""OpenTelemetry exporter for Prefactor: an instrumented agent becomes a governed run.

A span's way through the packages: ``doors``, ``pipeline``, ``spans``, ``mapping``, ``runs``,
``delivery``; beside it ``spool``, ``privacy``, ``host``, ``stats`` and ``config``.
"""

from typing import TYPE_CHECKING

from prefactor_otel.doors.approval import Approval, approval
from prefactor_otel.doors.completion import PrefactorCompletionHook
from prefactor_otel.doors.exporter import PrefactorExporter
from prefactor_otel.doors.oversight import (
    aclear_alert,
    afeedback,
    araise_alert,
    arecord_quality,
    clear_alert,
    feedback,
    raise_alert,
    record_quality,
)
from prefactor_otel.doors.processor import PrefactorSpanProcessor
from prefactor_otel.doors.provider import ConfiguredProvider, TracerProvider, configure
from prefactor_otel.doors.run import current_run, end_session, raise_if_terminated, run
from prefactor_otel.errors import (
    PrefactorConfigError,
    PrefactorError,
    PrefactorRequestError,
    PrefactorTerminatedError,
    PrefactorTokenError,
    PrefactorUnavailableError,
    PrefactorUndeclaredError,
    PrefactorUnknownAlertError,
    PrefactorUnknownRunError,
)
from prefactor_otel.host.exits import aflush, flush, shutdown
from prefactor_otel.host.termination import TerminatedRun
from prefactor_otel.runs.explicit import AgentRun
from prefactor_otel.stats.counters import Stats
from prefactor_otel.version import __version__

if TYPE_CHECKING:
    from prefactor_otel.doors.logs import PrefactorLogProcessor

__all__ = [
    "AgentRun",
    "Approval",
    "ConfiguredProvider",
    "PrefactorCompletionHook",
    "PrefactorConfigError",
    "PrefactorError",
    "PrefactorExporter",
    "PrefactorLogProcessor",
    "PrefactorRequestError",
    "PrefactorSpanProcessor",
    "PrefactorTerminatedError",
    "PrefactorTokenError",
    "PrefactorUnavailableError",
    "PrefactorUndeclaredError",
    "PrefactorUnknownAlertError",
    "PrefactorUnknownRunError",
    "Stats",
    "TerminatedRun",
    "TracerProvider",
    "__version__",
    "aclear_alert",
    "afeedback",
    "aflush",
    "approval",
    "araise_alert",
    "arecord_quality",
    "clear_alert",
    "configure",
    "current_run",
    "end_session",
    "feedback",
    "flush",
    "raise_alert",
    "raise_if_terminated",
    "record_quality",
    "run",
    "shutdown",
]


def __getattr__(name: str) -> object:
    """The log door comes with the SDK's logs, which most processes do not use."""
    if name != "PrefactorLogProcessor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from prefactor_otel.doors.logs import PrefactorLogProcessor

    return PrefactorLogProcessor
