"""The exceptions that this package raises into user code, and only at set-up time."""


class PrefactorError(Exception):
    """Base of everything that this package raises."""


class PrefactorConfigError(PrefactorError, ValueError):
    """An option is missing or has a value that cannot be used; the text names option, variable
    and remedy. ``from_arguments`` tells a wrong argument from a wrong environment."""

    def __init__(self, message: str, *, from_arguments: bool = False) -> None:
        super().__init__(message)
        self.from_arguments = from_arguments
