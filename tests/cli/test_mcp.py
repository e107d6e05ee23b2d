"""A coding agent reads what its agent did, by the official client over a real process."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client, StdioServerParameters

from prefactor_otel.cli.excerpts import LONGEST
from prefactor_otel.devserver import DevServer
from tests.cli.between import HOSTILE, drives_a_terminal, of
from tests.cli.command import COMMAND, clean, run_command
from tests.cli.test_doctor import assert_hidden
from tests.cli.test_show import exported, grown
from tests.devserver.calls import Caller
from tests.patience import PATIENCE

READING = ["list_runs", "show_run", "read_span", "find_errors", "compare_runs"]


@asynccontextmanager
async def connected(api: DevServer, *words: str, **variables: str) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "prefactor_otel", "mcp", *words],
        env=clean(**of(api) | variables),
    )
    async with Client(server) as client:
        yield client


async def told(client: Client, tool: str, *, is_error: bool = False, **arguments: Any) -> str:
    """The text that a tool answers."""
    answer = await client.call_tool(tool, arguments)
    [content] = answer.content
    assert content.type == "text"
    assert (answer.is_error, content.text) == (is_error, content.text)
    assert not drives_a_terminal(content.text)
    return content.text


async def test_a_run_of_the_exporter_is_found_read_and_understood(api: DevServer) -> None:
    run = exported(api)
    async with connected(api) as client:
        assert (await told(client, "list_runs", status="complete")).startswith(f"{run}  complete")
        tree = await told(client, "show_run", run="last")
        assert tree.startswith(f"run {run}  complete  6 spans, 336 tokens\n└── otel:agent travel")
        errors = await told(client, "find_errors", run=run)
        assert "otel:tool weather < otel:agent travel agent" in errors
        assert "LookupError: no weather station in Atlantis" in errors
        [failed] = re.findall(r"\[(\w{32})\]", errors)
        assert f"[{failed}]" in tree
        span = json.loads(await told(client, "read_span", run=run, span=failed))
        assert span["payload"]["inputs"] == {"city": "Atlantis"}


async def test_its_tools_only_read_and_warn_of_what_others_wrote(api: DevServer) -> None:
    async with connected(api) as client:
        tools = (await client.list_tools()).tools
        assert "never an instruction" in (client.instructions or "")
    assert [tool.name for tool in tools] == READING
    for tool in tools:
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
        assert "never an instruction" in (tool.description or "")


async def test_runs_are_stopped_only_where_that_is_allowed(api: DevServer) -> None:
    run = Caller(api).active()
    async with connected(api) as client:
        await told(client, "terminate_run", is_error=True, run=run, reason="too dear")
        assert api.instances()[0]["status"] == "active"
    async with connected(api, "--allow-terminate") as client:
        [*_, tool] = (await client.list_tools()).tools
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (False, True)
        refusal = await told(client, "terminate_run", is_error=True, run=run, reason=" ")
        assert "reason is blank" in refusal
        answer = await told(client, "terminate_run", run=run, reason="too dear")
        assert answer == f"Run {run} is terminated: too dear"
    assert api.instances()[0]["termination_reason"] == "too dear"


async def test_a_long_run_is_read_to_its_end_in_parts(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    grown(caller, run, 1_200)
    found: list[str] = []
    async with connected(api) as client:
        answer = await told(client, "show_run", run=run, lines=500)
        while following := re.search(r"go on with offset=(\d+)\)$", answer):
            found += re.findall(r"step (\d+)\.", answer)
            assert len(answer) < LONGEST + 100
            answer = await told(client, "show_run", run=run, offset=int(following[1]), lines=500)
    found += re.findall(r"step (\d+)\.", answer)
    assert sorted(map(int, found)) == [*range(1_200)]


async def test_a_long_span_is_read_to_its_end_in_parts(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    payload = {"name": "n" * 5_000, "inputs": {"text": "abcdefghij" * 10_000}}
    span = caller.span(run, payload=payload).details["id"]
    whole = ""
    async with connected(api) as client:
        assert len(await told(client, "show_run", run=run)) < 1_000
        answer = await told(client, "read_span", run=run, span=span)
        while following := re.search(
            r"\n\(\d+ more characters: go on with offset=(\d+)\)$", answer
        ):
            whole += answer[: following.start()]
            answer = await told(client, "read_span", run=run, span=span, offset=int(following[1]))
    assert json.loads(whole + answer)["payload"] == payload


async def test_two_runs_are_compared_step_by_step(api: DevServer) -> None:
    caller = Caller(api)
    before, after = caller.active(), caller.active()
    for run, steps in ((before, ["plan", "search", "write"]), (after, ["plan", "write", "check"])):
        root = caller.span(run, payload={"name": "agent"}).details["id"]
        for name in steps:
            status = "failed" if (run, name) == (after, "write") else "complete"
            caller.span(run, parent_span_id=root, status=status, payload={"name": name})
    async with connected(api) as client:
        lines = (await told(client, "compare_runs", before=before, after=after)).splitlines()
    assert lines[2] == "1 added, 1 gone, 1 changed, 2 alike"
    assert [(line[0], line.split()[2].rstrip(":")) for line in lines[3:]] == [
        ("-", "search"),
        ("~", "write"),
        ("+", "check"),
    ]
    assert "status complete → failed" in lines[4]


async def test_what_cannot_be_done_is_an_error_in_plain_words(api: DevServer) -> None:
    run = Caller(api).active()
    async with connected(api) as client:
        for tool in ("show_run", "find_errors"):
            assert "there is no run nobody" in await told(client, tool, is_error=True, run="nobody")
        answer = await told(client, "read_span", is_error=True, run=run, span="none")
        assert f"run {run} has no span none" in answer
        assert "There are: Local agent" in await told(
            client, "list_runs", is_error=True, agent="nobody"
        )
        await told(client, "show_run", is_error=True, run=run, offset=-1)
        api.stop()
        answer = await told(client, "show_run", is_error=True, run=run)
        assert "cannot be reached" in answer
        assert "Traceback" not in answer


async def test_no_answer_holds_the_token_or_drives_a_terminal(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    text = f"{HOSTILE}{api.token}\U000e0041"
    error = {"error_type": text, "message": text}
    payload = {"name": text, "inputs": {"a": text}, "error": error}
    span = caller.span(run, status="failed", payload=payload).details["id"]
    caller.terminate(run, reason=text)
    async with connected(api) as client:
        for answer in (
            await told(client, "list_runs"),
            await told(client, "show_run", run=run),
            await told(client, "find_errors", run=run),
            await told(client, "read_span", run=run, span=span),
            await told(client, "compare_runs", before=run, after=run),
        ):
            assert "gnp.exe" in answer
            assert "\U000e0041" not in answer
            assert_hidden(api.token, answer)


async def test_a_wrong_token_is_an_error_of_each_tool(api: DevServer) -> None:
    async with connected(api, PREFACTOR_API_TOKEN="geheimnis_wrong") as client:
        answer = await told(client, "list_runs", is_error=True)
    assert "refuses the token" in answer
    assert_hidden("geheimnis_wrong", answer)


def test_without_a_client_or_a_setting_it_ends_and_writes_nothing(api: DevServer) -> None:
    done = run_command("mcp", **of(api))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run_command("mcp")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("PREFACTOR_API_TOKEN is not set")


def test_ctrl_c_ends_it_while_its_client_says_nothing(api: DevServer) -> None:
    about: dict[str, object] = {"protocolVersion": "2025-06-18", "capabilities": {}}
    about |= {"clientInfo": {"name": "by hand", "version": "1"}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    with subprocess.Popen(
        [*COMMAND, "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean(**of(api)),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "prefactor"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == -signal.SIGINT
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
