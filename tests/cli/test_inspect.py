"""``inspect`` shows what spans would become, from every format that people have them in."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from tests.cli.command import clean, run_command, run_in_terminal
from tests.recorded import FOLDER

RECORDED = FOLDER / "pydantic_ai__native_default__tool_ok.json"
EXPLAINED = FOLDER / "openai__official_openai_v2_latest_spanonly__chat_image_input.json"
PAGE = Path(__file__).parents[2].joinpath("docs", "command-line.md").read_text()

OTLP = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "clerk"}}]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "by.hand", "version": "1.2"},
                    "spans": [
                        {
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "spanId": "00f067aa0ba902b7",
                            "parentSpanId": "b7ad6b7169203331",
                            "flags": 0x301,
                            "name": "execute_tool get_weather",
                            "kind": 3,
                            "startTimeUnixNano": "1795496822973305352",
                            "endTimeUnixNano": "1795496822980386735",
                            "attributes": [
                                {
                                    "key": "gen_ai.operation.name",
                                    "value": {"stringValue": "execute_tool"},
                                },
                                {
                                    "key": "gen_ai.tool.name",
                                    "value": {"stringValue": "get_weather"},
                                },
                                {
                                    "key": "gen_ai.tool.call.arguments",
                                    "value": {
                                        "kvlistValue": {
                                            "values": [
                                                {"key": "days", "value": {"intValue": "3"}},
                                                {
                                                    "key": "cities",
                                                    "value": {
                                                        "arrayValue": {
                                                            "values": [{"stringValue": "Paris"}]
                                                        }
                                                    },
                                                },
                                            ]
                                        }
                                    },
                                },
                                {"key": "nothing", "value": {}},
                                {"key": "share", "value": {"doubleValue": 0.5}},
                                {"key": "raw", "value": {"bytesValue": "AAE="}},
                                {"key": "cached", "value": {"boolValue": False}},
                            ],
                            "events": [
                                {
                                    "name": "exception",
                                    "timeUnixNano": "1795496822980000000",
                                    "attributes": [
                                        {
                                            "key": "exception.type",
                                            "value": {"stringValue": "KeyError"},
                                        }
                                    ],
                                }
                            ],
                            "links": [{"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "2"}],
                            "status": {"code": 2, "message": "no such city"},
                        }
                    ],
                }
            ],
        }
    ]
}


LINES = json.dumps(OTLP, indent=1).splitlines()


def inspected(*arguments: str, text: str | None = None) -> list[dict[str, Any]]:
    done = run_command("inspect", "--json", *arguments, text=text)
    assert (done.returncode, done.stderr) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_recorded_run_becomes_its_tree() -> None:
    rows = inspected(str(RECORDED))
    [root] = [row for row in rows if row["parent_span_id"] is None]
    assert (root["schema_name"], root["payload"]["name"]) == ("otel:agent", "weather_agent")
    steps = [row["payload"]["name"] for row in rows if row["parent_span_id"] == root["id"]]
    assert steps == ["chat gpt-4o-mini", "get_weather", "chat gpt-4o-mini"]


def test_the_picture_names_every_step_with_its_tokens() -> None:
    done = run_command("inspect", str(RECORDED))
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 spans become 4 agent spans" in done.stdout
    assert done.stdout.count("120 → 30 tokens") == 2
    assert '"city": "Paris"' not in done.stdout
    assert '"city": "Paris"' in run_command("inspect", "--payloads", str(RECORDED)).stdout


def test_the_page_shows_what_is_printed() -> None:
    assert f"```\n{run_command('inspect', str(RECORDED)).stdout}```\n" in PAGE
    reasons = run_command("inspect", "--why", str(EXPLAINED), COLUMNS="200").stdout.splitlines()
    shown = "\n".join([*reasons[1:-1], "    └── metadata ← "])
    assert len(reasons) == 10
    assert shown in PAGE


def test_otlp_values_are_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text(json.dumps(OTLP) + "\n" + json.dumps({"resourceSpans": []}) + "\n")
    [row] = inspected(str(file))
    payload = row["payload"]
    assert (row["schema_name"], row["status"]) == ("otel:tool", "failed")
    assert payload["inputs"] == {"days": 3, "cities": ["Paris"]}
    assert payload["parent_span_id"] == "b7ad6b7169203331"
    assert payload["error"]["error_type"] == "KeyError"
    assert payload["error"]["message"] == "no such city"
    metadata = payload["metadata"]
    assert (metadata["share"], metadata["cached"], metadata["kind"]) == (0.5, False, "client")
    assert metadata["scope"] == {"name": "by.hand", "version": "1.2"}
    assert metadata["resource"] == {"service.name": "clerk"}
    assert metadata["links"][0]["span_id"] == "0" * 15 + "2"
    assert row["started_at"] == "2026-11-24T05:07:02.973305Z"


def test_what_the_console_exporter_prints_can_be_piped_in(tmp_path: Path) -> None:
    file = tmp_path / "printed"
    with file.open("w") as out:
        provider = TracerProvider(
            resource=Resource({"service.name": "clerk"}), shutdown_on_exit=False
        )
        provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
        tracer = provider.get_tracer("by hand")
        with tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER) as outer:
            outer.set_attribute("session.id", "s1")
            with pytest.raises(LookupError), tracer.start_as_current_span("inner"):
                raise LookupError("no station")
    outer_row, inner_row = inspected("-", text=file.read_text())
    assert inner_row["parent_span_id"] == outer_row["id"]
    assert inner_row["payload"]["error"]["error_type"] == "LookupError"
    assert outer_row["payload"]["metadata"]["session_id"] == "s1"
    assert outer_row["payload"]["metadata"]["kind"] == "server"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no span in it"),
        ("\n{}\n{}", "line 2: it holds no spans"),
        ("prompt: my secret", "not JSON at line 1"),
        (json.dumps(OTLP, indent=1)[:-1] + "secret", f"at line {len(LINES)}:"),
        ('{"secret": 1}', "line 1: it holds no spans"),
        ("[1, 2]", "line 1: it holds no spans"),
        ('{"spans": [{"name": "secret"}]}', "spans.0.trace_id: Field required"),
        (json.dumps(OTLP).replace("00f067aa0ba902b7", "secret"), "spanId: an id has hexadecimal"),
    ],
)
def test_what_cannot_be_read_is_one_line_that_quotes_no_content(text: str, reason: str) -> None:
    done = run_command("inspect", "-", text=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("-: ")
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("OTLP/JSON") == 1


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    done = run_command("inspect", str(tmp_path / "nowhere.json"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file" in done.stderr


def test_a_folder_is_one_line(tmp_path: Path) -> None:
    done = run_command("inspect", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{tmp_path}: Is a directory.")
    assert done.stderr.count("\n") == 1


def test_what_is_no_text_is_one_line_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "spans.bin"
    file.write_bytes(b"\x0a\xff\xfe protobuf")
    piped = run_command("inspect", "-", text="\x0a\udcff\udcfe protobuf")
    for done, name in ((run_command("inspect", str(file)), str(file)), (piped, "-")):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{name}: not text in UTF-8 at line 2.")
        assert done.stderr.count("\n") == 1


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    file = tmp_path / "spans.json"
    file.write_text(json.dumps(OTLP), "utf-8-sig")
    assert len(inspected(str(file))) == 1


def test_one_span_is_spoken_of_as_one() -> None:
    done = run_command("inspect", "-", text=json.dumps(OTLP))
    assert done.stdout.startswith("1 span becomes 1 agent span\n")


def test_the_longest_type_stands_apart_from_the_name() -> None:
    done = run_command("inspect", str(FOLDER / "langfuse__native__tool_ok.json"))
    assert "otel:retriever lookup" in done.stdout


def test_an_unusable_setting_is_one_line_that_names_it() -> None:
    done = run_command("inspect", str(RECORDED), PREFACTOR_MAX_REQUEST_BYTES="many")
    assert (done.returncode, done.stdout) == (2, "")
    assert "PREFACTOR_MAX_REQUEST_BYTES" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_shows_the_types_that_are_configured() -> None:
    types = {
        "PREFACTOR_SPAN_TYPE_PREFIX": "langchain",
        "PREFACTOR_TOOL_SPAN_TYPES": '{"get_weather": {}}',
    }
    done = run_command("inspect", "--why", "--json", str(RECORDED), **types)
    rows = json.loads(done.stdout)
    (tool,) = [row for row in rows if row["schema_name"] == "langchain:tool:get_weather"]
    assert "inputs ← gen_ai.tool.call.arguments (genai)" in tool["why"]
    assert {row["schema_name"] for row in rows if row is not tool} == {
        "langchain:agent",
        "langchain:llm",
    }


LINE = json.dumps(OTLP)
SECOND = LINE.replace("00f067aa0ba902b7", "00f067aa0ba902b8")


THIRD = LINE.replace("00f067aa0ba902b7", "00f067aa0ba902b9")
CUTS = pytest.mark.parametrize(
    "cut",
    [1, 20, len(SECOND) // 2, len(LINE) - LINE.index('"value"'), len(LINE) - 19, len(LINE) - 2],
)


@CUTS
def test_a_cut_last_line_is_said_and_left_out(cut: int) -> None:
    done = run_command("inspect", "--json", "-", text=f"{LINE}\n{SECOND}\n{THIRD[:-cut]}")
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 2)
    assert done.stderr == "-: it ends in the middle of line 3; that part is left out\n"


@CUTS
@pytest.mark.parametrize("number", [1, 2])
def test_a_line_that_was_cut_before_others_is_said_and_left_out(cut: int, number: int) -> None:
    lines = [LINE, SECOND]
    lines.insert(number - 1, THIRD[:-cut])
    done = run_command("inspect", "--json", "-", text="\n".join(lines) + "\n")
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 2), done.stderr
    assert done.stderr == f"-: what begins at line {number} is cut; that part is left out\n"


def test_lines_of_which_several_are_cut_lose_nothing_but_these() -> None:
    cut = [LINE[: -20 - 40 * number] for number in range(30)]
    done = run_command("inspect", "--json", "-", text="\n".join([*cut, LINE, *cut, SECOND]))
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 2)
    *told, rest = done.stderr.splitlines()
    assert told == [
        f"-: what begins at line {n} is cut; that part is left out" for n in range(1, 11)
    ]
    assert rest == "-: 50 more documents cannot be read"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a log's own line: secret", "not JSON at line 2: Expecting value"),
        (LINE[:-60] + LINE, "not JSON at line 2: Expecting ',' delimiter"),
        ('{"secret": 1}', "line 2: it holds no spans"),
        ("[1, 2]", "line 2: it holds no spans"),
        (LINE.replace("00f067aa0ba902b7", "secret"), "line 2: resourceSpans.0.scopeSpans.0"),
    ],
)
def test_a_line_that_is_no_span_is_said_and_costs_no_other_line(line: str, why: str) -> None:
    done = run_command("inspect", "--json", "-", text=f"{LINE}\n{line}\n{SECOND}\n")
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 2)
    assert done.stderr.startswith(f"-: {why}")
    assert done.stderr.endswith("; that part is left out\n")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def test_a_printed_span_that_is_cut_costs_no_other() -> None:
    texts = [json.dumps(span(number, 0), indent=4) for number in (1, 2, 3)]
    texts[1] = texts[1][:60]
    done = run_command("inspect", "--json", "-", text="\n".join(texts))
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 2)
    number = texts[0].count("\n") + 2
    assert done.stderr == f"-: what begins at line {number} is cut; that part is left out\n"


@pytest.mark.parametrize("after", ["", f"\n{SECOND}\n"], ids=["the last", "not the last"])
def test_a_line_may_be_cut_inside_of_a_letter(tmp_path: Path, after: str) -> None:
    file = tmp_path / "spans.jsonl"
    cut = LINE.partition("no such city")[0].encode() + "é".encode()[:1]
    file.write_bytes(f"{THIRD}\n".encode() + cut + after.encode())
    done = run_command("inspect", "--json", str(file))
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 1 + bool(after))
    assert "line 2" in done.stderr
    assert done.stderr.count("\n") == 1


def test_of_one_cut_document_the_spans_before_the_cut_are_shown(tmp_path: Path) -> None:
    on_lines = "".join(recording(map(str, range(5))))
    for text, spans in ((RECORDED.read_text(), 3), (on_lines, 4)):
        last = text.rindex("{")
        done = run_command("inspect", "--json", "-", text=text[: last + 5])
        assert (done.returncode, len(json.loads(done.stdout))) == (1, spans)
        assert "is left out" in done.stderr
        assert done.stderr.count("\n") == 1
    text = RECORDED.read_text()
    done = run_command("inspect", "-", text=text[: text.index('"attributes"')])
    assert (done.returncode, done.stdout) == (2, "")
    assert "it ends in the middle of line" in done.stderr


@pytest.mark.parametrize("depth", [60, 1_200])
def test_a_deep_tree_is_shown_to_its_end(depth: int, tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join(json.dumps(span(n, n - 1)) for n in range(1, depth + 1)))
    done = run_command("inspect", str(file), COLUMNS="60")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"step {depth}" in done.stdout
    assert len(inspected(str(file))) == depth


def span(number: int, parent: int, name: str = "step", **attributes: object) -> dict[str, Any]:
    """As the console exporter writes it, on a line; inner ones end first."""
    return {
        "name": f"{name} {number}",
        "context": {"trace_id": "0x1", "span_id": hex(number)},
        "parent_id": hex(parent) if parent else None,
        "start_time": f"2026-11-24T05:07:02.{number:06}Z",
        "end_time": f"2026-11-24T05:07:03.{900_000 - number:06}Z",
        "attributes": attributes,
    }


def test_a_name_cannot_move_the_cursor_of_a_terminal() -> None:
    text = json.dumps(span(1, 0, "wipe \x1b[2J\r\x9b2J out"))
    shown = run_command("inspect", "-", text=text).stdout
    assert "wipe \ufffd[2J" in shown
    assert all(sign.isprintable() for line in shown.split("\n") for sign in line)


def test_a_progress_bar_is_for_terminals_and_not_for_what_is_printed() -> None:
    code, written = run_in_terminal("inspect", str(RECORDED), columns=80)
    assert code == 0
    assert "reading" in written
    assert "mapping" in written
    assert written.count("weather_agent") == 1


def otlp_lines(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield LINE.replace("no such city", text) + "\n"


def otlp_document(texts: Iterator[str]) -> Iterator[str]:
    before, after = LINE.split('"spans": [')
    one, end = after[:-6], after[-6:]
    yield f'{before}"spans": [{one}'
    yield from (f",\n{one.replace('no such city', text)}" for text in texts)
    yield end


def console(texts: Iterator[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        yield json.dumps(span(number + 1, 0, text=text), indent=4) + "\n"


def recording(texts: Iterator[str]) -> Iterator[str]:
    yield '{"spans": [\n'
    for number, text in enumerate(texts):
        told = {"trace_id": "1", "span_id": f"{number + 1:x}", "name": text}
        yield (",\n" if number else "") + json.dumps(told | {"start_time_unix_nano": 1})
    yield "]}"


FORMATS = pytest.mark.parametrize("write", [otlp_lines, otlp_document, console, recording])
TOLD_AT_EXIT = """
import atexit, re, runpy, sys
from pathlib import Path
told = lambda: re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
atexit.register(lambda: print(told(), file=sys.stderr))
runpy.run_module("prefactor_otel", run_name="__main__", alter_sys=True)
"""


def peak(file: Path) -> int:
    """The most memory that inspecting a file has taken, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD_AT_EXIT, "inspect", str(file)],
        env=clean(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stderr) * 1024


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells what memory it took")
@FORMATS
def test_a_large_file_takes_little_memory(
    write: Callable[[Iterator[str]], Iterator[str]], tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    text = "many words " * 2_000
    for file, count in ((small, 2), (large, 3_000)):
        with file.open("w") as out:
            out.writelines(write(f"{text}{number}" for number in range(count)))
    assert large.stat().st_size > 64e6
    assert peak(large) - peak(small) < large.stat().st_size / 2
