"""The public face stays as small as it is."""

from importlib.resources import files

import prefactor_http
import prefactor_otel


def test_the_public_names_are_these() -> None:
    assert prefactor_otel.__all__ == [
        "AgentRun",
        "Approval",
        "ConfiguredProvider",
        "PrefactorCompletionHook",
        "PrefactorConfigError",
        "PrefactorError",
        "PrefactorExporter",
        "PrefactorLogProcessor",
        "PrefactorRequestError",
        "PrefactorSpanProcessor",
        "PrefactorTerminatedError",
        "PrefactorTokenError",
        "PrefactorUnavailableError",
        "PrefactorUndeclaredError",
        "PrefactorUnknownAlertError",
        "PrefactorUnknownRunError",
        "Stats",
        "TerminatedRun",
        "TracerProvider",
        "__version__",
        "aclear_alert",
        "afeedback",
        "aflush",
        "approval",
        "araise_alert",
        "arecord_quality",
        "clear_alert",
        "configure",
        "current_run",
        "end_session",
        "feedback",
        "flush",
        "raise_alert",
        "raise_if_terminated",
        "record_quality",
        "run",
        "shutdown",
    ]
    assert sorted(prefactor_http.__all__) == prefactor_http.__all__
    assert len(prefactor_http.__all__) == 30


def test_every_public_name_exists_and_has_its_promise() -> None:
    for package in (prefactor_otel, prefactor_http):
        for name in package.__all__:
            value = getattr(package, name)
            assert not isinstance(value, type) or value.__doc__, name


def test_both_packages_tell_type_checkers_that_they_are_typed() -> None:
    for package in ("prefactor_otel", "prefactor_http"):
        assert files(package).joinpath("py.typed").is_file()
