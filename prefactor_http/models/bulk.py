"""Many operations in one request."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BulkItem(BaseModel):
    """One operation: its type, its key, and whatever fields the operation takes."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(alias="_type")
    idempotency_key: str = Field(min_length=8, max_length=64)


class BulkRequest(BaseModel):
    """At least one item; keys are unique within the request."""

    items: list[BulkItem] = Field(min_length=1)

    @model_validator(mode="after")
    def _keys_are_unique(self) -> "BulkRequest":
        keys = [item.idempotency_key for item in self.items]
        if len(set(keys)) != len(keys):
            raise ValueError("idempotency keys must be unique within a bulk request")
        return self


class BulkOutput(BaseModel):
    """What became of one item: ``success`` or ``error``, and the operation's own answer."""

    model_config = ConfigDict(extra="allow")

    status: str = Field(pattern="^(success|error)$")


class BulkResponse(BaseModel):
    """An output per key. Processing stops at the first error: later keys are absent."""

    status: str = "success"
    outputs: dict[str, BulkOutput]
