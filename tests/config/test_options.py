"""Settings: where they come from, and what is said when they cannot be used."""

import logging
import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from prefactor_otel import PrefactorConfigError, PrefactorExporter, PrefactorSpanProcessor
from prefactor_otel.config.options import Config, Options, load_config, option_rows, variable_of
from tests.made_spans import Recorder

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


def test_a_misspelt_variable_is_told_once_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PREFACTOR_CAPTURE_INPUT", "false")
    monkeypatch.setenv("PREFACTOR_SOMETHING_ELSE_ALTOGETHER", "of another tool")
    for _ in range(2):
        PrefactorExporter("http://127.0.0.1:9", TOKEN, shutdown_timeout=0.1).shutdown()
    told = [r.getMessage() for r in caplog.records if "Nothing reads" in r.getMessage()]
    assert told == [
        "Nothing reads the variable PREFACTOR_CAPTURE_INPUT: did you mean PREFACTOR_CAPTURE_INPUTS?"
    ]


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
        "option max_queue_size (variable PREFACTOR_MAX_QUEUE_SIZE) cannot be 0: must be 1 or more; "
        "option spool_dir (variable PREFACTOR_SPOOL_DIR) cannot be 5: must be a path; "
        "option strict (variable PREFACTOR_STRICT) cannot be 'perhaps': must be true or false"
    )


_URL = "must be a URL such as https://app.prefactorai.com"
_WRONG: tuple[object, ...] = (
    *("", " ", "x", "-1", "0", "1.5", "nan", "inf", "99999999999", "9" * 5000, "{", "[]", "{}"),
    *('{"a": 1}', '{"a": {"titel": 1}}', '{"tool": {"action_profile": {"x": 1}}}', "-", ",", "a:b"),
    *("a,,b", "all,x", "http://", "//[::1", "http://h:x", "two\nlines", "~nobody/x", "x" * 500),
    *(5, -1, 1.5, float("nan"), True, [], [1], {}, {"a": 1}, {"a": {"inputs": 1}}, b"x", object()),
)
_REFUSAL = re.compile(
    r"option (?P<option>\w+) \(variable (?P<variable>PREFACTOR_\w+)\) cannot be "
    r"(?P<value>\S.*?): (?P<reason>(must|has no) .*|.* (must|is not) .*)"
)


def refusal(option: str, value: object) -> str | None:
    """What is said of an option's value; None where it can be used."""
    try:
        load_config(**{"api_token": TOKEN} | {option: value})  # type: ignore[arg-type]
    except PrefactorConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize("option", [option.name for option in fields(Config)])
def test_every_refusal_of_every_option_is_one_sentence_in_our_own_words(option: str) -> None:
    refused = [said for value in _WRONG if (said := refusal(option, value)) is not None]
    assert refused or Config.__annotations__[option] == str | None
    for said in refused:
        parts = _REFUSAL.fullmatch(said)
        assert parts is not None, said
        assert (parts["option"], parts["variable"]) == (option, variable_of(option))
        assert len(parts["value"]) < 250
        assert "Input" not in said
        reason = parts["reason"].replace("inputs, outputs, error, metadata", "")
        assert "error" not in reason.replace("'all' or 'errors'", "")
        assert not parts["reason"].endswith(".")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("api_token", " ", "used: must not be blank"),
        ("api_token", 5, "used: must be text"),
        ("api_url", "", f"'': {_URL}"),
        ("api_url", "secret", f"this text (not shown, for it may be a token): {_URL}"),
        ("agent_name", 5, "5: must be text"),
        ("run_scope", "all", "'all': must be 'provider', 'trace' or 'session'"),
        ("shutdown_timeout", "soon", "'soon': must be a number"),
        ("shutdown_timeout", "0", "'0': must be more than 0"),
        ("shutdown_timeout", "inf", "'inf': must be a finite number"),
        ("poll_interval", -1, "-1: must be 0 or more"),
        ("max_batch_size", "7.5", "'7.5': must be a whole number"),
        ("max_batch_size", 7.5, "7.5: must be a whole number"),
        ("max_batch_size", 20_000, "20000: must be 10000 or less"),
        ("max_request_bytes", "1", "'1': must be 4096 or more"),
        ("capture_inputs", "perhaps", "'perhaps': must be true or false"),
        ("spool_dir", 5, "5: must be a path"),
    ],
)
def test_a_refusal_says_what_would_do(option: str, value: object, said: str) -> None:
    assert refusal(option, value) == (
        f"option {option} (variable {variable_of(option)}) cannot be {said}"
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
        ("api_url", "http://exa mple"),
        ("api_url", " https://host"),
        ("api_url", "https://host "),
        ("api_url", "https://host/a path"),
        ("api_url", "https://host/a/../b"),
        ("api_url", "https://a..b"),
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


def test_an_address_that_no_request_can_be_made_to_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PrefactorConfigError, match=r"^option api_url .*PREFACTOR_API_URL"):
        PrefactorExporter("http://exa mple", TOKEN)
    monkeypatch.setenv("PREFACTOR_API_URL", "http://exa mple")
    exporter = PrefactorExporter(api_token=TOKEN)
    assert exporter.stats().state == "off"
    assert [record.getMessage() for record in caplog.records] == [
        "The Prefactor exporter stays off: option api_url (variable PREFACTOR_API_URL) cannot be "
        "'http://exa mple': must not hold spaces or control characters"
    ]


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://plain.invalid:8080", True),
        ("http://based.invalid/base", True),
        ("http://other.invalid", True),
        ("https://plain.invalid", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost:1", False),
    ],
)
def test_a_token_on_an_open_line_is_told_once_for_each_host(
    url: str, exposed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        PrefactorExporter(url, TOKEN, shutdown_timeout=0.01).shutdown()
    assert caplog.text.count("unencrypted") == (1 if exposed else 0)
    assert TOKEN not in caplog.text


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
