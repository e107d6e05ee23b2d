"""The exceptions of this package; into user code it raises at set-up time only."""


class PrefactorError(Exception):
    """Base of everything that this package raises."""


class PrefactorConfigError(PrefactorError, ValueError):
    """An option is missing or has a value that cannot be used; the text names option, variable
    and remedy. ``from_arguments`` tells a wrong argument from a wrong environment."""

    def __init__(self, message: str, *, from_arguments: bool = False) -> None:
        super().__init__(message)
        self.from_arguments = from_arguments


class SpoolError(PrefactorError):
    """The disk, or the spool's folder or file on it, cannot be used; never raised into an agent.
    ``in_use`` says that a living process holds the file."""

    def __init__(self, message: str, *, in_use: bool = False) -> None:
        super().__init__(message)
        self.in_use = in_use
