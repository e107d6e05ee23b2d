"""The exceptions that this package raises into user code, and only at set-up time."""


class PrefactorError(Exception):
    """Base of everything that this package raises."""


class PrefactorConfigError(PrefactorError, ValueError):
    """An option has a value that cannot be used; the text names option, variable and remedy."""
