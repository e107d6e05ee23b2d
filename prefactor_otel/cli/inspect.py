"""``prefactor-otel inspect``: the agent spans that given OpenTelemetry spans would become."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
from rich.text import Text

from prefactor_otel.cli.spanfile import FORMATS, read_spans
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.cli.tree import Row, Tree, grouped
from prefactor_otel.cli.why import uses_of
from prefactor_otel.config import load_config, types_of
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.intake import capture_of
from prefactor_otel.items import Item, SpanRef
from prefactor_otel.mapping import span_type
from prefactor_otel.sieve import sieve_of
from prefactor_otel.span import SpanView
from prefactor_otel.tree import SpanTree

NO_PARTITION: Final = 0
"""The partition of ids that no account has given: they only hold the tree together here."""


def run_inspect(source: str, *, as_json: bool, payloads: bool, why: bool) -> int:
    """Print them; the exit code is 0, or 2 when the file or a setting could not be read."""
    try:
        views = read_spans(_text(source))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        print(f"{source}: {reason}. What can be read: {FORMATS}.", file=sys.stderr)
        return 2
    try:
        rows = agent_spans(views)
    except PrefactorConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if why:
        rows = _explained(rows, views)
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        _show(rows, len(views), payloads=payloads)
    return 0


def _text(source: str) -> str:
    """All of it. Raises ``ValueError`` where it is no text, quoting none of it."""
    data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not text in UTF-8") from None


def agent_spans(views: list[SpanView]) -> list[Row]:
    """What would be sent for spans that arrive in this order, as rows like those of the API."""
    config = load_config()
    tree = SpanTree(
        "inspected",
        capture_of(config),
        max_item_bytes=config.max_request_bytes,
        parent_timeout=0.0,
        sieve=sieve_of(config.span_filter, lambda text: None),  # a variable holds no function
        types=types_of(config),
    )
    ended = [item for view in views for item in tree.end(view, 0.0)]
    return [_row(item) for item in [*ended, *tree.close(0)]]


def _row(item: Item) -> Row:
    details: Row = orjson.loads(b"{" + item.body + b"}")
    return {"id": _id(item.span), "parent_span_id": _id(item.parent), **details}


def _id(ref: SpanRef | None) -> str | None:
    return ref.pfid(NO_PARTITION) if ref is not None else None


def _explained(rows: list[Row], views: list[SpanView]) -> list[Row]:
    """The rows with a ``why``: a line for each place in the payload."""
    types = types_of(load_config())
    known = {(view.key.trace_hex, view.key.span_hex): view for view in views}

    def lines(payload: dict[str, Any], schema_name: str) -> list[str]:
        view = known[payload["trace_id"], payload["span_id"]]
        kind = types.kind_of(schema_name) or span_type(view.attributes, view.name)
        return [str(use) for use in uses_of(view, kind, payload)]

    return [{**row, "why": lines(row["payload"], row["schema_name"])} for row in rows]


def _show(rows: list[Row], spans: int, *, payloads: bool) -> None:
    become = "becomes" if spans == 1 else "become"
    head = Text.assemble((_counted(spans, "span"), "bold"), f" {become} ")
    head.append(_counted(len(rows), "agent span"))
    tree = Tree(head, grouped(rows), partial(_details, payloads=payloads))
    new_console().print(tree, soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _details(row: Row, *, payloads: bool) -> Iterator[Text]:
    """Why the span looks as it does, and the parts of its payload that say something."""
    yield from map(Text, row.get("why", ()))
    payload: dict[str, Any] = row["payload"]
    for part in ("inputs", "outputs", "metadata") if payloads else ():
        if payload[part]:
            text = orjson.dumps(payload[part], option=orjson.OPT_INDENT_2).decode()
            yield Text.assemble((f"{part} ", "dim"), text)
