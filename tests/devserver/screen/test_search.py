"""Runs are found by words of what their spans are called, were given and gave."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation
from tests.devserver.screen.browser import Browser

BEFORE = Path(__file__).parent / "before.sql"
"""A file of the version that had no page: two runs, of which one has a failed span."""


class Finder:
    """Who types words into the page."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser.opened()

    def __call__(self, words: str) -> list[str]:
        found = self._browser.read(f"/page/runs?q={quote(words)}")
        assert found["total"] == len(found["runs"])
        return [run["id"] for run in found["runs"]]


@pytest.fixture
def find(browser: Browser) -> Finder:
    return Finder(browser)


def run_with(call: Caller, *payloads: dict[str, Any]) -> str:
    run = call.active()
    for payload in payloads:
        call.span(run, payload=payload)
    return run


def test_a_run_is_found_by_names_inputs_outputs_and_errors(call: Caller, find: Finder) -> None:
    error = {"error_type": "LookupError", "message": "no such depot"}
    run = run_with(
        call,
        {"name": "chat gpt-x", "inputs": {"messages": [{"role": "user", "content": "My parcel?"}]}},
        {"name": "ask", "outputs": {"answer": {"deep": ["Tomorrow", 4711]}}},
        {"name": "find", "error": error},
    )
    run_with(call, {"name": "other"})
    for words in ("gpt", "parcel", "tomorrow", "4711", "depot", "LookupError", "PARCEL my"):
        assert find(words) == [run], words
    for words in ("nowhere", "role", "content", "parcel nowhere"):
        assert find(words) == [], words


def test_what_a_span_ends_with_is_found_at_once(call: Caller, find: Finder) -> None:
    run = call.active()
    span = call.span(run, payload={"name": "chat"}).details["id"]
    assert find("Lisbon") == []
    call.finish_span(span, result_payload={"output": "Lisbon it is"})
    assert find("Lisbon") == [run]
    assert find("chat Lisbon") == [run]


def test_what_was_refused_is_not_found(call: Caller, find: Finder) -> None:
    run = call.active()
    call.bulk(
        creation(run, "key-good1", payload={"name": "good"}),
        creation(run, "key-bad01", payload={"name": "evil"}, schema_name="undeclared"),
    )
    assert find("good") == [run]
    assert find("evil") == []


def test_the_last_word_may_go_on_and_accents_do_not_matter(call: Caller, find: Finder) -> None:
    run = run_with(call, {"name": "Überweisung nach Zürich", "inputs": {"input": "refund order"}})
    for words in ("refu", "uberw", "zurich", "ÜBERWEISUNG", "refund ord"):
        assert find(words) == [run], words
    assert find("refu order") == []  # only the last one goes on


def test_scripts_without_spaces_are_found_by_any_part(call: Caller, find: Finder) -> None:
    run = run_with(call, {"name": "東京の天気を教えて"})
    assert find("天気") == [run]
    assert find("気天") == []


def test_words_of_several_spans_find_their_run(call: Caller, find: Finder) -> None:
    run = run_with(call, {"name": "alpha"}, {"name": "beta"})
    run_with(call, {"name": "alpha"})
    assert find("alpha beta") == [run]


@pytest.mark.parametrize(
    "typed",
    [
        *('"', '""', '"alpha', "alpha OR beta", "alpha*", "*", "NEAR(alpha beta)", "text:alpha"),
        *("-alpha", "^alpha", "alpha AND NOT beta", "(", "a'; DROP TABLE agent_span;--", "\0"),
        *("alpha\0beta", "{alpha}: x", "%", "\u202e", "😀", "x" * 9000, "a " * 4000, "¼"),
    ],
    ids=lambda typed: ascii(typed)[:20],
)
def test_whatever_is_typed_is_words(call: Caller, find: Finder, typed: str) -> None:
    run = run_with(call, {"name": "gamma"})
    assert find(typed) in ([], [run])
    assert find("gamma") == [run]


