"""The settings and what is wrong with them."""

import math
from typing import Any

import pytest

from prefactor_http import HttpClientConfig

URL, TOKEN = "https://api.example.com", "pf_0123456789abcdef"
NO_URL = "must be a URL such as https://app.prefactorai.com"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api_url": ""}, "api_url is required"),
        ({"api_token": ""}, "api_token is required"),
        ({"request_timeout": 0}, "request_timeout must be positive"),
        ({"request_timeout": -1}, "request_timeout must be positive"),
        ({"connect_timeout": 0}, "connect_timeout must be positive"),
        ({"max_retries": -1}, "max_retries must be non-negative"),
        ({"initial_retry_delay": 0}, "initial_retry_delay must be positive"),
        ({"max_retry_delay": 0}, "max_retry_delay must be positive"),
        ({"initial_retry_delay": 61}, "initial_retry_delay must be <= max_retry_delay"),
        ({"retry_multiplier": 0.99}, "retry_multiplier must be >= 1"),
        ({"retry_multiplier": math.nan}, "retry_multiplier must be >= 1"),
        ({"request_timeout": math.nan}, "request_timeout must be a finite number of seconds"),
        ({"request_timeout": math.inf}, "request_timeout must be a finite number of seconds"),
        ({"connect_timeout": math.inf}, "connect_timeout must be a finite number of seconds"),
        ({"max_retry_delay": math.nan}, "max_retry_delay must be a finite number of seconds"),
        ({"api_url": "api.example.com"}, f"api_url {NO_URL}"),
        ({"api_url": "localhost:8000"}, f"api_url {NO_URL}"),
        ({"api_url": "ftp://api.example.com"}, f"api_url {NO_URL}"),
        ({"api_url": "https://"}, f"api_url {NO_URL}"),
        ({"api_url": "https:///path"}, f"api_url {NO_URL}"),
        ({"api_url": "https://:443"}, f"api_url {NO_URL}"),
        ({"api_url": "https://host:port"}, "api_url must have a port from 1 to 65535, or none"),
        ({"api_url": "https://host:99999"}, "api_url must have a port from 1 to 65535, or none"),
        ({"api_url": "https://[::1"}, f"api_url {NO_URL}"),
        ({"api_url": "https://host\n"}, "api_url must not hold spaces or control characters"),
        ({"api_url": " https://host"}, "api_url must not hold spaces or control characters"),
        (
            {"api_url": "https://host?a=b"},
            "api_url must not hold a query or a fragment: paths are appended to it",
        ),
        (
            {"api_token": "token\n"},
            "api_token must not hold line breaks or control characters",
        ),
        (
            {"api_token": "to\x00ken"},
            "api_token must not hold line breaks or control characters",
        ),
    ],
)
def test_a_value_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"api_url": URL, "api_token": TOKEN}
    with pytest.raises(ValueError) as caught:
        HttpClientConfig(**(values | changes))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "url",
    ["https://me:hush-hush@host", "https://hush-hush@host", "https://me:hush-hush/x@host:y"],
)
def test_credentials_in_the_url_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        HttpClientConfig(url, TOKEN)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000", "HTTPS://Host/base/", "http://[::1]:80", "https://höst.example"],
)
def test_urls_that_work_are_taken_as_they_are(url: str) -> None:
    assert HttpClientConfig(url, TOKEN).api_url == url


def test_the_defaults_are_those_of_the_published_client() -> None:
    config = HttpClientConfig(URL, TOKEN)
    assert vars(config) == {
        "api_url": URL,
        "api_token": TOKEN,
        "request_timeout": 30.0,
        "connect_timeout": 10.0,
        "max_retries": 3,
        "initial_retry_delay": 1.0,
        "max_retry_delay": 60.0,
        "retry_multiplier": 2.0,
        "retry_on_status_codes": (429, 500, 502, 503, 504),
        "default_idempotency_key": None,
    }


def test_a_config_may_be_changed_and_compared() -> None:
    config = HttpClientConfig(URL, TOKEN)
    config.max_retries = 0
    assert config == HttpClientConfig(URL, TOKEN, max_retries=0)
    assert config != HttpClientConfig(URL, "another token", max_retries=0)
