"""Bulk: many operations in one request, each its own transaction (API contract, bulk)."""

from collections.abc import Callable
from typing import Any, Final

from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.errors import ApiError, invalid, invalid_field
from prefactor_otel.devserver.form import KEY_LIMIT, Json
from prefactor_otel.devserver.operations import BY_NAME, bulk_fields, perform

_KEY_LEAST: Final = 8

Intercept = Callable[[int, Json], None]
"""Called before each item with its number, from 1; raises to refuse it."""


def execute(account: Account, body: Json, intercept: Intercept = lambda number, item: None) -> Json:
    """Items in order up to the first error; what comes after it is not done and has no output.
    The answer as a whole is a success all the same."""
    outputs: Json = {}
    with account.store.transaction():  # around those of the items: it is written once
        for number, item in enumerate(_checked(body.get("items")), start=1):
            try:
                intercept(number, item)
                outputs[item["idempotency_key"]] = _output(account, item)
            except ApiError as error:
                outputs[item["idempotency_key"]] = error.envelope()
                break
    return {"status": "success", "outputs": outputs}


def _output(account: Account, item: Json) -> Json:
    operation = BY_NAME.get(item["_type"])
    if operation is None:
        raise invalid_field("_type", "is no known operation")
    target, fields = bulk_fields(operation, item)
    return perform(account, operation, target, fields, item["idempotency_key"])


def _checked(items: Any) -> list[Json]:
    """The items, each addressable by its key. Anything else refuses the request as a whole."""
    if not isinstance(items, list) or not items:
        raise invalid_field("items", "must be a list of at least one item")
    errors: dict[str, list[str]] = {}
    seen: set[str] = set()
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            errors[f"items.{index}"] = ["must be an object"]
            continue
        if not isinstance(item.get("_type"), str):
            errors[f"items.{index}._type"] = ["is required"]
        key = item.get("idempotency_key")
        if not isinstance(key, str) or not _KEY_LEAST <= len(key) <= KEY_LIMIT:
            text = f"must be a text of {_KEY_LEAST} to {KEY_LIMIT} characters"
            errors[f"items.{index}.idempotency_key"] = [text]
        elif key in seen:
            errors[f"items.{index}.idempotency_key"] = ["must be unique in the request"]
        else:
            seen.add(key)
    if errors:
        raise invalid(errors)
    return items
