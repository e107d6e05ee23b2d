"""A token that the application renews is taken up without a restart, and never shown."""

import logging

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import comes_true


def processor_with(api: DevServer, token: object) -> PrefactorSpanProcessor:
    return PrefactorSpanProcessor(
        api.url,
        token,  # type: ignore[arg-type]
        probe_interval=0.05,
        schedule_delay=0.05,
    )


def emit(processor: PrefactorSpanProcessor, *names: str) -> None:
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for name in names:
        provider.get_tracer("agent").start_span(name).end()


def until_paused(processor: PrefactorSpanProcessor) -> None:
    while processor.stats().state != "paused":
        assert processor.force_flush(50) is False


def test_a_token_from_a_function_is_used(api: DevServer) -> None:
    processor = processor_with(api, lambda: f" {api.token}\n")
    emit(processor, "one")
    assert processor.force_flush()
    processor.shutdown()
    assert processor.stats().acknowledged == 1


def test_a_renewed_token_drains_what_waits(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = ["pf_expired_secret"]
    processor = processor_with(api, lambda: tokens[-1])
    emit(processor, "one", "two")
    until_paused(processor)
    assert processor.stats().waiting == 2
    tokens.append(api.token)
    assert processor.force_flush()
    assert processor.stats().acknowledged == 2
    processor.shutdown()
    assert [r.getMessage().split(";")[0] for r in caplog.records] == [
        "Prefactor refuses the API token (HTTP 401)",
        "Prefactor accepts the API token",
    ]
    assert "secret" not in caplog.text


def test_who_flushes_waits_neither_for_the_next_probe_nor_for_the_end_of_a_pause(
    api: DevServer,
) -> None:
    api.faults.add(path="/bulk", status=401)
    processor = PrefactorSpanProcessor(api.url, api.token, probe_interval=3600.0)
    emit(processor, "one")
    until_paused(processor)
    assert processor.force_flush()
    processor.shutdown()


def test_who_flushes_waits_as_long_as_the_api_has_asked_for(api: DevServer) -> None:
    api.faults.add(path="/bulk", status=429, retry_after=3600)
    processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=1.0)
    emit(processor, "one")
    assert comes_true(lambda: processor.stats().last_error)
    tries = len(api.requests)
    assert not processor.force_flush(2000)
    assert len(api.requests) == tries
    processor.shutdown()


def broken() -> str:
    raise LookupError("vault-secret")


async def unawaited() -> str:
    return "vault-secret"


def leaving() -> str:
    raise SystemExit("vault-secret")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (broken, "api_token() raised LookupError"),
        (lambda: "", "what api_token() returns must not be blank"),
        (lambda: None, "what api_token() returns must be text"),
        (lambda: 7, "what api_token() returns must be text"),
        (unawaited, "api_token() is a coroutine function; pass one that returns the token"),
        (leaving, "api_token() raised SystemExit"),
        (lambda: "vault-secret\nx", "what api_token() returns must be printable ASCII"),
    ],
)
def test_a_function_that_has_no_usable_token_counts_as_a_refusal_and_is_said_once(
    api: DevServer, caplog: pytest.LogCaptureFixture, source: object, reason: str
) -> None:
    caplog.set_level(logging.DEBUG)
    processor = processor_with(api, source)
    emit(processor, "one")
    until_paused(processor)
    stats = processor.stats()
    assert (stats.state, stats.last_error, stats.requests) == ("paused", reason, 0)
    processor.shutdown()
    assert processor.stats().dropped == {"unauthorized": 1}
    lines = [r.getMessage() for r in caplog.records if "refuses the API token" in r.getMessage()]
    assert len(lines) == 1
    assert reason in lines[0]
    assert "secret" not in caplog.text + repr(processor) + repr(stats)


def test_a_function_is_asked_again_only_after_a_refusal(api: DevServer) -> None:
    asked: list[None] = []

    def token() -> str:
        asked.append(None)
        return api.token

    processor = processor_with(api, token)
    emit(processor, "one")
    assert processor.force_flush()
    emit(processor, "two")
    assert processor.force_flush()
    assert len(asked) == 1
    api.faults.add(path="/bulk", status=403)
    emit(processor, "three")
    assert processor.force_flush()
    processor.shutdown()
    assert len(asked) == 2
