"""The API token: a fixed one, or what a function of the application says it is now."""

from collections.abc import Callable
from typing import Final

TokenSource = Callable[[], str]

UNREAD: Final = "unread"
"""Stands for the token in a client that has not sent anything."""


def usable_token(token: object) -> str:
    """A token without the space around it. Raises ``ValueError``, which never quotes it."""
    if not isinstance(token, str):
        raise ValueError("must be text")
    stripped = token.strip()
    if not stripped:
        raise ValueError("must not be blank")
    if not stripped.isprintable() or not stripped.isascii():
        raise ValueError("must be printable ASCII")
    return stripped


def usable_source(token: object) -> str | TokenSource:
    """A usable token, or a function that is asked for one. Raises ``ValueError``."""
    return token if callable(token) else usable_token(token)


def read_token(source: str | TokenSource) -> str:
    """The token as it is now. Raises ``ValueError`` where there is no usable one; it says why,
    without anything that the application's function has said."""
    if isinstance(source, str):
        return source
    try:
        token = source()
    except Exception as error:
        problem = f"api_token() raised {type(error).__name__}"
    else:
        try:
            return usable_token(token)
        except ValueError as error:
            problem = f"what api_token() returns {error}"
    raise ValueError(problem)
