"""Requests of many operations: models, and the way for items that are encoded already."""

import json

import pytest
from pydantic import ValidationError

from prefactor_http import (
    BulkItem,
    BulkOutput,
    BulkRequest,
    BulkResponse,
    PrefactorApiError,
    PrefactorHttpClient,
    PrefactorResponseContractError,
)
from tests.http.api import Answer, RecordingApi, error


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


async def test_encoded_items_are_sent_byte_for_byte_and_outputs_come_as_they_are(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    outputs = {"k1": {"status": "success", "details": {"id": "x"}}, "k2": "not even an object"}
    api.answers(Answer(200, {"status": "success", "outputs": outputs}))
    items = [b'{"a" : 1}', '{"b":"é"}'.encode()]
    assert await client.bulk.execute_raw(items) == outputs
    assert api.last.body == b'{"items":[' + items[0] + b"," + items[1] + b"]}"


async def test_encoded_items_of_many_megabytes_arrive_whole(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, {"outputs": {}}))
    items = [json.dumps({"n": n, "text": "x" * 100_000}).encode() for n in range(30)]
    await client.bulk.execute_raw(items)
    assert [one["n"] for one in api.last.json["items"]] == list(range(30))


async def test_encoded_items_are_retried_with_the_same_bytes(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(error(503), Answer(dropped=True), Answer(200, {"outputs": {}}))
    assert await client.bulk.execute_raw([b"{}"]) == {}
    assert [r.body for r in api.received] == [b'{"items":[{}]}'] * 3


@pytest.mark.parametrize("body", ["{}", '{"outputs": null}', '{"outputs": []}'])
async def test_an_answer_without_outputs_breaks_the_contract(
    body: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, body))
    with pytest.raises(
        PrefactorResponseContractError, match=r"^Invalid response payload for bulk\.execute$"
    ):
        await client.bulk.execute_raw([b"{}"])


async def test_encoded_items_must_be_some(api: RecordingApi, client: PrefactorHttpClient) -> None:
    with pytest.raises(ValueError, match="at least one item"):
        await client.bulk.execute_raw([])
    assert api.received == []


@pytest.mark.parametrize("body", ["{}", "<html>", ""])
async def test_a_request_that_is_too_large_can_be_told(
    body: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(413, body))
    with pytest.raises((PrefactorApiError, PrefactorResponseContractError)) as caught:
        await client.bulk.execute_raw([b"{}"])
    assert caught.value.status_code == 413
    assert len(api.received) == 1
