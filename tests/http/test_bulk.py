"""The models of requests of many operations."""

import pytest
from pydantic import ValidationError

from prefactor_http import BulkItem, BulkOutput, BulkRequest, BulkResponse


def item(key: str = "12345678") -> BulkItem:
    return BulkItem.model_validate({"_type": "agents/list", "idempotency_key": key})


@pytest.mark.parametrize("key", ["1234567", "k" * 65, ""])
def test_a_bulk_key_has_8_to_64_characters(key: str) -> None:
    with pytest.raises(ValidationError):
        item(key)


@pytest.mark.parametrize("key", ["12345678", "k" * 64])
def test_the_shortest_and_the_longest_bulk_key_pass(key: str) -> None:
    assert item(key).idempotency_key == key


def test_a_request_needs_an_item() -> None:
    with pytest.raises(ValidationError):
        BulkRequest(items=[])


def test_keys_are_unique_within_a_request() -> None:
    with pytest.raises(ValueError, match="All idempotency keys must be unique within the request"):
        BulkRequest(items=[item(), item()])


@pytest.mark.parametrize("status", ["failed", "SUCCESS", "success\n", ""])
def test_an_output_is_a_success_or_an_error(status: str) -> None:
    with pytest.raises(ValidationError, match="status must be 'success' or 'error'"):
        BulkOutput(status=status)


def test_an_output_keeps_everything_else() -> None:
    body = {"outputs": {"12345678": {"status": "error", "code": "x", "errors": {"a": ["b"]}}}}
    response = BulkResponse.model_validate(body)
    assert response.status == "success"
    assert response.outputs["12345678"].model_dump() == body["outputs"]["12345678"]
