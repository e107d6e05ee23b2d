"""The list of runs: what is in it, how it is filtered and searched, and how it grows."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.page.agents import travel
from tests.page.browser import NARROW
from tests.page.conftest import Visit

pytestmark = pytest.mark.xdist_group("page of runs")


def rows(page: Page) -> Locator:
    return page.locator("a.run-row")


def asked(question: str) -> dict[str, object]:
    messages = [{"role": "user", "content": question}]
    return {"name": "chat", "inputs": {"messages": messages}}


def test_a_new_user_is_told_how_to_begin(visit: Visit, api: DevServer) -> None:
    with visit() as page:
        expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
        expect(page.locator("pre").first).to_contain_text(f"PREFACTOR_API_URL={api.url}")


def test_a_run_is_one_row_with_its_figures(visit: Visit, api: DevServer) -> None:
    travel(api)
    with visit() as page:
        row = rows(page)
        expect(row).to_have_count(1)
        expect(row.locator(".run-status")).to_have_text("complete")
        expect(row.locator(".run-question")).to_contain_text("Pack for a weekend")
        expect(row.locator(".run-spans")).to_have_text(re.compile("^6"))
        expect(row.locator(".run-tokens")).to_have_text(re.compile("^336"))
        expect(row.locator(".run-errors")).to_have_text(re.compile("^1"))
        expect(row.locator(".run-purpose")).to_have_text("live")


def test_any_count_of_tokens_is_told_whole(visit: Visit, call: Caller) -> None:
    for tokens in (999_999, 1_234_567, 999_999_999, 10**12):
        usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
        call.span(call.active(), payload={"name": "chat", "token_usage": usage})
    with visit() as page:
        expect(rows(page)).to_have_count(4)
        cells = page.locator(".run-tokens")
        expect(cells).to_contain_text(["1.00T", "1.00B", "1.23M", "999,999"])
        for cell in cells.all():
            assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth")


def test_why_a_run_was_stopped_is_no_question_but_is_told_of_its_status(
    visit: Visit, call: Caller
) -> None:
    call.terminate(call.active(), reason="it runs in circles")
    with visit() as page:
        row = rows(page)
        expect(row.locator(".run-question")).to_have_text("\N{EN DASH}")
        expect(row.locator(".run-status")).to_have_attribute("title", "it runs in circles")


def test_the_list_grows_by_itself_newest_first(visit: Visit, call: Caller) -> None:
    with visit() as page:
        call.span(call.active(), payload=asked("first?"))
        expect(rows(page)).to_have_count(1)
        second = call.active()
        call.span(second, payload=asked("second?"))
        expect(rows(page)).to_have_count(2)
        expect(rows(page).first).to_contain_text("second?")
        expect(rows(page).first).to_contain_text("active")
        call.finish(second, status="failed")
        expect(rows(page).first).to_contain_text("failed")


def test_the_address_holds_the_filter(visit: Visit, call: Caller) -> None:
    call.finish(call.active(purpose="eval"), status="failed")
    call.finish(call.active(), status="complete")
    with visit() as page:
        expect(rows(page)).to_have_count(2)
        page.get_by_label("Status").select_option("failed")
        expect(rows(page)).to_have_count(1)
        expect(page).to_have_url(re.compile(r"#/runs\?status=failed$"))
        page.get_by_label("Purpose").select_option("live")
        expect(page.get_by_text("No run matches")).to_be_visible()
        page.get_by_label("Status").select_option("")
        expect(rows(page)).to_have_count(1)
        page.reload()
        expect(rows(page)).to_have_count(1)
        expect(page.get_by_label("Purpose")).to_have_value("live")
        page.get_by_label("Agent").select_option(index=1)
        expect(page).to_have_url(re.compile("agent="))
        expect(rows(page)).to_have_count(1)


def test_a_run_that_leaves_the_filter_leaves_the_list(visit: Visit, call: Caller) -> None:
    run = call.active()
    with visit("#/runs?status=active") as page:
        expect(rows(page)).to_have_count(1)
        call.finish(run)
        expect(page.get_by_text("No run matches")).to_be_visible()
        page.get_by_role("link", name="Show all runs").click()
        expect(rows(page)).to_have_count(1)


def test_what_spans_say_is_found(visit: Visit, call: Caller) -> None:
    call.span(call.active(), payload=asked("where do herons nest?"))
    call.span(call.active(), payload=asked("who sells umbrellas?"))
    with visit() as page:
        expect(rows(page)).to_have_count(2)
        page.get_by_placeholder("Search names").fill("herons")
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("herons")
        expect(page).to_have_url(re.compile("q=herons"))
        call.span(call.active(), payload=asked("do herons sleep?"))
        expect(rows(page)).to_have_count(2)


def test_the_list_is_read_with_the_keyboard(visit: Visit, call: Caller) -> None:
    runs = [call.active() for _ in range(3)]
    with visit() as page:
        expect(rows(page)).to_have_count(3)
        for key in ("j", "j", "j", "k"):
            page.keyboard.press(key)
        expect(page.locator(f"#run-{runs[1]}")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(f"#/run/{runs[1]}$"))
        page.keyboard.press("Escape")
        expect(page).to_have_url(re.compile("#/runs$"))
        expect(rows(page)).to_have_count(3)
        page.keyboard.press("/")
        expect(page.get_by_placeholder("Search names")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_older_runs_are_read_when_the_list_is_scrolled(visit: Visit, call: Caller) -> None:
    runs = [call.pending() for _ in range(130)]
    with visit(size=NARROW) as page:
        expect(page.get_by_text("130 runs", exact=True)).to_be_visible()
        scroll = "list => list.scrollTo(0, list.scrollHeight)"
        oldest = page.locator(f"#run-{runs[0]}")
        page.locator(".runs-list").evaluate(scroll)
        expect(page.get_by_role("button", name="older run")).to_have_count(0)
        page.locator(".runs-list").evaluate(scroll)
        expect(oldest).to_be_visible()
        assert rows(page).count() < 60


def test_what_is_read_stays_in_its_place_while_the_list_grows(visit: Visit, call: Caller) -> None:
    runs = [call.pending() for _ in range(60)]
    with visit() as page:
        expect(rows(page).first).to_be_visible()
        page.locator(".runs-list").evaluate("list => list.scrollTo(0, 700)")
        read = page.locator(f"#run-{runs[30]}")
        expect(read).to_be_visible()
        before = read.bounding_box()
        call.pending()
        expect(page.get_by_text("61 runs", exact=True)).to_be_visible()
        assert read.bounding_box() == before
        for key in ("j", "j"):
            page.keyboard.press(key)
        expect(page.locator("a.run-row:focus")).to_be_in_viewport()
        page.locator(".runs-list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        expect(page.locator(f"#run-{runs[0]}")).to_be_in_viewport()
        call.pending()
        expect(page.get_by_text("62 runs", exact=True)).to_be_visible()
        expect(page.locator(f"#run-{runs[0]}")).to_be_in_viewport()


def test_what_is_typed_stays_while_the_list_is_drawn_again(visit: Visit, call: Caller) -> None:
    """The search begins a moment after the last letter."""
    typed = """async () => {
        const search = document.querySelector('#search');
        search.value = 'her';
        search.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('a.run-row').focus();
        for (let i = 0; i < 2; i += 1) await new Promise(requestAnimationFrame);
        return search.value;
    }"""
    call.pending()
    with visit() as page:
        expect(rows(page)).to_have_count(1)
        assert page.evaluate(typed) == "her"


def test_a_page_that_nobody_looks_at_holds_no_connection(visit: Visit, call: Caller) -> None:
    """A browser keeps six to a server: a seventh view of it would wait for ever."""
    looked_at = """hidden => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    with visit() as page:
        page.evaluate(looked_at, True)
        expect(page.locator(".connection")).to_have_text("Paused")
        call.pending()
        page.evaluate(looked_at, False)
        expect(page.locator(".connection")).to_have_text("Live")
        expect(rows(page)).to_have_count(1)