def test_signs_between_words_are_no_operators(call: Caller, find: Finder) -> None:
    run = run_with(call, {"name": "alpha or beta"})
    assert find("alpha OR beta") == [run]
    assert find("gamma OR beta") == []
    assert find("alpha - beta") == [run]
    assert find('"alpha"') == [run]
    assert find("beta*") == [run]


def test_what_has_no_letter_finds_nothing_and_spaces_ask_nothing(
    call: Caller, find: Finder
) -> None:
    run = run_with(call, {"name": "gamma"})
    assert find("***") == []
    assert find("  ") == [run]


def test_what_is_marked_as_sensitive_is_not_found(call: Caller, find: Finder) -> None:
    hidden = {"$sensitive": "string", "value": "hunter2"}
    run_with(call, {"name": "log in", "inputs": {"password": hidden}})
    assert find("hunter2") == []


def test_of_long_texts_the_beginning_and_the_end_are_found(call: Caller, find: Finder) -> None:
    text = f"start {'filler ' * 20_000} needle {'filler ' * 20_000} finish"
    run = run_with(call, {"name": "long", "inputs": {"input": text}})
    assert find("start") == find("finish") == [run]
    assert find("needle") == []


def test_a_search_goes_with_the_filters(call: Caller, browser: Browser) -> None:
    kept, ended = run_with(call, {"name": "alpha"}), run_with(call, {"name": "alpha"})
    call.terminate(ended, reason="enough")
    found = browser.opened().read("/page/runs?q=alpha&status=active")
    assert [run["id"] for run in found["runs"]] == [kept]


def test_a_file_from_before_the_page_is_listed_and_searched(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with closing(sqlite3.connect(db)) as database:
        database.executescript(BEFORE.read_text())
    for number in range(2):  # the second time there is nothing to be caught up with
        with DevServer(db) as server:
            find = Finder(browser := Browser(server))
            *later, pending, run = browser.read("/page/runs")["runs"]
            assert len(later) == number
            assert (pending["purpose"], pending["spans"]) == ("eval", 0)
            assert (run["spans"], run["errors"], run["tokens"]["total"]) == (2, 1, 10)
            assert run["question"] == "Where is parcel 4711?"
            assert browser.read(f"/page/runs/{run['id']}")["answer"] == "In Zürich."
            assert find("zurich") == find("depot") == [run["id"]]
            run_with(Caller(server), {"name": "after"})
            assert len(find("after")) == number + 1


def test_what_a_version_without_the_page_has_added_is_caught_up_with(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as server:
        call = Caller(server)
        run = call.active()
        span = call.span(run, payload={"name": "alpha"}).details["id"]
    with closing(sqlite3.connect(db)) as database:  # as that one would have
        database.execute(
            "UPDATE agent_span SET status = 'failed', result_payload = ?, updated_at = 'later'",
            ['{"output": "beta"}'],
        )
        database.commit()
    with DevServer(db) as server:
        find = Finder(browser := Browser(server))
        assert find("alpha beta") == [run]
        [row] = browser.read(f"/page/runs/{run}/spans")["spans"]
        assert (row["id"], row["status"]) == (span, "failed")
        [told] = browser.read("/page/runs")["runs"]
        assert (told["spans"], told["errors"]) == (1, 1)


def test_an_old_file_of_many_spans_is_caught_up_with_to_the_last(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as server:
        call = Caller(server)
        run = call.active()
        for number in range(3):
            items = (creation(run, f"key-{number}-{n:04}") for n in range(400))
            assert len(call.bulk(*items).body["outputs"]) == 400
        call.span(run, payload={"name": "last"})
    with closing(sqlite3.connect(db)) as database:  # as it was before there was a page
        for table in ("run_total", "span_outline", "span_text"):
            database.execute(f"DROP TABLE {table}")
    with DevServer(db) as server:
        browser = Browser(server).opened()
        assert browser.read("/page/runs")["runs"][0]["spans"] == 1201
        assert len(browser.read(f"/page/runs/{run}/spans")["spans"]) == 1201
        assert browser.read("/page/runs?q=last")["total"] == 1
