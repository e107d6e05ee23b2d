"""The envelopes in which the API answers."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

T = TypeVar("T")


class ApiResponse(BaseModel, Generic[T]):
    """One resource."""

    status: str
    details: T


class ApiError(BaseModel):
    """An error."""

    status: str = "error"
    code: str
    message: str


class DetailedApiError(ApiError):
    """An error that names fields."""

    errors: dict[str, Any]


class PaginationOutput(BaseModel):
    """Where a page lies: items and pages count from 1, offsets from 0."""

    item_count: int
    item_end: int
    item_start: int
    next_page_offset: int | None
    page_count: int
    page_index: int
    page_offset: int
    page_size: int
    previous_page_offset: int | None


class Sorting(BaseModel):
    """By which field a list is sorted; ``direction`` is asc or desc."""

    field: str
    direction: str


class ListResponse(BaseModel, Generic[T]):
    """A page of resources. The keys of pagination and sorting must be there; null is allowed."""

    status: str
    summaries: list[T]
    pagination: PaginationOutput | None
    sorting: Sorting | None
