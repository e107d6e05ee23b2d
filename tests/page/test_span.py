"""A span: what it says as a conversation, what it carries, and that all of it stays text."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.page.agents import replay, travel
from tests.page.conftest import Visit

pytestmark = pytest.mark.xdist_group("page of a span")

MEGABYTE = 2**20
MARKUP = "<img src=x onerror=\"alert('img')\"><script>alert('script')</script>"
LINK = "javascript:alert('link')"
REVERSED = "\u202egnp.exe\u2066"
HOSTILE = f"{MARKUP} {LINK} {REVERSED} \x00\x1b[31m {{{{7*7}}}} ${{7*7}}"


def address(api: DevServer, number: int) -> str:
    """The view of the span that came as that one."""
    span = api.spans()[number]
    return f"#/run/{span['agent_instance_id']}/span/{span['id']}"


def made(call: Caller, **fields: Any) -> str:
    """The view of a new span in a run of its own."""
    run = call.active()
    span = call.span(run, **fields).details
    return f"#/run/{run}/span/{span['id']}"


def panel(page: Page) -> Any:
    return page.locator(".panel")


def test_messages_are_a_conversation_with_results_beside_calls(
    visit: Visit, api: DevServer
) -> None:
    replay(api, "langchain__openinference_langchain__agent_tool_ok")
    last_call = [n for n, span in enumerate(api.spans()) if span["schema_name"] == "otel:llm"][-1]
    with visit(address(api, last_call)) as page:
        roles = page.locator(".message > header b")
        expect(roles).to_have_text(["system", "user", "assistant", "assistant"])
        tool = page.locator(".call")
        expect(tool).to_contain_text("get_weather")
        expect(tool.locator(".call-sides > div").first).to_contain_text("Paris")
        expect(tool.locator(".call-sides > div").last).to_contain_text("sunny, 21C")
        expect(page.locator(".message").last).to_contain_text("It is sunny, 21C in Paris.")
        expect(page.locator(".usage")).to_contain_text(re.compile("of it cached.*64"))
        expect(page.locator(".facts")).to_contain_text("gpt-4o-mini")


def test_a_call_leads_to_the_span_that_carried_it_out(visit: Visit, api: DevServer) -> None:
    travel(api)
    calls = [span for span in api.spans() if span["schema_name"] == "otel:llm"]
    first = min(calls, key=lambda span: str(span["started_at"]))
    with visit(f"#/run/{first['agent_instance_id']}/span/{first['id']}") as page:
        page.locator(".call").get_by_role("button", name="ran").click()
        expect(panel(page).locator("h2")).to_have_text("weather")
        expect(panel(page)).to_contain_text("sunny, 21 degrees")


def test_tokens_are_told_before_the_conversation(visit: Visit, call: Caller) -> None:
    usage = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234}
    payload = {"name": "chat", "token_usage": usage}
    with visit(made(call, payload=payload)) as page:
        expect(page.locator(".panel-facts")).to_contain_text("1,200 in, 34 out")


def test_long_instructions_leave_room_for_what_was_asked(visit: Visit, call: Caller) -> None:
    told = "You answer about weather.\n" * 100
    messages = [{"role": "system", "content": told}, {"role": "user", "content": "And in Paris?"}]
    payload = {"name": "chat", "inputs": {"messages": messages}}
    with visit(made(call, payload=payload)) as page:
        expect(page.get_by_text("And in Paris?").last).to_be_in_viewport()
        page.get_by_role("button", name="Show all 2,600 characters").click()
        expect(page.locator(".from-system .text")).to_have_text(told)


def test_reasoning_is_folded(visit: Visit, call: Caller) -> None:
    answer = [{"role": "assistant", "content": "42", "reasoning": "six by nine"}]
    payload = {"name": "chat", "outputs": {"messages": answer}}
    with visit(made(call, payload=payload)) as page:
        expect(page.locator(".message")).to_contain_text("42")
        expect(page.get_by_text("six by nine")).to_have_count(0)
        page.get_by_text("Reasoning").click()
        expect(page.get_by_text("six by nine")).to_be_visible()


SHAPES: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a":2}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "four"},
    ],
    "anthropic": [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "add", "input": {"a": 2}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "1", "content": "four"}],
        },
    ],
    "genai": [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "add", "arguments": {"a": 2}}],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "1", "response": "four"}],
        },
    ],
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_other_vocabularies_are_conversations_as_well(
    visit: Visit, call: Caller, shape: str
) -> None:
    payload = {"name": "chat", "inputs": {"messages": SHAPES[shape]}}
    with visit(made(call, payload=payload)) as page:
        expect(page.locator(".message")).to_have_count(1)
        sides = page.locator(".call-sides > div")
        expect(sides.first).to_contain_text(re.compile("a: *2"))
        expect(sides.last).to_contain_text("four")


ODD: dict[str, Any] = {
    "a list": [1, [2, [3, None]]],
    "a message without a role": {"messages": [{"content": "?"}]},
    "a role that is an object": {"messages": [{"role": {"x": 1}, "content": "?"}]},
    "a number": 7,
    "calls that are none": {"messages": [{"role": "assistant", "tool_calls": [1, None, "x"]}]},
    "content of another kind": {"messages": [{"role": "user", "content": {"deep": {"er": 1}}}]},
    "names of the language": {"constructor": 1, "__proto__": {"x": 2}, "toString": None},
}


@pytest.mark.parametrize("kind", sorted(ODD))
def test_unknown_shapes_are_shown_as_they_are(visit: Visit, call: Caller, kind: str) -> None:
    payload = {"name": kind, "inputs": ODD[kind], "token_usage": "many", "error": 3}
    payload |= {"metadata": [1], "extra": {"field": True}}
    with visit(made(call, payload=payload)) as page:
        expect(panel(page).locator("h2")).to_have_text(kind)
        expect(page.get_by_text("has a shape that the page does not know")).to_have_count(0)
        page.get_by_text("Raw", exact=True).click()
        expect(panel(page)).to_contain_text("extra")


def test_an_error_shows_its_stack_and_its_type(visit: Visit, api: DevServer) -> None:
    replay(api, "langchain__openinference_langchain__agent_tool_error")
    failed = next(n for n, span in enumerate(api.spans()) if span["schema_name"] == "otel:tool")
    with visit(address(api, failed)) as page:
        error = page.locator(".failure")
        expect(error.locator("h3").first).to_have_text("ValueError")
        expect(error).to_contain_text("no such city: Atlantis")
        error.get_by_text("Stack trace").click()
        expect(error.locator(".code")).to_contain_text("Traceback (most recent call last)")


def test_why_a_span_looks_so_is_told(visit: Visit, api: DevServer) -> None:
    travel(api)
    tool = next(n for n, span in enumerate(api.spans()) if span["schema_name"] == "otel:tool")
    with visit(address(api, tool)) as page:
        page.get_by_text("Why is this here").click()
        expect(page.locator(".why > div").first).to_be_visible()
        expect(page.locator(".why")).to_contain_text("gen_ai.")


def test_what_differs_from_its_type_is_told(visit: Visit, call: Caller) -> None:
    with visit(made(call, payload={"name": 7})) as page:
        expect(page.locator(".mismatches")).to_contain_text("payload.name: is not of type string")
        expect(page.get_by_label("Not as its type declares")).to_be_visible()


def test_a_value_and_the_link_are_copied(visit: Visit, call: Caller) -> None:
    view = made(call, payload={"name": "chat", "inputs": {"knob": {"turn": [1, "two"]}}})
    with visit(view) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator(".json").first.hover()
        page.locator(".json > .copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert json.loads(copied) == {"knob": {"turn": [1, "two"]}}
        page.get_by_role("button", name="Copy link").click()
        expect(page.locator(".panel-head").get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()").endswith(view)


def test_a_text_that_holds_json_is_read_as_that(visit: Visit, call: Caller) -> None:
    payload = {"name": "chat", "inputs": {"given": {"body": '{"city": "Paris"}'}}}
    with visit(made(call, payload=payload)) as page:
        page.get_by_role("button", name="as JSON").click()
        expect(page.locator(".json-key", has_text="city")).to_be_visible()
        page.get_by_role("button", name="as text").click()
        expect(page.locator(".json-key", has_text="city")).to_have_count(0)


def hostile_payload() -> dict[str, Any]:
    call = {"id": HOSTILE, "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}
    messages = [
        {"role": HOSTILE, "content": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE},
        {"role": "assistant", "content": [{"type": "text", "text": HOSTILE}], "reasoning": HOSTILE},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": HOSTILE, "content": HOSTILE},
    ]
    error = {"error_type": HOSTILE, "message": HOSTILE, "stacktrace": HOSTILE}
    return {
        "name": HOSTILE,
        "inputs": {"system": HOSTILE, "messages": messages, "model": HOSTILE, "tools": [HOSTILE]},
        "outputs": {"content": HOSTILE, "stop_reason": HOSTILE},
        "token_usage": {HOSTILE: HOSTILE, "prompt_tokens": HOSTILE, "total_tokens": -1},
        "error": error,
        "metadata": {HOSTILE: {HOSTILE: [HOSTILE]}, "usage_details": {HOSTILE: 1}},
    }


def test_hostile_content_is_text_in_every_field(visit: Visit, call: Caller) -> None:
    """No script runs, no picture is fetched, and no control moves what stands beside it: the page
    is watched for all of these (``visited``)."""
    run = call.active(purpose="live", agent_version={"external_identifier": "v", "name": HOSTILE})
    schema = {"status": "failed", "payload": hostile_payload()}
    span = call.span(run, **schema).details["id"]
    call("PUT", f"/agent_instance/{run}", {"details": {"quality_payload": {HOSTILE: HOSTILE}}})
    alert = {"agent_instance_id": run, "name": HOSTILE[:200], "severity": "error"}
    assert call("POST", "/alerts/raise", alert | {"payload": {HOSTILE: HOSTILE}}).status == 200
    call.terminate(run, reason=HOSTILE)
    with visit() as page:
        expect(page.locator("a.run-row")).to_contain_text("terminated")
        page.goto(f"{call.server.url}/#/run/{run}/span/{span}")
        expect(page.locator(".message")).to_have_count(5)
        for summary in page.locator(".panel summary").all():
            summary.click()
        page.locator(".fold", has_text="Raw").last.locator("summary").first.click()
        text = page.locator("#app").inner_text()
        assert "<script>alert('script')</script>" in text and "\\u202egnp.exe" in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)
        assert page.locator("#app img").count() == 1  # ours
        assert page.locator("#app script").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0


def test_a_megabyte_is_shown_as_far_as_it_is_asked_for(visit: Visit, call: Caller) -> None:
    messages = [{"role": "user", "content": "x" * MEGABYTE}]
    payload = {"name": "y" * MEGABYTE, "inputs": {"messages": messages, "blob": "z" * MEGABYTE}}
    with visit(made(call, payload=payload)) as page:
        expect(page.locator(".message")).to_be_visible()
        assert len(page.locator("#app").inner_text()) < 20_000
        page.get_by_role("button", name="Show all 1.05M characters").first.click()
        expect(page.locator(".message .text")).to_have_text(re.compile(f"x{{{MEGABYTE}}}"))


def test_deep_and_long_json_opens_step_by_step(visit: Visit, call: Caller) -> None:
    deep: Any = "the bottom"
    for level in range(120):
        deep = {f"level {level}": deep}
    payload = {"name": "chat", "inputs": {"deep": deep, "long": list(range(5_000))}}
    with visit(made(call, payload=payload)) as page:
        expect(page.locator(".json").first).to_contain_text("level 119")
        assert page.locator(".json li").count() < 200
        page.locator(".json summary", has_text="long").click()
        expect(page.locator(".json li", has_text=re.compile("^99:"))).to_be_visible()
        page.get_by_role("button", name="4,900 more").click()
        expect(page.locator(".json li", has_text=re.compile("^199:"))).to_be_visible()


def test_arrows_scroll_the_panel_that_has_the_focus(visit: Visit, call: Caller) -> None:
    payload = {"name": "long", "inputs": {"lines": "line\n" * 500}}
    with visit(made(call, payload=payload)) as page:
        panel(page).locator(".panel-body").click(position={"x": 5, "y": 200})
        page.keyboard.press("End")
        expect(page.get_by_text("Raw", exact=True)).to_be_in_viewport()
        expect(panel(page).locator("h2")).to_have_text("long")


def test_a_span_that_is_not_there_says_so(visit: Visit, call: Caller) -> None:
    run = call.active()
    with visit(f"#/run/{run}/span/{call.own_id()}", may_be_refused=True) as page:
        expect(page.get_by_role("heading", name="There is no such span")).to_be_visible()
        page.get_by_role("button", name="Close the span").click()
        expect(panel(page)).to_have_count(0)
