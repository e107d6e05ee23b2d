"""``prefactor-otel inspect``: the agent spans that given OpenTelemetry spans would become.

A file of any size: what is read, and what that becomes, is on disk until it is printed.
"""

import os
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, Final

import orjson
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from prefactor_otel.cli.shelf import Shelf
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.cli.tree import Row, Tree, part_lines, with_last
from prefactor_otel.cli.why import uses_of
from prefactor_otel.config.options import Config, load_config, types_of
from prefactor_otel.delivery.operation import Item, SpanRef
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.mapping import span_type
from prefactor_otel.runs.tenant import capture_of
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.declared import SpanTypes
from prefactor_otel.span_types.span_filter import compiled
from prefactor_otel.spans.documents import Documents, Read
from prefactor_otel.spans.files import FORMATS, read_spans
from prefactor_otel.spans.view import SpanView
from prefactor_otel.words import counted

NO_PARTITION: Final = 0
"""The partition of ids that no account has given: they only hold the tree together here."""

_TOLD: Final = 10
"""Documents that cannot be read of which is said why."""


def run_inspect(source: str, *, as_json: bool, payloads: bool, why: bool) -> int:
    """Print them; the exit code is 0, 1 when some of the file could not be read, or 2 when nothing
    of it or a setting could not."""
    with Shelf() as shelf:
        try:
            config = load_config()
            with _progress() as progress:
                left_out = _fill(shelf, source, progress)
                _map(shelf, config, progress, why=why)
        except PrefactorConfigError as error:
            print(error, file=sys.stderr)
            return 2
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            print(f"{source}: {reason}. What can be read: {FORMATS}.", file=sys.stderr)
            return 2
        for line in left_out:
            print(f"{source}: {line}", file=sys.stderr)
        if as_json:
            _print_json(shelf)
        else:
            _show(shelf, payloads=payloads)
    return 1 if left_out else 0


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    console = new_console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())


def _fill(shelf: Shelf, source: str, progress: Progress) -> list[str]:
    """Read the spans; what is to be said of documents that cannot be read."""
    with _opened(source) as file:
        for found in read_spans(Documents(_reader(file, progress)), shelf.leave_out):
            shelf.add(found)
    left_out = shelf.left_out()
    told = list(islice(left_out, _TOLD))
    if not shelf.spans:
        raise ValueError(told[0] if told else "there is no span in it")
    lines = [f"{why}; that part is left out" for why in told]
    if more := sum(1 for _ in left_out):
        lines.append(f"{counted(more, 'more document')} cannot be read")
    return lines


def _opened(source: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb")


def _reader(file: BinaryIO, progress: Progress) -> Read:
    """Its text."""
    about = os.fstat(file.fileno())
    task = progress.add_task("reading", total=about.st_size if S_ISREG(about.st_mode) else None)
    decoder = getincrementaldecoder("utf-8-sig")("surrogateescape")

    def read(size: int) -> str:
        text = ""
        while not text and (data := file.read(size)):
            progress.advance(task, len(data))
            text = decoder.decode(data)
        return text

    return read


def _map(shelf: Shelf, config: Config, progress: Progress, *, why: bool) -> None:
    """Turn the spans into rows; with ``why`` each has a line for each place in the payload."""
    types = types_of(config)
    views = progress.track(shelf.in_order(), shelf.spans, description="mapping")
    for row in agent_spans(views, config):
        if why:
            row["why"] = _reasons(row, shelf, types)
        shelf.put(row)


def agent_spans(views: Iterable[SpanView], config: Config | None = None) -> Iterator[Row]:
    """What would be sent for spans that arrive in this order, as rows like those of the API."""
    config = config or load_config()
    tree = SpanTree(
        "inspected",
        capture_of(config),
        max_item_bytes=config.max_request_bytes,
        parent_timeout=0.0,
        span_filter=compiled(config.span_filter, lambda text: None),  # a variable holds no function
        types=types_of(config),
    )
    for view in views:
        yield from map(_row, tree.end(view, 0.0))
    yield from map(_row, tree.close(0))


def _row(item: Item) -> Row:
    details: Row = orjson.loads(b"{" + item.body + b"}")
    return {"id": _id(item.span), "parent_span_id": _id(item.parent), **details}


def _id(ref: SpanRef | None) -> str | None:
    return ref.pfid(NO_PARTITION) if ref is not None else None


def _reasons(row: Row, shelf: Shelf, types: SpanTypes) -> list[str]:
    payload: dict[str, Any] = row["payload"]
    view = shelf.find(payload["trace_id"], payload["span_id"])
    kind = types.kind_of(row["schema_name"]) or span_type(view.attributes, view.name)
    return [str(use) for use in uses_of(view, kind, payload)]


def _print_json(shelf: Shelf) -> None:
    out = sys.stdout.buffer
    out.write(b"[\n")
    for row, is_last in with_last(shelf.all_rows()):
        text = orjson.dumps(row, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n  ")
        out.write(b"  " + text + (b"\n" if is_last else b",\n"))
    out.write(b"]\n")


def _show(shelf: Shelf, *, payloads: bool) -> None:
    become = "becomes" if shelf.spans == 1 else "become"
    head = Text.assemble((counted(shelf.spans, "span"), "bold"), f" {become} ")
    head.append(counted(shelf.rows, "agent span"))
    console = new_console()
    for line in Tree(head, shelf.below, partial(_details, payloads=payloads)).lines(console):
        console.print(line, soft_wrap=True)


def _details(row: Row, *, payloads: bool) -> Iterator[Text]:
    """Why the span looks as it does, and the parts of its payload that say something."""
    yield from map(Text, row.get("why", ()))
    if payloads:
        yield from part_lines(row)
