"""What a person does to a run on the page, and what becomes of it."""

import re
from dataclasses import dataclass
from itertools import repeat
from signal import SIGINT
from subprocess import PIPE, Popen

import pytest
from playwright.sync_api import Browser, expect

from prefactor_otel import PrefactorTerminatedError
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.devserver import DevServer
from tests.cli.command import COMMAND, clean
from tests.devserver.calls import Caller
from tests.page.agents import travel, working
from tests.page.browser import beside, visited
from tests.page.conftest import Visit
from tests.patience import PATIENCE

pytestmark = pytest.mark.xdist_group("page that steers")

DECLARED = {
    "external_identifier": "s3",
    "span_type_schemas": [{"name": "test:llm", "params_schema": {"type": "object"}}],
    "quality_schemas": [{"name": "helpful", "schema": {"type": "object"}}],
}


def test_terminate_stops_the_demos_agent_and_keeps_the_reason(visit: Visit, api: DevServer) -> None:
    stopped: list[str] = []

    def work_for_ever() -> None:
        with working(api) as tracer, tracer.start_as_current_span("for ever"):
            try:
                for pace in repeat(0.2):
                    TravelAgent(tracer, pace=pace).run(QUESTION)
            except PrefactorTerminatedError as error:
                stopped.append(str(error))

    with beside(work_for_ever), visit() as page:
        page.locator("a.run-row").click()
        page.get_by_role("button", name="Terminate").click()
        dialog = page.get_by_role("dialog", name="Terminate this run")
        dialog.get_by_role("button", name="Terminate").click()
        expect(dialog).to_be_visible()  # there is no reason yet
        dialog.get_by_label("Reason").fill("it runs in circles")
        dialog.get_by_role("button", name="Terminate").click()
        expect(dialog).to_have_count(0)
        expect(page.locator(".run-head .status")).to_have_text("terminated")
        expect(page.locator(".run-head .reason")).to_have_text("it runs in circles")
        expect(page.get_by_role("button", name="Terminate")).to_have_count(0)
    [run] = api.instances()
    assert (run["status"], run["termination_reason"]) == ("terminated", "it runs in circles")
    assert len(stopped) == 1 and "it runs in circles" in stopped[0]


@pytest.mark.parametrize("key", ["Enter", "Control+Enter", "Meta+Enter"])
def test_enter_sends_the_reason_as_it_is_meant(visit: Visit, call: Caller, key: str) -> None:
    """Without what stands around it, and with the lines that were asked for."""
    run = call.active()
    with visit(f"#/run/{run}") as page:
        page.get_by_role("button", name="Terminate").click()
        dialog = page.get_by_role("dialog", name="Terminate this run")
        page.keyboard.type("   ")
        page.keyboard.press(key)
        expect(dialog.get_by_role("alert")).to_contain_text("Say why")
        page.keyboard.type("in circles")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("and too dear ")
        page.keyboard.press(key)
        expect(dialog).to_have_count(0)
    assert call.get(f"/agent_instance/{run}").details["termination_reason"] == (
        "in circles\nand too dear"
    )


@dataclass(frozen=True)
class Demo:
    """The demo as a user starts it, for whom it prints a link."""

    url: str
    link: str

    def page_link(self) -> str:
        return self.link


def printed(process: "Popen[str]") -> Demo:
    assert process.stdout is not None
    link = next(filter(None, (re.search(r"(http://\S+?)/#secret=\S+", s) for s in process.stdout)))
    return Demo(link.group(1), link.group(0))


def test_the_demo_that_opens_the_page_can_be_stopped_on_it(browser: Browser) -> None:
    command = [*COMMAND, "demo", "--open"]
    with Popen(
        command, stdout=PIPE, stderr=PIPE, text=True, env=clean(PYTHONUNBUFFERED="1")
    ) as demo:
        try:
            with visited(browser, printed(demo)) as page:
                page.locator("a.run-row").click()
                page.get_by_role("button", name="Terminate").click()
                page.get_by_label("Reason").fill("seen enough")
                page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
                expect(page.locator(".run-head .reason")).to_have_text("seen enough")
                assert demo.stdout is not None
                told = next(line for line in demo.stdout if "spans acknowledged" in line)
                expect(page.locator(".waterfall [role=row]")).to_have_count(int(told.split()[0]))
                assert int(told.split()[0]) < 6  # all of them, had it gone on
        finally:
            demo.send_signal(SIGINT)
            _, errors = demo.communicate(timeout=PATIENCE)
    assert (demo.returncode, "Traceback" in errors) == (0, False)


def test_a_quality_is_recorded_and_shown(visit: Visit, call: Caller, api: DevServer) -> None:
    run = call.active(agent_schema_version=DECLARED)
    with visit(f"#/run/{run}") as page:
        page.get_by_role("button", name="Quality").click()
        dialog = page.get_by_role("dialog", name="Record a quality")
        dialog.get_by_label("Payload").fill("{nonsense")
        dialog.get_by_role("button", name="Record").click()
        expect(dialog.get_by_role("alert")).to_contain_text("not JSON")
        dialog.get_by_label("Payload").fill('{"score": 5}')
        dialog.get_by_role("button", name="Record").click()
        expect(page.locator(".chip.quality")).to_have_text("helpful: score 5")
    [shown] = api.instances()
    assert shown["quality_payloads"] == {"helpful": {"score": 5}}


def test_a_run_that_declares_no_quality_offers_none(visit: Visit, call: Caller) -> None:
    with visit(f"#/run/{call.active()}") as page:
        expect(page.get_by_role("button", name="Terminate")).to_be_visible()
        expect(page.get_by_role("button", name="Quality")).to_have_count(0)


def test_a_thumb_is_feedback_where_dashboards_look_for_it(visit: Visit, api: DevServer) -> None:
    with beside(lambda: None), working(api) as tracer, tracer.start_as_current_span("work"):
        assert api.wait_until(lambda server: server.spans())
        with visit() as page:
            page.locator("a.run-row").click()
            page.locator(".run-head").get_by_role("button", name="Good").click()
            page.get_by_label("Why").fill("to the point")
            page.get_by_role("button", name="Record").click()
            expect(page.locator(".waterfall .name", has_text="feedback")).to_be_visible()
    given = [span["payload"] for span in api.spans() if span["payload"]["name"] == "feedback"]
    [inputs] = [payload["inputs"] for payload in given]
    assert inputs == {"feedback": {"rating": "up", "comment": "to the point"}}


def test_a_thumb_for_a_run_that_is_over_is_a_quality(visit: Visit, api: DevServer) -> None:
    travel(api)
    [run] = api.instances()
    span = api.spans()[-1]["id"]
    with visit(f"#/run/{run['id']}/span/{span}", may_be_refused=True) as page:
        page.locator(".panel").get_by_role("button", name="Bad").click()
        page.get_by_role("button", name="Record").click()
        expect(page.locator(".chip.quality")).to_have_text(re.compile("feedback: rating down"))
    [run] = api.instances()
    assert run["quality_payload"] == {"feedback": {"rating": "down", "span_id": span}}
