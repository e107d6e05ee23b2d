"""Agent instances (runs): registration, schemas, and what the API says of them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from prefactor_http.models.types import AgentStatus, FinishStatus, InstancePurpose

_Permission = Literal["unknown", "allowed", "disallowed"]
_Presence = Literal["unknown", "included", "excluded"]


class ActionProfile(BaseModel):
    """What a span of a type may do."""

    create_data: _Permission = "unknown"
    read_data: _Permission = "unknown"
    update_data: _Permission = "unknown"
    destroy_data: _Permission = "unknown"
    financial_transactions: _Permission = "unknown"
    external_communication: _Permission = "unknown"


class DataCategories(BaseModel):
    """Which kinds of data a payload holds."""

    personal_identifiers: _Presence = "unknown"
    contact_information: _Presence = "unknown"
    financial_information: _Presence = "unknown"
    health_and_medical: _Presence = "unknown"
    criminal_justice: _Presence = "unknown"
    authentication_and_secrets: _Presence = "unknown"
    organisational_confidential: _Presence = "unknown"
    minors_data: _Presence = "unknown"
    location_and_tracking: _Presence = "unknown"
    behavioural_and_inferred: _Presence = "unknown"
    gdpr_racial_or_ethnic_origin: _Presence = "unknown"
    gdpr_political_opinions: _Presence = "unknown"
    gdpr_religious_or_philosophical_beliefs: _Presence = "unknown"
    gdpr_trade_union_membership: _Presence = "unknown"
    gdpr_genetic_data: _Presence = "unknown"
    gdpr_biometric_for_identification: _Presence = "unknown"
    gdpr_sex_life_or_sexual_orientation: _Presence = "unknown"
    classification: Literal[
        "unknown", "public", "internal", "confidential", "restricted", "secret"
    ] = "unknown"


class DataRisk(BaseModel):
    """The declared risk of a span type or quality payload."""

    model_config = ConfigDict(extra="allow")

    action_profile: ActionProfile
    params_data_categories: DataCategories
    result_data_categories: DataCategories


class SpanTypeSchemaForCreate(BaseModel):
    """A span type: JSON schemas of payload and result, and the template of its summary."""

    name: str
    params_schema: dict[Any, Any]
    result_schema: dict[Any, Any] | None = None
    title: str | None = None
    description: str | None = None
    template: str | None = None
    data_risk: DataRisk | None = None


class QualitySchemaForCreate(BaseModel):
    """A kind of quality payload."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    schema_: dict[Any, Any] = Field(alias="schema")
    title: str | None = None
    description: str | None = None
    template: str | None = None
    data_risk: DataRisk | None = None


class QualitySchemaDetails(BaseModel):
    """A quality schema as the API shows it."""

    model_config = ConfigDict(populate_by_name=True)

    name: str
    title: str
    description: str | None = None
    template: str | None = None
    data_risk: DataRisk
    schema_: dict[Any, Any] = Field(alias="schema")
    schema_validation: dict[Any, Any]


class AgentInstanceRecordQuality(BaseModel):
    """A quality payload under a name; a payload of None removes that name."""

    name: str
    payload: dict[Any, Any] | None = None


class AgentInstanceSpanCounts(BaseModel):
    """How many spans a run has, by status."""

    total: int = 0
    active: int = 0
    complete: int = 0
    failed: int = 0
    cancelled: int = 0
    finished: int = 0


class RuntimeEnvironment(BaseModel):
    """Where an agent version runs; SDKs as ``package@version``."""

    agent_sdk: list[str] | None = None
    os: str | None = None
    prefactor_sdk: list[str] | None = None
    runtime: str | None = None


class AgentVersionForRegister(BaseModel):
    """The version of the agent that runs."""

    name: str | None = None
    external_identifier: str | None = None
    description: str | None = None
    runtime_environment: RuntimeEnvironment | None = None


class AgentSchemaVersionForRegister(BaseModel):
    """The span types that a run declares. With ``span_type_schemas`` the API ignores the maps."""

    external_identifier: str | None = None
    span_schemas: dict[str, dict[Any, Any]] | None = None
    span_result_schemas: dict[str, dict[Any, Any]] | None = None
    span_type_schemas: list[SpanTypeSchemaForCreate] | None = None
    quality_schemas: list[QualitySchemaForCreate] | None = None


class RegisterAgentInstanceRequest(BaseModel):
    """The body of a registration."""

    agent_id: str | None = None
    environment_id: str | None = None
    agent_version: AgentVersionForRegister
    agent_schema_version: AgentSchemaVersionForRegister
    id: str | None = None
    external_identifier: str | None = None
    idempotency_key: str | None = None
    update_current_version: bool | None = None
    purpose: InstancePurpose | None = None


class TimestampRequest(BaseModel):
    """The body of a start. A null timestamp is sent as such."""

    timestamp: str | None = None
    idempotency_key: str | None = None


class FinishInstanceRequest(BaseModel):
    """The body of a finish."""

    status: FinishStatus | None = None
    timestamp: str | None = None
    idempotency_key: str | None = None


class AgentInstance(BaseModel):
    """A run."""

    type: Literal["agent_instance"]
    id: str
    account_id: str
    agent_id: str
    agent_version_id: str
    environment_id: str
    agent_deployment_id: str
    status: AgentStatus
    inserted_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    termination_reason: str | None = None
    external_identifier: str | None = None
    span_counts: AgentInstanceSpanCounts | None = None
    purpose: InstancePurpose | None = None
    quality_payloads: dict[str, dict[Any, Any]] | None = None
    quality_summaries: dict[str, str] | None = None
