"""Which addresses a request can be made to, and what an id does to a path."""

import uuid
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from prefactor_otel_transport.addresses import check_url, is_exposed, segment

USABLE = [
    "https://app.prefactorai.com",
    "http://localhost:8787",
    "HTTPS://Host/base/",
    "https://host/a//b/",
    "https://host/a%20b/~c;d=e,f",
    "https://host.",
    "http://my_service.default.svc.cluster.local:80",
    "http://127.0.0.1:1",
    "http://1.example",
    "http://1-2",
    "http://[::1]:65535",
    "http://[fe80::1%eth0]",
    "https://höst.example/pfäd",
    "https://例え.jp",
]
UNUSABLE = {
    "http://exa mple": "must not hold spaces or control characters",
    " http://host": "must not hold spaces or control characters",
    "http://host ": "must not hold spaces or control characters",
    "http://host\n": "must not hold spaces or control characters",
    "http://ho\u200bst": "must not hold spaces or control characters",
    "http://host/a b": "must not hold spaces or control characters",
    "http://host/\x7f": "must not hold spaces or control characters",
    "": "must be a URL such as https://app.prefactorai.com",
    "host": "must be a URL such as https://app.prefactorai.com",
    "host:80": "must be a URL such as https://app.prefactorai.com",
    "localhost": "must be a URL such as https://app.prefactorai.com",
    "//host": "must be a URL such as https://app.prefactorai.com",
    "ftp://host": "must be a URL such as https://app.prefactorai.com",
    "file:///etc": "must be a URL such as https://app.prefactorai.com",
    "unix:///socket": "must be a URL such as https://app.prefactorai.com",
    "httpss://host": "must be a URL such as https://app.prefactorai.com",
    "http://": "must be a URL such as https://app.prefactorai.com",
    "http:host": "must be a URL such as https://app.prefactorai.com",
    "http:/host": "must be a URL such as https://app.prefactorai.com",
    "http:///path": "must be a URL such as https://app.prefactorai.com",
    "https://:443": "must be a URL such as https://app.prefactorai.com",
    "http://.": "must name a host that can be looked up",
    "http://a..b": "must name a host that can be looked up",
    "http://.a": "must name a host that can be looked up",
    "http://*": "must name a host that can be looked up",
    "http://ho<s>t": "must name a host that can be looked up",
    "http://ho%20st": "must name a host that can be looked up",
    "http://ho\\st": "must name a host that can be looked up",
    "http://${HOST}": "must name a host that can be looked up",
    "http://" + "a" * 64 + ".de": "must name a host that can be looked up",
    "http://" + "a." * 127 + "de": "must name a host that can be looked up",
    "http://2130706433": "must name a host that can be looked up",
    "http://127.1": "must name a host that can be looked up",
    "http://1.2.3:80": "must name a host that can be looked up",
    "http://999.1.1.1": "must name a host that can be looked up",
    "http://127.0.0.01": "must name a host that can be looked up",
    "http://127.0.0.1.": "must name a host that can be looked up",
    "http://\uff11\uff12\uff17.1": "must name a host that can be looked up",
    "http://\ud800": "must not hold spaces or control characters",
    "http://host:port": "must have a port from 1 to 65535, or none",
    "http://host:99999": "must have a port from 1 to 65535, or none",
    "http://host:-1": "must have a port from 1 to 65535, or none",
    "http://[::1": "must be a URL such as https://app.prefactorai.com",
    "http://[host]": "must be a URL such as https://app.prefactorai.com",
    "http://host:0": "must have a port from 1 to 65535, or none",
    "http://me:hush@host": "must not hold credentials; the token goes into api_token",
    "http://@host": "must not hold credentials; the token goes into api_token",
    "http://host?a=b": "must not hold a query or a fragment: paths are appended to it",
    "http://host?": "must not hold a query or a fragment: paths are appended to it",
    "http://host/#a": "must not hold a query or a fragment: paths are appended to it",
    "http://host#": "must not hold a query or a fragment: paths are appended to it",
    "http://host/a\\b": "must have a path that can be requested, or none",
    "http://host/%zz": "must have a path that can be requested, or none",
    "http://host/a/../b": "must have a path that can be requested, or none",
    "http://host/.": "must have a path that can be requested, or none",
    "http://host/<base>": "must have a path that can be requested, or none",
    "http://host/{base}": "must have a path that can be requested, or none",
}


@pytest.mark.parametrize("url", USABLE)
def test_an_address_that_requests_can_be_made_to_is_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(("url", "problem"), UNUSABLE.items())
def test_an_address_that_no_request_can_be_made_to_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_url(url)
    assert str(caught.value) == problem


@given(st.from_regex(r"https?://[ -~\u00a0-\u024f]{1,12}(:\d{1,6})?(/[ -~]{0,8})?", fullmatch=True))
def test_what_is_taken_is_requested_as_it_stands(url: str) -> None:
    try:
        check_url(url)
    except ValueError:
        return
    requested, given = URL(url), urlsplit(url)
    assert requested.host
    assert requested.port == given.port or given.port is None
    assert not requested.raw_query_string
    assert requested.path.rstrip("/") == URL(url + "/").path.rstrip("/")
    assert URL(f"{url.rstrip('/')}/api/v1/ping").path.endswith("/api/v1/ping")


@pytest.mark.parametrize(
    ("url", "exposed"),
    [
        ("http://app.prefactorai.com", True),
        ("HTTP://Host", True),
        ("http://10.0.0.1:80", True),
        ("http://[fe80::1]", True),
        ("http://localhost.example.com", True),
        ("https://app.prefactorai.com", False),
        ("https://10.0.0.1", False),
        ("http://localhost:8787", False),
        ("http://LOCALHOST.", False),
        ("http://api.localhost", False),
        ("http://127.0.0.1", False),
        ("http://127.255.1.2:3", False),
        ("http://[::1]", False),
    ],
)
def test_what_leaves_this_machine_unencrypted_is_exposed(url: str, exposed: bool) -> None:
    assert is_exposed(url) is exposed


@pytest.mark.parametrize(
    ("id", "escaped"),
    [
        ("01m86pz9fjw2ftnd4bhzcyq7534s2zea", "01m86pz9fjw2ftnd4bhzcyq7534s2zea"),
        ("../agent/x/delete?#", "..%2Fagent%2Fx%2Fdelete%3F%23"),
        ("a b\r\nHost: c", "a%20b%0D%0AHost%3A%20c"),
        ("%2e%2e", "%252e%252e"),
        ("ä", "%C3%A4"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_an_id_is_one_segment_of_a_path(id: object, escaped: str) -> None:
    assert segment(id) == escaped


@pytest.mark.parametrize("id", ["", ".", "..", "a\ud800"])
def test_what_cannot_be_a_segment_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match="cannot be an id"):
        segment(id)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_id_never_leads_elsewhere(id: str) -> None:
    if id in (".", ".."):
        return
    requested = URL(f"http://host/api/v1/agent_instance/{segment(id)}/finish")
    assert requested.host == "host"
    assert requested.parts[1:4] == ("api", "v1", "agent_instance")
    assert len(requested.raw_parts) == 6
    assert requested.raw_query_string == requested.raw_fragment == ""