def test_a_link_works_once_and_its_secret_leaves_the_address(visit: Visit, api: DevServer) -> None:
    with visit(may_be_refused=True) as page:
        expect(page).to_have_url(f"{api.url}/#/runs")
        link = api.page_link()
        page.context.clear_cookies()
        page.goto(link)
        expect(page.locator(".connection")).to_have_text("Live")
        page.context.clear_cookies()
        page.goto("about:blank")
        page.goto(link)
        expect(page.get_by_role("heading", name="This page opens with a link")).to_be_visible()
        expect(page.get_by_text("prefactor-otel devserver --open")).to_be_visible()


ADDRESSES = (
    "#/nonsense",
    "#/run",
    "#/run/",
    "#/runs/1",
    "#/run/1/2",
    "#/run/1/span/",
    "runs",
    "run/1",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_of_nothing_leads_back(visit: Visit, call: Caller, address: str) -> None:
    call.pending()
    with visit(address, may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="nothing at this address")).to_be_visible()
        page.get_by_role("link", name="All runs").click()
        expect(rows(page)).to_have_count(1)
        expect(page.locator(".connection")).to_have_text("Live")


def test_a_filter_that_there_is_not_leads_back(visit: Visit, call: Caller) -> None:
    call.pending()
    with visit("#/runs?status=nonsense", may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="The runs cannot be read")).to_be_visible()
        page.get_by_role("link", name="Show all runs").click()
        expect(rows(page)).to_have_count(1)


def test_a_server_that_is_gone_is_told_and_looked_for(visit: Visit, api: DevServer) -> None:
    with visit(may_be_refused=True) as page:
        api.stop()
        expect(page.locator(".connection")).to_contain_text("Trying again")
        api.start()
        expect(page.locator(".connection")).to_have_text("Live")


WHAT_IS_SAID = """() => {
    window.said = [];
    const look = () => {
        const text = document.querySelector('.connection')?.textContent;
        if (text && text !== window.said.at(-1)) window.said.push(text);
    };
    new MutationObserver(look).observe(document, {
        subtree: true, childList: true, characterData: true });
}"""
NO_SESSION = "The running server has printed the next link"


def test_a_used_link_says_at_once_where_the_next_one_is(visit: Visit, api: DevServer) -> None:
    with visit(may_be_refused=True) as page:
        used = api.page_link()
        page.goto("about:blank")
        page.goto(used)
        expect(page.locator(".connection")).to_have_text("Live")
        page.context.clear_cookies()
        page.add_init_script(f"({WHAT_IS_SAID})()")
        page.goto("about:blank")
        page.goto(used)
        expect(page.get_by_text(NO_SESSION)).to_be_visible()
        assert page.evaluate("said") == ["Connecting"]


def test_a_server_that_began_anew_is_no_server_that_does_not_answer(
    visit: Visit, api: DevServer
) -> None:
    """It knows no session, but it answers, and has printed a link that opens one."""
    with visit(may_be_refused=True) as page:
        api.stop()
        expect(page.locator(".connection")).to_contain_text("Trying again")
        page.evaluate(WHAT_IS_SAID)
        port = urlsplit(api.url).port
        api.close()
        with DevServer(port=port or 0) as anew:
            expect(page.get_by_text(NO_SESSION)).to_be_visible()
            expect(page.get_by_text("does not answer")).to_have_count(0)
            assert page.evaluate("said") == []  # nothing else in between
            page.goto(anew.page_link())
            expect(page.locator(".connection")).to_have_text("Live")
