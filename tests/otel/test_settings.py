"""Settings: where they come from, and what is said when they cannot be used."""

import logging
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from prefactor_otel import PrefactorConfigError, PrefactorExporter, PrefactorSpanProcessor
from prefactor_otel.config import Config, Options, load_config, option_rows, variable_of
from tests.otel.spans import Recorder

TOKEN = "pf_secret_token_0123456789"


def test_arguments_win_over_variables_and_variables_over_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PREFACTOR_API_URL", "https://variable.example")
    monkeypatch.setenv("PREFACTOR_AGENT_NAME", "variable")
    config = load_config(None, TOKEN, agent_name="argument")
    assert config.api_url == "https://variable.example"
    assert config.agent_name == "argument"
    assert config.shutdown_timeout == 5.0


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_API_URL", "")
    assert load_config(None, TOKEN).api_url == "https://app.prefactorai.com"


@pytest.mark.parametrize("url", ["https://x.example/api/v1", "https://x.example/api/v1/"])
def test_an_address_with_the_prefix_of_the_api_is_the_address(url: str) -> None:
    assert load_config(url, TOKEN).api_url == "https://x.example"


def test_the_version_uses_the_name_that_the_other_sdks_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_AGENT_IDENTIFIER", "9.1")
    assert load_config(None, TOKEN).agent_version == "9.1"
    assert load_config(None, TOKEN, agent_version="9.2").agent_version == "9.2"


def test_a_variable_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("prefactor_agent_name", "quiet")
    assert load_config(None, TOKEN).agent_name == "quiet"


def test_a_variable_of_the_application_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_VERSION", "of the application")
    assert load_config(None, TOKEN).agent_version is None


def test_texts_become_what_the_option_holds() -> None:
    config = load_config(None, TOKEN, max_batch_size="7", export_timeout="1e1", spool_dir="/a")
    assert (config.max_batch_size, config.export_timeout) == (7, 10.0)
    assert config.spool_dir == Path("/a")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(PrefactorConfigError) as caught:
        load_config("https://host", TOKEN, max_queue_size=0, strict="perhaps", spool_dir=5)
    assert str(caught.value) == (
        "option max_queue_size (variable PREFACTOR_MAX_QUEUE_SIZE) cannot be 0: "
        "Input should be greater than or equal to 1; "
        "option spool_dir (variable PREFACTOR_SPOOL_DIR) cannot be 5: Input is not a valid path; "
        "option strict (variable PREFACTOR_STRICT) cannot be 'perhaps': "
        "Input should be a valid boolean, unable to interpret input"
    )


@pytest.mark.parametrize("text", ["false", "0", "no", "off"])
def test_capture_can_be_switched_off_by_variable(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PREFACTOR_CAPTURE_INPUTS", text)
    assert load_config(None, TOKEN).capture_inputs is False


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("api_url", "app.prefactorai.com"),
        ("api_url", "ftp://host"),
        ("api_url", "https://host:99999"),
        ("shutdown_timeout", "soon"),
        ("shutdown_timeout", "-1"),
        ("export_timeout", "inf"),
        ("request_timeout", "nan"),
        ("max_batch_size", "0"),
        ("purpose", "fun"),
        ("capture_inputs", "perhaps"),
        ("mask", ","),
    ],
)
def test_a_wrong_value_names_option_value_and_variable(option: str, value: str) -> None:
    with pytest.raises(PrefactorConfigError) as caught:
        load_config(**{"api_token": TOKEN} | {option: value})
    text = str(caught.value)
    assert option in text
    assert variable_of(option) in text
    assert value in text


def test_a_wrong_token_is_never_quoted() -> None:
    with pytest.raises(PrefactorConfigError) as caught:
        load_config("https://host", f"{TOKEN}\nX-Injected: 1")
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(PrefactorConfigError, match="colour"):
        load_config("https://host", TOKEN, colour="blue")


def test_the_token_is_not_in_the_settings_repr() -> None:
    assert TOKEN not in repr(load_config("https://host", TOKEN))


def test_without_a_token_one_line_says_what_to_set_and_everything_stays_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exporter = PrefactorExporter()
    recorder = Recorder()
    recorder.tracer.start_span("a").end()
    assert exporter.force_flush() is True
    assert exporter.export(recorder.spans) is SpanExportResult.FAILURE
    assert exporter.force_flush() is False
    exporter.shutdown()
    lines = [record for record in caplog.records if record.name == "prefactor_otel"]
    assert len(lines) == 1
    assert lines[0].levelno == logging.WARNING
    assert "PREFACTOR_API_TOKEN" in lines[0].getMessage()
    assert (exporter.stats().state, exporter.stats().dropped) == ("off", {"not_configured": 1})


@pytest.mark.parametrize("word", ["true", "1", "Yes", "y", "t", "on"])
def test_strict_raises_in_its_place(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    with pytest.raises(PrefactorConfigError, match="PREFACTOR_API_TOKEN"):
        PrefactorSpanProcessor(strict=True)
    monkeypatch.setenv("PREFACTOR_STRICT", word)
    with pytest.raises(PrefactorConfigError, match="PREFACTOR_API_TOKEN"):
        PrefactorSpanProcessor()


def test_a_wrong_argument_raises_and_a_wrong_variable_only_logs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PrefactorConfigError, match="shutdown_timeout"):
        PrefactorExporter("https://host", TOKEN, shutdown_timeout=-1)
    monkeypatch.setenv("PREFACTOR_SHUTDOWN_TIMEOUT", "soon")
    assert PrefactorExporter("https://host", TOKEN).stats().state == "off"
    assert "PREFACTOR_SHUTDOWN_TIMEOUT" in caplog.text
    assert "'soon'" in caplog.text


def test_every_option_can_be_passed_by_keyword_and_has_its_sentence() -> None:
    positional = {"api_url", "api_token"}
    assert set(get_type_hints(Options)) | positional == {option.name for option in fields(Config)}
    for name, variable, kind, default, sentence in option_rows():
        assert variable.startswith("PREFACTOR_"), name
        assert sentence.endswith("."), name
        assert kind
        assert default


@pytest.mark.parametrize(
    "url",
    [
        TOKEN,
        "https://user:hidden-word@host",
        "//user:hidden-word@host",
        "https://host/?key=hidden-word",
    ],
)
def test_a_secret_in_the_place_of_the_url_is_not_quoted(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PREFACTOR_API_URL", url)
    assert PrefactorExporter(None, TOKEN).stats().state == "off"
    assert "PREFACTOR_API_URL" in caplog.text
    assert TOKEN not in caplog.text
    assert "hidden-word" not in caplog.text


def test_a_disabled_sdk_makes_no_run_and_no_noise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    processor = PrefactorSpanProcessor("http://127.0.0.1:9", TOKEN)
    assert processor.stats().state == "off"
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]
