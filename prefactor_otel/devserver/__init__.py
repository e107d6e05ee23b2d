"""A local Prefactor API, as strict as the contract reads: for tests, demos and first steps.

A request's way through the code: ``app``, ``operations`` (or ``bulk``), then ``agents``,
``registration``, ``instances`` or ``spans``; on the way back ``views``. ``form`` and ``rules``
refuse, ``store`` remembers, ``server`` runs it all.
"""

from prefactor_otel.devserver.errors import ApiError
from prefactor_otel.devserver.faults import Fault, Faults
from prefactor_otel.devserver.record import RecordedRequest
from prefactor_otel.devserver.server import DevServer, serve

__all__ = ["ApiError", "DevServer", "Fault", "Faults", "RecordedRequest", "serve"]
