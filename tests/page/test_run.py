"""A run: its rows, how they grow, how they are walked through, and its head."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation
from tests.page.agents import SlowAgent, replay, travel
from tests.page.browser import NARROW, WIDE, beside
from tests.page.conftest import Visit

pytestmark = pytest.mark.xdist_group("page of a run")

MANY = 10_000
A_BULK = 2_000


def rows(page: Page) -> Locator:
    return page.locator(".waterfall [role=row]")


def names(page: Page) -> Locator:
    return page.locator(".waterfall .name")


def shown(page: Page) -> Locator:
    """How many spans are shown."""
    return page.locator(".spans .toolbar [role=status]")


def cursor(page: Page) -> Locator:
    return page.locator(".waterfall [data-cursor] .name")


def only(api: DevServer) -> str:
    [run] = api.instances()
    return f"#/run/{run['id']}"


def begun(call: Caller, run: str, number: int, **fields: Any) -> dict[str, Any]:
    """An item that makes a span of this number, each begun a millisecond after the one before."""
    moment = f"2026-11-30T12:{number // 60_000:02}:{number // 1000 % 60:02}.{number % 1000:03}Z"
    details: dict[str, Any] = {"status": "complete", "started_at": moment, "finished_at": moment}
    details |= {"payload": {"name": f"step {number}"}, "result_payload": {"text": ""}}
    details |= {"id": call.own_id()}
    return creation(run, f"key-{number:05}", **(details | fields))


def test_a_run_grows_while_its_agent_works(visit: Visit, api: DevServer) -> None:
    agent = SlowAgent(api)
    with beside(agent.work):
        try:
            with visit() as page:
                page.locator("a.run-row").click()
                expect(names(page)).to_have_text(["slow agent", "first"])
                expect(page.locator(".run-head .status")).to_have_text("active")
                expect(page.locator(".bar.is-open")).to_have_count(1)
                first = page.locator(".run-head"), rows(page).first
                before = [place.bounding_box() for place in first]
                agent.may_go_on.set()
                expect(names(page)).to_have_text(["slow agent", "first", "second"])
                agent.may_end.set()
                expect(page.locator(".run-head .status")).to_have_text("complete")
                expect(page.locator(".bar.is-open")).to_have_count(0)
                assert [place.bounding_box() for place in first] == before
        finally:
            agent.may_go_on.set()
            agent.may_end.set()


def test_the_head_says_what_was_asked_and_answered(visit: Visit, api: DevServer) -> None:
    travel(api)
    with visit(only(api)) as page:
        head = page.locator(".run-head")
        expect(head.locator(".said").first).to_contain_text("Pack for a weekend in Paris")
        expect(head.locator(".said").last).to_contain_text("Atlantis is not on any weather map")
        expect(head.locator(".totals")).to_contain_text("6 spans")
        expect(head.locator(".totals")).to_contain_text("1 error")
        expect(head.locator(".totals")).to_contain_text("276 input")
        expect(head.locator(".totals")).to_contain_text("60 output")
        expect(head.locator(".totals")).to_contain_text("scripted-model-1")
        more = head.get_by_role("button", name="More of what was answered")
        expect(more).to_have_count(0)  # all of it is there
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        more.click()
        expect(head.locator(".said").last.locator(".text")).to_contain_text("on any weather map.")


def test_alerts_are_told_in_the_list_and_in_the_head(visit: Visit, call: Caller) -> None:
    run = call.active()
    alert = {"agent_instance_id": run, "name": "too dear", "severity": "error", "payload": {}}
    call("POST", "/alerts/raise", alert)
    with visit() as page:
        expect(page.locator("a.run-row .alert")).to_have_text("1 alert")
        page.locator("a.run-row").click()
        expect(page.locator(".run-head .alert")).to_have_text("error: too dear")
        call("POST", "/alerts/clear", {"agent_instance_id": run, "name": "too dear"})
        expect(page.locator(".run-head .chip")).to_have_text("error: too dear (cleared)")


def test_parts_of_a_run_are_folded_with_the_keyboard(visit: Visit, api: DevServer) -> None:
    replay(api, "langchain__openinference_langchain__agent_tool_ok")
    with visit(only(api)) as page:
        expect(rows(page)).to_have_count(7)
        page.keyboard.press("j")
        expect(rows(page).first).to_have_attribute("data-cursor", "true")
        page.keyboard.press("h")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_have_attribute("aria-expanded", "false")
        expect(rows(page).locator(".count")).to_have_text("+6")
        page.keyboard.press("l")
        expect(rows(page)).to_have_count(7)
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("h")
        expect(cursor(page)).to_have_text("model")
        page.keyboard.press("c")
        expect(rows(page)).to_have_count(1)
        page.keyboard.press("c")
        expect(rows(page)).to_have_count(7)
        rows(page).first.locator(".caret").click()
        expect(rows(page)).to_have_count(1)


def test_only_ai_spans_are_shown_and_the_address_says_so(visit: Visit, api: DevServer) -> None:
    """What is left hangs on the nearest of those above it that are left."""
    run = Caller(api).active(agent_schema_version=_TYPES)
    call = Caller(api)
    page_id, llm_id = call.own_id(), call.own_id()
    call.span(run, id=page_id, schema_name="otel:span", payload={"name": "GET /chat"})
    call.span(run, id=llm_id, schema_name="otel:llm", parent_span_id=page_id)
    with visit(f"#/run/{run}") as page:
        expect(rows(page)).to_have_count(2)
        page.keyboard.press("a")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_have_attribute("aria-level", "1")
        expect(page).to_have_url(re.compile(r"\?ai=1$"))
        expect(shown(page)).to_have_text("1 of 2 spans")
        page.reload()
        expect(rows(page)).to_have_count(1)
        page.get_by_role("button", name="Only AI").click()
        expect(rows(page)).to_have_count(2)


_TYPES = {
    "external_identifier": "s2",
    "span_type_schemas": [
        {"name": name, "params_schema": {"type": "object"}} for name in ("otel:span", "otel:llm")
    ],
}


def test_spans_are_found_in_a_run(visit: Visit, api: DevServer) -> None:
    travel(api)
    with visit(only(api)) as page:
        expect(rows(page)).to_have_count(6)
        page.keyboard.press("/")
        page.keyboard.type("weather")
        expect(names(page)).to_have_text(["weather", "weather"])
        page.get_by_placeholder("Find spans").fill("nothing of that name")
        page.get_by_role("button", name="Show all spans").click()
        expect(rows(page)).to_have_count(6)


def test_the_next_error_is_found_behind_what_is_folded(visit: Visit, api: DevServer) -> None:
    travel(api)
    with visit(only(api)) as page:
        expect(rows(page)).to_have_count(6)
        page.keyboard.press("c")
        expect(rows(page)).to_have_count(1)
        page.keyboard.press("n")
        expect(rows(page)).to_have_count(6)
        failed = page.locator(".waterfall [data-cursor]")
        expect(failed).to_contain_text("LookupError: no weather station in Atlantis")
        page.keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="Span")).to_contain_text("LookupError")
        page.keyboard.press("k")
        expect(page.locator(".panel h2")).not_to_have_text("weather")
        page.get_by_role("button", name="Next error").click()
        expect(page.locator(".panel h2")).to_have_text("weather")
        page.keyboard.press("Escape")
        expect(page.locator(".panel")).to_have_count(0)
        expect(failed).to_contain_text("LookupError")


SCALES = {
    "2026-11-30T12:00:00.000100Z": ("0.1 ms", "0 20 µs 40 µs 60 µs 80 µs"),
    "2026-11-30T12:00:00.300000Z": ("300 ms", "0 50 ms 100 ms 150 ms 200 ms 250 ms"),
    "2026-11-30T12:00:02.500000Z": ("2.50 s", "0 500 ms 1 s 1.5 s 2 s"),
    "2026-11-30T12:00:50.000000Z": ("50.0 s", "0 10 s 20 s 30 s 40 s"),
    "2026-11-30T12:01:40.000000Z": ("1 m 40 s", "0 20 s 40 s 1 m 1 m 20 s"),
    "2026-11-30T12:05:35.000000Z": ("5 m 35 s", "0 1 m 2 m 3 m 4 m"),
    "2026-11-30T13:40:00.000000Z": ("1 h 40 m", "0 20 m 40 m 1 h 1 h 20 m"),
    "2026-11-30T14:00:00.000000Z": ("2 h 00 m", "0 20 m 40 m 1 h 1 h 20 m 1 h 40 m"),
    "2026-12-01T12:00:00.000000Z": ("24 h 00 m", "0 5 h 10 h 15 h 20 h"),
}
"""The end of a span that begins at noon: how long it was, and what the scale says."""


def test_the_scale_tells_round_times_whole(visit: Visit, call: Caller) -> None:
    noon = "2026-11-30T12:00:00Z"
    runs = [call.active() for _ in SCALES]
    for number, (run, end) in enumerate(zip(runs, SCALES, strict=True)):
        call.bulk(begun(call, run, number, started_at=noon, finished_at=end))
        call.finish(run)
    with visit() as page:
        for run, (length, ticks) in zip(runs, SCALES.values(), strict=True):
            page.goto(f"{call.server.url}/#/run/{run}")
            expect(page.locator(".waterfall .cell-time")).to_have_text(length)
            said = page.locator(".axis .cell-bar i").all_inner_texts()
            assert " ".join(said) == ticks


@pytest.fixture
def long_run(api: DevServer, call: Caller) -> Iterator[str]:
    run = call.active()
    for start in range(0, MANY, A_BULK):
        items = [begun(call, run, number) for number in range(start, start + A_BULK)]
        assert len(call.bulk(*items).body["outputs"]) == A_BULK
    yield run


def test_ten_thousand_spans_are_few_rows_at_a_time(
    visit: Visit, call: Caller, long_run: str
) -> None:
    with visit(f"#/run/{long_run}") as page:
        expect(shown(page)).to_have_text("10,000 spans")
        expect(names(page).first).to_have_text("step 0")
        assert rows(page).count() < 100
        page.locator(".spans").evaluate("spans => spans.scrollTo(0, spans.scrollHeight)")
        expect(names(page).last).to_have_text("step 9999")
        expect(names(page).last).to_be_in_viewport()
        assert rows(page).count() < 100
        page.keyboard.press("Home")
        expect(cursor(page)).to_have_text("step 0")
        page.keyboard.press("End")
        expect(cursor(page)).to_have_text("step 9999")
        expect(cursor(page)).to_be_in_viewport()
        page.get_by_placeholder("Find spans").fill("step 4321")
        expect(names(page)).to_have_text(["step 4321"])
        page.get_by_placeholder("Find spans").fill("")
        call.bulk(begun(call, long_run, MANY))
        expect(shown(page)).to_have_text("10,001 spans")


@pytest.fixture
def failures(call: Caller) -> str:
    """A run of some hundred spans, of which three below a folded one each have failed."""
    run = call.active()
    items = [begun(call, run, number) for number in range(300)]
    for number in (100, 200, 299):
        parent, child = (items[at]["details"] for at in (number - 1, number))
        child |= {"parent_span_id": parent["id"], "status": "failed"}
    call.bulk(*items)
    return run


def is_whole(row: Locator) -> bool:
    """Whether nothing of it is outside of the window or behind what lies over it."""
    return bool(
        row.evaluate("""row => {
            const { left, top, bottom } = row.getBoundingClientRect();
            return [top + 1, bottom - 1].every(
                y => row.contains(document.elementFromPoint(left + 2, y)));
        }""")
    )


SIZES = {"wide": WIDE, "narrow": NARROW}


@pytest.mark.parametrize("size", sorted(SIZES))
def test_an_error_that_is_gone_to_is_wholly_in_sight(
    visit: Visit, failures: str, size: str
) -> None:
    with visit(f"#/run/{failures}", size=SIZES[size]) as page:
        expect(shown(page)).to_have_text("300 spans")
        page.keyboard.press("c")
        tools, axis = page.locator(".spans .toolbar"), page.locator(".spans .axis")
        for key, number in zip("nnnNNNn", (100, 200, 299, 200, 100, 299, 100), strict=True):
            page.keyboard.press(key)
            expect(cursor(page)).to_have_text(f"step {number}")
            assert is_whole(page.locator(".waterfall [data-cursor]")), (key, number)
            expect(tools).to_be_in_viewport(ratio=1)
            expect(axis).to_be_in_viewport(ratio=1)


def tokens(number: int) -> dict[str, Any]:
    usage = {"prompt_tokens": number, "completion_tokens": 0, "total_tokens": number}
    return {"name": "chat", "token_usage": usage}


def test_a_row_tells_the_tokens_and_errors_below_it(visit: Visit, call: Caller) -> None:
    """What a span counts itself stands for what is below it, which it may have counted with."""
    run = call.active()
    top, step, model = (call.own_id() for _ in range(3))
    call.bulk(
        begun(call, run, 0, id=top),
        begun(call, run, 1, id=step, parent_span_id=top),
        begun(call, run, 2, id=model, parent_span_id=step, payload=tokens(1200)),
        begun(call, run, 3, parent_span_id=model, payload=tokens(1100)),
        begun(call, run, 4, parent_span_id=step, payload=tokens(34), status="failed"),
        begun(call, run, 5, parent_span_id=top, status="failed"),
    )
    with visit(f"#/run/{run}") as page:
        cells = page.locator(".waterfall .cell-tokens")
        sums = ["\N{GREEK CAPITAL LETTER SIGMA} 1,234 tokens below"] * 2
        expect(cells).to_have_text([*sums, "1,200 tokens", "1,100 tokens", "34 tokens", ""])
        expect(page.locator(".waterfall .failed-below")).to_have_count(0)  # each is to be seen
        rows(page).nth(1).locator(".caret").click()
        expect(rows(page)).to_have_count(3)
        expect(rows(page).nth(1).locator(".failed-below")).to_have_text("with 1 error")
        page.get_by_placeholder("Find spans").fill("step 0")
        expect(cells).to_have_text(sums[:1])  # whatever is shown of it


def test_a_failed_run_tells_in_its_head_what_failed_first(visit: Visit, call: Caller) -> None:
    run = call.active()
    top, tool = call.own_id(), call.own_id()
    graph, lookup = error("GraphError", "node failed"), error("LookupError", "no city")
    call.bulk(
        begun(call, run, 0, id=top, status="failed", result_payload=graph),
        begun(call, run, 1, parent_span_id=top, status="failed"),  # and was done again
        begun(call, run, 2, id=tool, parent_span_id=top, status="failed", result_payload=lookup),
    )
    call.finish(run, status="failed")
    with visit(f"#/run/{run}") as page:
        head = page.locator(".run-head")
        expect(head.locator(".said")).to_contain_text(["Asked", "Failed"])
        head.get_by_role("link", name="LookupError: no city").click()
        expect(page).to_have_url(re.compile(f"#/run/{run}/span/{tool}$"))
        expect(page.locator(".panel .failure")).to_contain_text("LookupError")


def error(kind: str, message: str) -> dict[str, Any]:
    return {"error_type": kind, "message": message}


def test_who_has_scrolled_away_is_led_back_to_the_only_error(visit: Visit, call: Caller) -> None:
    run = call.active()
    call.bulk(begun(call, run, 0, status="failed"), *(begun(call, run, n) for n in range(1, 200)))
    with visit(f"#/run/{run}") as page:
        expect(shown(page)).to_have_text("200 spans")
        page.keyboard.press("n")
        expect(cursor(page)).to_have_text("step 0")
        page.locator(".spans").evaluate("spans => spans.scrollTo(0, spans.scrollHeight)")
        expect(names(page).last).to_have_text("step 199")
        page.keyboard.press("n")
        expect(cursor(page)).to_be_in_viewport()
        assert is_whole(page.locator(".waterfall [data-cursor]"))


def test_escape_takes_back_what_was_looked_for(visit: Visit, api: DevServer) -> None:
    travel(api)
    with visit(only(api)) as page:
        find = page.get_by_placeholder("Find spans")
        find.fill("weather")
        expect(rows(page)).to_have_count(2)
        page.keyboard.press("Escape")
        expect(find).to_have_value("")
        expect(rows(page)).to_have_count(6)
        page.keyboard.press("Escape")
        expect(find).not_to_be_focused()
        find.fill("weather")
        rows(page).first.click()
        page.keyboard.press("Escape")
        expect(page.locator(".panel")).to_have_count(0)
        expect(rows(page)).to_have_count(2)
        page.keyboard.press("Escape")
        expect(find).to_have_value("")
        expect(rows(page)).to_have_count(6)
        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile("#/runs$"))


def test_a_chain_deeper_than_the_window_is_wide_stays_readable(visit: Visit, call: Caller) -> None:
    run, depth = call.active(), 300
    items = [begun(call, run, number) for number in range(depth)]
    for parent, child in pairwise(items):
        child["details"]["parent_span_id"] = parent["details"]["id"]
    call.bulk(*items)
    with visit(f"#/run/{run}") as page:
        expect(shown(page)).to_have_text(f"{depth} spans")
        page.keyboard.press("End")
        expect(cursor(page)).to_have_text(f"step {depth - 1}")
        expect(cursor(page)).to_be_in_viewport()
        expect(page.locator(".waterfall [data-cursor]")).to_have_attribute("aria-level", str(depth))


def test_a_run_that_is_not_there_says_so(visit: Visit, call: Caller) -> None:
    with visit(f"#/run/{call.own_id()}", may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()
        page.get_by_role("link", name="All runs").click()
        expect(page).to_have_url(re.compile("#/runs$"))


@pytest.mark.parametrize("name", ["nonsense", "a%2Fb", "%00", "%F0%9F%98%80", "x" * 3000])
def test_what_is_no_run_or_span_at_all_says_so_too(visit: Visit, call: Caller, name: str) -> None:
    run = call.active()
    with visit(f"#/run/{name}", may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="There is no such run")).to_be_visible()
        page.goto(f"{call.server.url}/#/run/{run}/span/{name}")
        expect(page.get_by_role("heading", name="There is no such span")).to_be_visible()
        page.get_by_role("button", name="Show the run").click()
        expect(page).to_have_url(re.compile(f"#/run/{run}$"))
        expect(page.locator(".panel")).to_have_count(0)


def test_a_span_of_another_run_leads_there(visit: Visit, call: Caller) -> None:
    run, other = call.active(), call.active()
    span = call.span(other, payload={"name": "elsewhere"}).details["id"]
    with visit(f"#/run/{run}/span/{span}") as page:
        expect(page.get_by_role("heading", name="This span is in another run")).to_be_visible()
        page.get_by_role("link", name="Show it there").click()
        expect(page).to_have_url(re.compile(f"#/run/{other}/span/{span}$"))
        expect(page.locator(".panel h2")).to_have_text("elsewhere")


def test_the_way_back_keeps_the_filter(visit: Visit, call: Caller) -> None:
    call.active()
    with visit("#/runs?status=active") as page:
        page.locator("a.run-row").click()
        page.get_by_role("link", name="All runs").click()
        expect(page).to_have_url(re.compile(r"#/runs\?status=active$"))
