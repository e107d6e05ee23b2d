"""Runs in which other processes may have a part: their registration is the same for whoever makes
it, and what is there already is the run."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.continuing import continues
from prefactor_otel.delivery.operation import Item, Operation, as_sent, is_shared, name_of
from prefactor_otel.delivery.verdicts import Answer
from prefactor_otel.stats.log import logger

MOST_IN_A_ROW: Final = 8
"""Runs of one name that follow each other because the platform has ended those before, at most."""
UNNAMED: Final = "-unnamed"
"""What the key of a registration ends with that has no ``external_identifier``."""
_IDENTIFIER: Final = "external_identifier"
_NEWEST: Final[dict[str, str | int]] = {
    "pagination[offset]": 0,
    "pagination[page_size]": 100,
    "sorting[field]": "id",
    "sorting[direction]": "desc",
}


def is_named(item: Item) -> bool:
    """Whether a call registers a run by its name, by which it can be found."""
    is_opening = item.operation is Operation.REGISTER
    return is_opening and is_shared(item.run) and UNNAMED not in item.key


def with_name(item: Item) -> bytes:
    """The body of a call with what only this run says: the rest is one and the same for all runs of
    an agent, which wait in memory by the thousand."""
    if not is_named(item):
        return as_sent(item.body)
    return b'%b,"external_identifier":"%b"' % (as_sent(item.body), name_of(item.run).encode())


def may_be_there(item: Item, refusal: Answer) -> bool:
    """Whether a registration may have been refused because another process has made it: with
    another body under the same key, or so long ago that the key is forgotten."""
    fields = {_IDENTIFIER, "idempotency_key"} & set(refusal.fields)
    return is_named(item) and bool(fields or refusal.about_state)


def agent_in(item: Item) -> str | None:
    """The id of the agent that a registration names, if it does."""
    agent: Any = orjson.loads(b"{%b}" % as_sent(item.body)).get("agent_id")
    return agent if isinstance(agent, str) else None


async def found(client: ApiClient, item: Item) -> Mapping[str, object]:
    """The run that bears the name of this registration's, as the platform lists it; empty where
    that is not among the agent's newest, or this token may not list them. Never raises."""
    agent = agent_in(item)
    if agent is None:
        return {}
    try:
        listed = (await client.get("/agent_instance", _NEWEST | {"agent_id": agent})).get(
            "summaries"
        )
    except Exception as error:  # it is registered in another way then
        logger.debug("Runs could not be listed: %s", type(error).__name__)
        return {}
    name = name_of(item.run)
    rows = [row for row in (listed if isinstance(listed, list) else ()) if isinstance(row, dict)]
    return next((row for row in rows if row.get(_IDENTIFIER) == name), {})


def follower_of(registration: Item, instance_id: str) -> Item | None:
    """What registers the run that goes on in place of this instance, which was registered so, or
    was to be if it could not be joined. None where there is to be no other."""
    if is_shared(registration.run):
        return _next_of(registration)
    return registration if continues(registration.run, instance_id) else None


def _next_of(registration: Item) -> Item | None:
    """The same of a run that has a name: one and the same for every process. None where too many
    have followed each other."""
    first = f"{name_of(registration.run)}-{registration.operation.value}-"
    number = registration.key.removeprefix(first).removesuffix(UNNAMED)
    count = int(number) + 1 if number.isdecimal() else 2
    if count > MOST_IN_A_ROW:
        return None
    return registration._replace(key=f"{first}{count}{UNNAMED}")
