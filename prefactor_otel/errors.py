"""The exceptions of this package; into user code it raises at set-up time only, unless it was asked
to stop the agent, or for something whose answer the caller waits for."""

from typing import Self


class PrefactorError(Exception):
    """Base of everything that this package raises."""


class PrefactorConfigError(PrefactorError, ValueError):
    """An option is missing or has a value that cannot be used; the text names option, variable
    and remedy. ``from_arguments`` tells a wrong argument from a wrong environment."""

    def __init__(self, message: str, *, from_arguments: bool = False) -> None:
        super().__init__(message)
        self.from_arguments = from_arguments


class PrefactorTerminatedError(PrefactorError):
    """The run was stopped on the platform, and the agent is to stop. Raised where the application
    asked for it: by ``raise_if_terminated``, and with ``on_terminate="raise"`` at the start of the
    run's next span, or the next step of its LangChain graph."""

    def __init__(self, run_id: str, reason: str | None = None) -> None:
        super().__init__(f"run {run_id} was terminated: {reason or 'no reason was given'}")
        self.run_id = run_id
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str | None]]:
        return type(self), (self.run_id, self.reason)


class PrefactorRequestError(PrefactorError):
    """What the caller waited for was not done: the API refused it. ``status`` is that of its
    answer, None where there was none."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class PrefactorUnknownRunError(PrefactorRequestError):
    """The API knows no run of this id, or not in the account of this token."""


class PrefactorUnknownAlertError(PrefactorRequestError):
    """The run has no open alert of this name: it was never raised, or is cleared already."""


class PrefactorUndeclaredError(PrefactorRequestError):
    """The run has not declared a quality of this name at its registration; the text says which
    option does so."""


class PrefactorTokenError(PrefactorRequestError):
    """The API refused the token, or refused it for this."""


class PrefactorUnavailableError(PrefactorRequestError):
    """The API did not answer in time, or only with trouble that passes. The same may be asked
    again later."""


class SpoolError(PrefactorError):
    """The disk, or the spool's folder or file on it, cannot be used; never raised into an agent.
    ``in_use`` says that a living process holds the file, ``damaged`` that it can never be read,
    ``full`` that the disk has no room; everything else may pass."""

    def __init__(
        self, message: str, *, in_use: bool = False, damaged: bool = False, full: bool = False
    ) -> None:
        super().__init__(message)
        self.in_use = in_use
        self.damaged = damaged
        self.full = full
