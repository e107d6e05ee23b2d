"""What names an agent: attributes of a span or of its resource, and entries of the baggage."""

from typing import Final, NamedTuple

from prefactor_otel.spans.view import Attributes

AGENT_NAME: Final = "prefactor.agent_name"
AGENT_ID: Final = "prefactor.agent_id"
LONGEST: Final = 255
"""Characters of a name or an id; what is longer is none."""


class Named(NamedTuple):
    """An agent by its id on the platform, by its name, or by both."""

    id: str | None = None
    name: str | None = None


UNNAMED: Final = Named()
"""Nobody has said whose it is: then it is the process's."""


def named_by(attributes: Attributes) -> Named:
    """The agent that these attributes name."""
    return named(attributes.get(AGENT_ID), attributes.get(AGENT_NAME))


def named_in(attributes: Attributes, resource: Attributes) -> Named:
    """The agent that a span of these attributes names, or else its resource."""
    said = named_by(attributes)
    return named_by(resource) if said is UNNAMED else said


def named(agent_id: object, name: object) -> Named:
    """The agent of this id and name, as far as they can be any."""
    if agent_id is None and name is None:
        return UNNAMED
    return Named(_text(agent_id), _text(name))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None
