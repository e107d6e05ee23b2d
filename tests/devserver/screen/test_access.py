"""Who may look at the page: a link that works once, a session, and nobody's other site."""

import json
import re
import socket
from contextlib import suppress
from importlib.resources import files
from urllib.parse import urlsplit

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.devserver.screen.browser import Browser
from tests.patience import PATIENCE


def test_anybody_may_load_the_page_which_holds_no_data(browser: Browser) -> None:
    status, text, headers = browser.send("GET", "/")
    page = files("prefactor_otel.devserver") / "page"
    assert (status, text) == (200, (page / "index.html").read_bytes())
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_a_file_that_is_known_is_not_sent_again(browser: Browser) -> None:
    _, whole, headers = browser.send("GET", "/page/index.html")
    known = {"If-None-Match": headers["ETag"]}
    status, text, _ = browser.send("GET", "/page/index.html", headers=known)
    assert whole
    assert (status, text) == (304, b"")
    other = {"If-None-Match": '"another"'}
    assert browser.send("GET", "/page/index.html", headers=other)[:2] == (200, whole)


@pytest.mark.parametrize(
    "path",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "nothing.js", "", "/etc/passwd", "index.html/"],
)
def test_no_other_file_is_served(browser: Browser, path: str) -> None:
    assert browser.send("GET", f"/page/{path}")[0] in (401, 404)


def test_without_a_session_there_is_no_data(server: DevServer, browser: Browser) -> None:
    run = Caller(server).active()
    paths = ["/page/runs", f"/page/runs/{run}", f"/page/runs/{run}/spans", "/page/events"]
    for path in [*paths, "/page/spans/x", "/api/v1/ping", "/__faults"]:
        assert browser.send("GET", path)[0] == 401, path
    assert browser.send("POST", "/page/link")[0] == 401


def test_the_token_opens_what_a_session_does(server: DevServer) -> None:
    status, _, _ = Caller(server).raw("GET", "/page/runs")
    assert status == 200


def test_a_link_opens_a_session_that_scripts_and_other_sites_do_not_get(
    server: DevServer, browser: Browser
) -> None:
    secret = urlsplit(server.page_link()).fragment.removeprefix("secret=")
    status, text, headers = browser.send("POST", "/page/session", {"secret": secret})
    assert (status, text) == (204, b"")
    name, _, about = headers["Set-Cookie"].partition("=")
    port = urlsplit(server.url).port
    assert name == f"prefactor_session_{port}"
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(about.split("; ")[1:])
    assert browser.read("/page/runs")["runs"] == []
    assert secret not in str(browser.cookies)


def test_a_link_works_once(server: DevServer, browser: Browser) -> None:
    link = server.page_link()
    assert browser.open(link) == 204
    assert Browser(server).open(link) == 401
    assert browser.read("/page/runs")["runs"] == []  # the first one goes on


def test_a_link_that_is_too_old_does_not_work(server: DevServer, browser: Browser) -> None:
    assert browser.open(server.page_link(life=-1.0)) == 401


def test_after_a_link_that_is_spent_comes_the_next(server: DevServer, browser: Browser) -> None:
    """Used, or too old: who has no other is told one, and nobody who only guesses."""
    told: list[str] = []
    server.on_session = lambda: told.append(server.page_link())
    old = server.page_link(life=-1.0)
    assert [browser.open(link) for link in (old, old, f"{old}x")] == [401] * 3
    [link] = told
    assert browser.open(link) == 204
    assert len(told) == 2


def test_each_call_makes_another_link_and_of_many_the_newest_work(server: DevServer) -> None:
    links = [server.page_link() for _ in range(30)]
    assert len(set(links)) == 30
    assert Browser(server).open(links[0]) == 401
    assert Browser(server).open(links[-1]) == 204


def test_who_has_the_token_gets_a_link(server: DevServer, browser: Browser) -> None:
    _, text, _ = Caller(server).raw("POST", "/page/link")
    assert browser.open(json.loads(text)["link"]) == 204


@pytest.mark.parametrize(
    "body", [{}, {"secret": None}, {"secret": 1}, {"secret": ""}, [], "x", {"secret": "é" * 99}]
)
def test_what_is_no_secret_is_refused(browser: Browser, body: object) -> None:
    assert browser.send("POST", "/page/session", body)[0] == 401
    assert not browser.cookies


