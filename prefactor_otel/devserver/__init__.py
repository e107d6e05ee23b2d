"""A local Prefactor API, as strict as the contract reads: for tests, demos and first steps."""

from prefactor_otel.devserver.app import RecordedRequest
from prefactor_otel.devserver.faults import Fault, Faults
from prefactor_otel.devserver.server import DevServer, serve

__all__ = ["DevServer", "Fault", "Faults", "RecordedRequest", "serve"]
