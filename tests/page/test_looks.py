"""How it looks: both themes, both widths, for everybody; pictures are kept for people to see."""

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.page.agents import REVIEW, replay, travel
from tests.page.browser import NARROW, WIDE, kept
from tests.page.conftest import Visit

pytestmark = pytest.mark.xdist_group("looks of the page")

SIZES = {"wide": WIDE, "narrow": NARROW}
GROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 17, 21)"}
RECORDED = (
    "langchain__openinference_langchain__agent_tool_ok",
    "pydantic_ai__native_v5__tool_error",
    "openai__official_genai_openai_span_only__chat_tool_error",
)
TOO_WIDE = """[...document.querySelectorAll('html, main, dialog, .panel, .spans, .runs-list')]
    .filter(each => each.scrollWidth > each.clientWidth)
    .map(each => each.className || each.tagName)"""
LOOK = "async () => (await axe.run()).violations"
GRAVE = ("serious", "critical")


def complaints(page: Page) -> list[str]:
    """What axe finds that keeps people from using it."""
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text())
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes'][:3]]}"
        for each in page.evaluate(LOOK)
        if each["impact"] in GRAVE
    ]


def sound(page: Page, name: str) -> None:
    """Keep a picture; nothing is wider than the window, and everybody can use it."""
    kept(page, name)
    assert page.evaluate(TOO_WIDE) == [], name
    assert complaints(page) == [], name


@pytest.mark.parametrize("size", sorted(SIZES))
@pytest.mark.parametrize("theme", sorted(GROUNDS))
def test_every_view_is_legible(visit: Visit, api: DevServer, theme: str, size: str) -> None:
    replay(api, *RECORDED)
    travel(api)
    run = api.instances()[-1]["id"]
    llm = [s for s in api.spans(run) if s["schema_name"] == "otel:llm"][-1]["id"]
    tool = [s for s in api.spans(run) if s["schema_name"] == "otel:tool"][-1]["id"]
    with visit(size=SIZES[size], theme=theme) as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == GROUNDS[theme]
        expect(page.locator("a.run-row")).to_have_count(4)
        expect(page.locator(".run-agent").first).to_have_text("travel-agent")
        sound(page, f"runs-{size}-{theme}")
        failed = next(run["id"] for run in api.instances() if run["status"] == "failed")
        page.goto(f"{api.url}/#/run/{failed}")
        expect(page.locator(".run-head .said.is-failed")).to_be_visible()
        page.keyboard.press("c")
        expect(page.locator(".failed-below")).to_be_visible()
        sound(page, f"failed-{size}-{theme}")
        page.goto(f"{api.url}/#/run/{run}")
        expect(page.locator(".waterfall .name")).to_have_count(6)
        sound(page, f"run-{size}-{theme}")
        page.goto(f"{api.url}/#/run/{run}/span/{llm}")
        expect(page.locator(".call")).to_have_count(2)
        sound(page, f"call-{size}-{theme}")
        page.goto(f"{api.url}/#/run/{run}/span/{tool}")
        expect(page.locator(".failure")).to_be_visible()
        sound(page, f"error-{size}-{theme}")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        sound(page, f"keys-{size}-{theme}")


@pytest.mark.parametrize(("theme", "size"), [("light", "wide"), ("dark", "narrow")])
def test_what_stands_for_what_is_not_there_is_legible(
    visit: Visit, call: Caller, theme: str, size: str
) -> None:
    with visit(size=SIZES[size], theme=theme, may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
        sound(page, f"no-runs-{size}-{theme}")
        types = {"span_schemas": {"test:llm": {"type": "object"}}, "quality_schemas": [REVIEW]}
        version = {"external_identifier": "s3"} | types
        run = call.active(purpose="eval", agent_schema_version=version)
        page.locator("a.run-row").click()
        expect(page.get_by_role("heading", name="No spans yet")).to_be_visible()
        sound(page, f"no-spans-{size}-{theme}")
        page.get_by_role("button", name="Terminate").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        sound(page, f"terminate-{size}-{theme}")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Quality").click()
        page.get_by_role("button", name="Record").click()
        expect(page.get_by_role("dialog").get_by_role("alert")).not_to_have_count(0)
        sound(page, f"quality-{size}-{theme}")
        page.keyboard.press("Escape")
        call.terminate(run, reason="it asked the same tool for the same city again and again")
        expect(page.locator(".run-head .reason")).to_be_visible()
        sound(page, f"terminated-{size}-{theme}")
        page.goto(f"{call.server.url}/#/nonsense")
        expect(page.get_by_role("heading", name="nothing at this address")).to_be_visible()
        sound(page, f"nowhere-{size}-{theme}")
        page.context.clear_cookies()
        page.goto(f"{call.server.url}/#/runs")
        page.reload()
        expect(page.get_by_role("heading", name="This page opens with a link")).to_be_visible()
        sound(page, f"no-session-{size}-{theme}")
