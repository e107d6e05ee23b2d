"""Which ratings count: dashboards know thumbs, as text."""

from typing import Final, Literal

Rating = Literal["up", "down"] | bool

_THUMBS: Final = ("up", "down")


def thumb(rating: object) -> str:
    """``up`` or ``down``, for which True and False also stand. Raises ``ValueError`` for what
    nobody would count."""
    if isinstance(rating, bool):
        return "up" if rating else "down"
    if isinstance(rating, str) and rating in _THUMBS:
        return rating
    raise ValueError("rating has to be 'up' or 'down', or True or False: nothing else is counted")