def test_a_session_is_not_guessed(browser: Browser, server: DevServer) -> None:
    browser.opened()
    [name] = browser.cookies
    for guess in ("", "x", "é", browser.cookies[name][:-1]):
        browser.cookies[name] = guess
        assert browser.send("GET", "/page/runs")[0] == 401


def test_a_session_writes_only_with_the_header_that_no_other_site_can_send(
    server: DevServer, browser: Browser
) -> None:
    run = Caller(server).active()
    browser.opened()
    path, body = f"/api/v1/agent_instance/{run}/terminate", {"reason": "enough"}
    assert browser.send("POST", path, body)[0] == 403
    assert server.instances()[0]["status"] == "active"
    assert browser.send("POST", path, body, {"X-Prefactor-Page": "1"})[0] == 200
    assert server.instances()[0]["status"] == "terminated"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_makes_a_browser_ask_is_refused(browser: Browser, site: str) -> None:
    """Every port of a host is the same site, and gets the same cookies."""
    browser.opened()
    assert browser.send("GET", "/page/runs", headers={"Sec-Fetch-Site": site})[0] == 403
    assert browser.send("GET", "/page/runs", headers={"Sec-Fetch-Site": "same-origin"})[0] == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_somebody_else_may_own_is_refused(browser: Browser, name: str) -> None:
    browser.opened()
    headers = {"Host": name, "X-Prefactor-Page": "1"}
    for method, path in (("GET", "/"), ("GET", "/page/runs"), ("POST", "/page/session")):
        assert browser.send(method, path, headers=headers)[0] == 403, path


@pytest.mark.parametrize("name", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8787"])
def test_the_machines_own_names_are_taken_behind_any_port(browser: Browser, name: str) -> None:
    assert browser.opened().send("GET", "/page/runs", headers={"Host": name})[0] == 200


def test_two_servers_of_one_host_share_a_browser(server: DevServer, browser: Browser) -> None:
    with DevServer() as other:
        second = Browser(other)
        second.cookies = browser.cookies  # browsers send each port the cookies of all
        browser.opened()
        second.opened()
        assert browser.read("/page/runs")["total"] == 0
        assert second.read("/page/runs")["total"] == 0


def test_nothing_of_the_page_is_in_the_record_of_requests(
    server: DevServer, browser: Browser
) -> None:
    link = server.page_link()
    browser.open(link)
    browser.send("GET", "/")
    browser.read("/page/runs")
    browser.send("GET", "/api/v1/ping")
    [ping] = server.requests
    assert ping.path == "/api/v1/ping"
    kept = repr(server.requests)
    for secret in (link.partition("=")[2], *browser.cookies.values()):
        assert not re.search(re.escape(secret), kept)


def test_a_session_outlives_a_stop_of_the_server(server: DevServer, browser: Browser) -> None:
    browser.opened()
    server.stop()
    server.start()
    assert browser.read("/page/runs")["runs"] == []


def test_what_is_no_http_leaves_no_traceback(
    server: DevServer, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(server.url)
    for sent in (b"\x16\x03\x01\x02\x00", b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 300_000)):
        with socket.create_connection((address.hostname or "", address.port or 0)) as client:
            client.settimeout(PATIENCE)
            with suppress(ConnectionError):  # it may not have wanted all of it
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
    assert browser.send("GET", "/")[0] == 200
    assert caplog.messages == []


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_no_method_comes_around_the_session(
    server: DevServer, browser: Browser, method: str
) -> None:
    run = Caller(server).active()
    for path in ("/page/runs", f"/page/runs/{run}/spans", "/page/events", "/page/link"):
        assert browser.send(method, path)[0] in (401, 404), path
    assert browser.send("HEAD", "/")[0] == 200
    browser.opened()
    assert browser.send("HEAD", "/page/runs")[:2] == (200, b"")
    allowed = {"X-Prefactor-Page": "1"}
    for path in ("/page/events", "/page/link"):
        assert browser.send(method, path, headers=allowed)[0] in (404, 405), path
