"""What the process says of itself where no provider has said it: found without a thread, for the
SDK's ``Resource.create`` makes some, and at the end of a process none can be had."""

import os
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    TELEMETRY_SDK_NAME,
    TELEMETRY_SDK_VERSION,
    OTELResourceDetector,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.version import __version__ as sdk_version

from prefactor_otel.spans.view import Attributes


def process_resource() -> Attributes:
    """The global provider's resource; where there is none yet, what the variables of the
    environment say. Returns at once, in any thread and at any time."""
    # With the variable, to ask for the provider is to set it, which is the application's to do.
    if OTEL_PYTHON_TRACER_PROVIDER not in os.environ:
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            return provider.resource.attributes
    unknown = f"unknown_service:{Path(sys.executable).name}" if sys.executable else ""
    return {
        TELEMETRY_SDK_NAME: "opentelemetry",
        TELEMETRY_SDK_VERSION: sdk_version,
        SERVICE_NAME: unknown or "unknown_service",
        **OTELResourceDetector().detect().attributes,
    }
