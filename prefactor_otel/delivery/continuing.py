"""Runs that go on in several processes.

The process that begins one gives it the id by which the others know it, as soon as it knows its
account: what it has not registered yet, it can tell of. Each of the others has a key of its own for
its part. Its calls are those of any run: to join comes first, and where that is done there is
nothing to register, start or finish. Where the run cannot be joined the same calls make one of the
process's own of it. Which of the two it has become follows from its key and from the instance that
it is, so it is known after a restart as well.
"""

from typing import Final

import orjson

from prefactor_otel.delivery.operation import Item, Operation, digest_of, is_shared
from prefactor_otel_transport.pfid import encode

TRIES_AT_END: Final = 2
"""Times that what another process is about to tell is waited for while this one ends."""
_MARK: Final = "j"
"""Stands in the key of a part where others have a hexadecimal digit."""
_PLACE: Final = 16
_DIGITS: Final = 15
_RANDOM_DIGITS: Final = 20


def own_id(run: str, partition: int) -> str | None:
    """The id that the run of this key is registered under in an account (``new_key``); None for one
    in which others have a part, for they do not know when it was."""
    if is_of_several(run):
        return None
    return encode(int(run[_RANDOM_DIGITS:], 16), partition, int(run[:_RANDOM_DIGITS], 16))


def continuing_key(instance_id: str, *origin: str) -> str:
    """The key of the part that whoever is of this origin has in this instance: 32 characters."""
    return f"{digest_of(*origin, instance_id, size=8)}{_MARK}{_digest(instance_id)}"


def is_to_continue(run: str) -> bool:
    """Whether the run of this key is to be a part of another process's."""
    return run[_PLACE : _PLACE + 1] == _MARK


def is_of_several(run: str) -> bool:
    """Whether other processes may have a part in the run of this key, and end it."""
    return is_shared(run) or is_to_continue(run)


def continues(run: str, instance_id: str) -> bool:
    """Whether the run of this key is a part of what it was to continue, now that it is this
    instance."""
    return is_to_continue(run) and run[_PLACE + 1 :] == _digest(instance_id)


def join_item(run: str, instance_id: str) -> Item:
    """The call that comes before those that would make it a run of its own."""
    body = b'"agent_instance_id":%b' % orjson.dumps(instance_id)
    return Item(run, Operation.JOIN, f"{run}-join", body)


def instance_to_continue(item: Item) -> str:
    """The instance that such a call asks for."""
    content = orjson.loads(b"{%b}" % item.body)
    return str(content["agent_instance_id"])


def _digest(instance_id: str) -> str:
    return digest_of(instance_id, size=8)[:_DIGITS]
