"""Request and response bodies of the API."""

from typing import TYPE_CHECKING

from prefactor_http import _lazy

if TYPE_CHECKING:
    from prefactor_http.models.agent import (
        Agent,
        AgentAvailableActions,
        AgentForCreate,
        AgentForUpdate,
        AgentInstanceCounts,
        AgentSummary,
    )
    from prefactor_http.models.agent_instance import (
        ActionProfile,
        AgentInstance,
        AgentInstanceRecordQuality,
        AgentInstanceSpanCounts,
        AgentSchemaVersionForRegister,
        AgentVersionForRegister,
        DataCategories,
        DataRisk,
        FinishInstanceRequest,
        QualitySchemaDetails,
        QualitySchemaForCreate,
        RuntimeEnvironment,
        SpanTypeSchemaForCreate,
    )
    from prefactor_http.models.agent_span import AgentSpan
    from prefactor_http.models.alert import (
        Alert,
        AlertCount,
        AlertSeverity,
        AlertStatus,
        AlertSummary,
    )
    from prefactor_http.models.base import ApiResponse
    from prefactor_http.models.bulk import BulkItem, BulkOutput, BulkRequest, BulkResponse
    from prefactor_http.models.types import AgentStatus, FinishStatus, InstancePurpose

__all__ = [
    "ActionProfile",
    "Agent",
    "AgentAvailableActions",
    "AgentForCreate",
    "AgentForUpdate",
    "AgentInstance",
    "AgentInstanceCounts",
    "AgentInstanceRecordQuality",
    "AgentInstanceSpanCounts",
    "AgentSchemaVersionForRegister",
    "AgentSpan",
    "AgentStatus",
    "AgentSummary",
    "AgentVersionForRegister",
    "Alert",
    "AlertCount",
    "AlertSeverity",
    "AlertStatus",
    "AlertSummary",
    "ApiResponse",
    "BulkItem",
    "BulkOutput",
    "BulkRequest",
    "BulkResponse",
    "DataCategories",
    "DataRisk",
    "FinishInstanceRequest",
    "FinishStatus",
    "InstancePurpose",
    "QualitySchemaDetails",
    "QualitySchemaForCreate",
    "RuntimeEnvironment",
    "SpanTypeSchemaForCreate",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = _lazy.loader(
        __name__,
        {
            "agent": [
                "Agent",
                "AgentAvailableActions",
                "AgentForCreate",
                "AgentForUpdate",
                "AgentInstanceCounts",
                "AgentSummary",
            ],
            "agent_instance": [
                "ActionProfile",
                "AgentInstance",
                "AgentInstanceRecordQuality",
                "AgentInstanceSpanCounts",
                "AgentSchemaVersionForRegister",
                "AgentVersionForRegister",
                "DataCategories",
                "DataRisk",
                "FinishInstanceRequest",
                "QualitySchemaDetails",
                "QualitySchemaForCreate",
                "RuntimeEnvironment",
                "SpanTypeSchemaForCreate",
            ],
            "agent_span": ["AgentSpan"],
            "alert": ["Alert", "AlertCount", "AlertSeverity", "AlertStatus", "AlertSummary"],
            "base": ["ApiResponse"],
            "bulk": ["BulkItem", "BulkOutput", "BulkRequest", "BulkResponse"],
            "types": ["AgentStatus", "FinishStatus", "InstancePurpose"],
        },
    )
