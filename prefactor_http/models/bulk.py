"""Many operations in one request."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class BulkItem(BaseModel):
    """One operation: its type, its key, and whatever fields the operation takes."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(alias="_type")
    idempotency_key: str = Field(min_length=8, max_length=64)


class BulkRequest(BaseModel):
    """At least one item; keys are unique within the request."""

    items: list[BulkItem] = Field(min_length=1)

    @field_validator("items")
    @classmethod
    def _keys_are_unique(cls, items: list[BulkItem]) -> list[BulkItem]:
        if len({item.idempotency_key for item in items}) != len(items):
            raise ValueError("All idempotency keys must be unique within the request")
        return items


class BulkOutput(BaseModel):
    """What became of one item: ``success`` or ``error``, and the operation's own answer."""

    model_config = ConfigDict(extra="allow")

    status: str

    @field_validator("status")
    @classmethod
    def _is_known(cls, status: str) -> str:
        if status not in ("success", "error"):
            raise ValueError("status must be 'success' or 'error'")
        return status


class BulkResponse(BaseModel):
    """An output per key. Processing stops at the first error: later keys are absent."""

    status: str = "success"
    outputs: dict[str, BulkOutput]
