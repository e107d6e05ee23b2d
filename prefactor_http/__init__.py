"""Async client of the Prefactor API: a drop-in for the published ``prefactor-http`` 0.4.3."""

from typing import TYPE_CHECKING

from prefactor_http import _lazy
from prefactor_http._version import __version__
from prefactor_http.client import PrefactorHttpClient
from prefactor_http.config import HttpClientConfig
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorClientError,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
    PrefactorValidationError,
)

if TYPE_CHECKING:
    from prefactor_http.models.agent_instance import (
        AgentInstance,
        AgentInstanceRecordQuality,
        AgentInstanceSpanCounts,
        AgentSchemaVersionForRegister,
        AgentVersionForRegister,
        FinishInstanceRequest,
        QualitySchemaDetails,
        QualitySchemaForCreate,
        RuntimeEnvironment,
        SpanTypeSchemaForCreate,
    )
    from prefactor_http.models.agent_span import AgentSpan
    from prefactor_http.models.base import ApiResponse
    from prefactor_http.models.bulk import BulkItem, BulkOutput, BulkRequest, BulkResponse
    from prefactor_http.models.types import AgentStatus, FinishStatus, InstancePurpose

__all__ = [
    "AgentInstance",
    "AgentInstanceRecordQuality",
    "AgentInstanceSpanCounts",
    "AgentSchemaVersionForRegister",
    "AgentSpan",
    "AgentStatus",
    "AgentVersionForRegister",
    "ApiResponse",
    "BulkItem",
    "BulkOutput",
    "BulkRequest",
    "BulkResponse",
    "FinishInstanceRequest",
    "FinishStatus",
    "HttpClientConfig",
    "InstancePurpose",
    "PrefactorApiError",
    "PrefactorAuthError",
    "PrefactorClientError",
    "PrefactorHttpClient",
    "PrefactorHttpError",
    "PrefactorNotFoundError",
    "PrefactorResponseContractError",
    "PrefactorRetryExhaustedError",
    "PrefactorValidationError",
    "QualitySchemaDetails",
    "QualitySchemaForCreate",
    "RuntimeEnvironment",
    "SpanTypeSchemaForCreate",
    "__version__",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.loader(
        __name__,
        {"endpoints": (), "models": [name for name in __all__ if name not in globals()]},
    )
