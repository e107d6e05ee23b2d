"""What a person does to a run on the page, and what becomes of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from signal import SIGINT
from subprocess import PIPE, Popen
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from prefactor_otel import PrefactorTerminatedError
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.devserver import DevServer
from prefactor_otel.devserver.faults import Fault
from tests.cli.command import COMMAND, clean
from tests.devserver.calls import Caller
from tests.page.agents import REVIEW, travel, working
from tests.page.browser import beside, visited
from tests.page.conftest import Visit
from tests.patience import PATIENCE

pytestmark = pytest.mark.xdist_group("page that steers")

DECLARED = {
    "external_identifier": "s3",
    "span_type_schemas": [{"name": "test:llm", "params_schema": {"type": "object"}}],
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


FREE: dict[str, Any] = {"name": "free", "schema": {"type": "object", "required": ["score"]}}


@pytest.fixture
def judged(visit: Visit, call: Caller) -> Iterator[tuple[str, Page]]:
    """A run that has declared qualities, and its page with the form for them."""
    run = call.active(agent_schema_version=DECLARED | {"quality_schemas": [REVIEW, FREE]})
    with visit(f"#/run/{run}", may_be_refused=True) as page:
        page.get_by_role("button", name="Quality").click()
        yield run, page


def recorded(call: Caller, run: str) -> Any:
    return call.get(f"/agent_instance/{run}").details["quality_payloads"]


def test_a_quality_is_filled_in_as_it_is_declared(judged: tuple[str, Page], call: Caller) -> None:
    run, page = judged
    dialog = page.get_by_role("dialog", name="Record a quality")
    expect(dialog.get_by_label("Quality")).to_have_text(re.compile("Review by a person"))
    expect(dialog).to_contain_text("What the desk looks at.")
    expect(dialog.get_by_label("score")).to_have_accessible_description("5 is best.")
    dialog.get_by_label("score").fill("4")
    dialog.get_by_label("Tone of voice").select_option("warm")
    dialog.get_by_label("is_polite").select_option("no")
    dialog.get_by_label("labels").fill('["quick"]')
    dialog.get_by_role("button", name="Record").click()
    expect(page.locator(".chip.quality")).to_have_text("review: score 4 \N{HORIZONTAL ELLIPSIS}")
    before = {"score": 4, "tone": "warm", "is_polite": False, "labels": ["quick"]}
    assert recorded(call, run) == {"review": before}
    page.get_by_role("button", name="Quality").click()
    expect(dialog.get_by_label("score")).to_have_value("4")
    expect(dialog.get_by_label("is_polite")).to_have_value("false")
    dialog.get_by_label("share").fill("0.25")
    dialog.get_by_label("share").press("Enter")
    expect(dialog).to_have_count(0)
    assert recorded(call, run) == {"review": before | {"share": 0.25}}
    page.get_by_role("button", name="Quality").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.locator(".chip.quality")).to_have_count(0)
    assert recorded(call, run) == {}


def test_what_is_wrong_is_said_beside_its_field(judged: tuple[str, Page], call: Caller) -> None:
    run, page = judged
    dialog = page.get_by_role("dialog", name="Record a quality")
    dialog.get_by_label("score").fill("six")
    dialog.get_by_label("comment").fill("x" * 21)
    dialog.get_by_label("labels").fill("[1")
    dialog.get_by_role("button", name="Record").click()
    labels = dialog.get_by_label("labels")
    expect(labels).to_have_accessible_description(re.compile("is not JSON"))
    labels.fill("[1]")
    dialog.get_by_role("button", name="Record").click()
    said = {
        "score": "must be a whole number",
        "Tone of voice": "is required",
        "is_polite": "is required",
        "share": "",
        "comment": "must have 20 characters or fewer",
        "labels": "0 must be a text",
    }
    for label, fault in said.items():
        field = dialog.get_by_label(label)
        expect(field).to_have_accessible_description(fault)
        expect(field).to_have_attribute("aria-invalid", str(bool(fault)).lower())
    expect(dialog.get_by_label("comment")).to_have_value("x" * 21)  # what was written stays
    expect(dialog.get_by_label("score")).to_be_focused()
    dialog.get_by_label("score").fill("6")
    dialog.get_by_role("button", name="Record").click()
    expect(dialog.get_by_label("score")).to_have_accessible_description("must be at most 5")
    assert recorded(call, run) == {}


def test_what_no_form_can_say_is_said_in_json(judged: tuple[str, Page], call: Caller) -> None:
    run, page = judged
    dialog = page.get_by_role("dialog", name="Record a quality")
    payload = dialog.get_by_label("Payload")
    dialog.get_by_label("Quality").select_option("free")
    for text, fault in (("{nonsense", "not JSON"), ("[1]", "an object"), ("{}", "score is req")):
        payload.fill(text)
        dialog.get_by_role("button", name="Record").click()
        expect(payload).to_have_accessible_description(re.compile(fault))
    payload.fill('{"score": {"any": [5]}}')
    dialog.get_by_role("button", name="Record").click()
    expect(dialog).to_have_count(0)
    assert recorded(call, run) == {"free": {"score": {"any": [5]}}}


def test_a_form_and_its_json_are_one_payload(judged: tuple[str, Page], call: Caller) -> None:
    """What a field cannot hold is kept while others are filled."""
    run, page = judged
    dialog = page.get_by_role("dialog", name="Record a quality")
    dialog.get_by_label("score").fill("3")
    dialog.get_by_role("button", name="As JSON").click()
    payload = dialog.get_by_label("Payload")
    expect(payload).to_have_value(re.compile(r'"score": 3'))
    whole = {"score": 3, "tone": "cold", "is_polite": True, "by": {"desk": 7}}
    payload.fill(json.dumps(whole))
    dialog.get_by_role("button", name="As a form").click()
    expect(dialog.get_by_label("Tone of voice")).to_have_value('"cold"')
    dialog.get_by_label("score").fill("2")
    dialog.get_by_role("button", name="Record").click()
    expect(dialog).to_have_count(0)
    assert recorded(call, run) == {"review": whole | {"score": 2}}


ODD_SCHEMAS: dict[str, dict[str, Any]] = {
    "a type of no object": {"type": "integer"},
    "a reference to itself": {"$ref": "#"},
    "a reference to nothing": {"$ref": "#/$defs/none", "properties": {"score": True}},
    "keywords that are none": {
        "properties": {"score": {"minimum": "x", "enum": 5, "type": "colour"}},
        "required": 7,
    },
    "names of every object": {"properties": {"score": {}, "constructor": {"type": "string"}}},
    "no schema of a field": {"properties": {"score": None, "toString": []}},
}


@pytest.mark.parametrize("schema", ODD_SCHEMAS.values(), ids=list(ODD_SCHEMAS))
def test_any_schema_can_be_recorded(visit: Visit, call: Caller, schema: dict[str, Any]) -> None:
    quality = {"name": "odd", "schema": schema}
    run = call.active(agent_schema_version=DECLARED | {"quality_schemas": [quality]})
    with visit(f"#/run/{run}") as page:
        page.get_by_role("button", name="Quality").click()
        dialog = page.get_by_role("dialog")
        if "properties" in schema:
            dialog.get_by_role("button", name="As JSON").click()
        dialog.get_by_label("Payload").fill('{"score": 5}')
        dialog.get_by_role("button", name="Record").click()
        expect(page.locator(".chip.quality")).to_have_text("odd: score 5")
    assert recorded(call, run) == {"odd": {"score": 5}}


def test_what_the_server_refuses_is_said_beside_its_field(
    judged: tuple[str, Page], api: DevServer
) -> None:
    """Who knows more than the form does may refuse a value."""
    _, page = judged
    dialog = page.get_by_role("dialog", name="Record a quality")
    dialog.get_by_label("score").fill("4")
    dialog.get_by_label("Tone of voice").select_option("warm")
    dialog.get_by_label("is_polite").select_option("no")
    refusal = {
        "status": "error",
        "code": "validation_errors",
        "message": "Invalid",
        "errors": {"payload.score": ["is more than the desk gives"]},
    }
    api.faults.add(Fault(path="record_quality", status=422, body=json.dumps(refusal)))
    dialog.get_by_role("button", name="Record").click()
    told = dialog.get_by_label("score")
    expect(told).to_have_accessible_description("is more than the desk gives")


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
