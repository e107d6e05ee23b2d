"""A run and its spans as a tree for the terminal."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

Row = dict[str, Any]
Details = Callable[[Row], Iterable[Text]]

_STYLES: Final = {
    "active": "yellow",
    "complete": "green",
    "failed": "red",
    "cancelled": "magenta",
    "terminated": "red",
    "pending": "dim",
}


def run_tree(instance: Row, spans: list[Row]) -> Tree:
    """The run as the root, spans under their parents, in order of their start."""
    head = Text.assemble(
        ("run ", "bold"), instance["id"], "  ", _status(instance["status"]), _tokens_of(spans)
    )
    tree = Tree(head)
    add_spans(tree, spans)
    return tree


def add_spans(tree: Tree, spans: list[Row], details: Details | None = None) -> None:
    """Spans under their parents, in order of their start; below each, its details if any."""
    children: defaultdict[str | None, list[Row]] = defaultdict(list)
    for span in sorted(spans, key=lambda row: str(row["started_at"])):
        children[span["parent_span_id"]].append(span)
    _grow(tree, None, children, details or (lambda _: ()))


def seconds(row: Row) -> float | None:
    """How long a span took; None while it is open."""
    if not row["finished_at"]:
        return None
    began, ended = (datetime.fromisoformat(row[n]) for n in ("started_at", "finished_at"))
    return round((ended - began).total_seconds(), 3)


def digest(span: Row) -> Row:
    """A stored span in a few plain values, for ``--json``."""
    payload = span["payload"]
    return {
        "id": span["id"],
        "parent_span_id": span["parent_span_id"],
        "type": span["schema_name"],
        "name": payload.get("name"),
        "status": span["status"],
        "seconds": seconds(span),
        "token_usage": payload.get("token_usage"),
        "error": payload.get("error"),
        "summary": span.get("summary"),
    }


def _grow(
    tree: Tree,
    parent: str | None,
    children: defaultdict[str | None, list[Row]],
    details: Details,
) -> None:
    for span in children[parent]:
        branch = tree.add(_label(span))
        for text in details(span):
            branch.add(text)
        _grow(branch, span["id"], children, details)


def _label(span: Row) -> Text:
    payload = span["payload"]
    taken = seconds(span)
    label = Text.assemble(
        (f"{span['schema_name']:<10} ", "cyan"),
        (str(payload["name"]), "bold"),
        f"  {taken:.2f} s  " if taken is not None else "  ...  ",
        _status(span["status"]),
    )
    usage = payload.get("token_usage")
    if usage:
        counts = [usage.get(name, "?") for name in ("prompt_tokens", "completion_tokens")]
        label.append(f"  {counts[0]} → {counts[1]} tokens", "blue")
    error = payload.get("error")
    if error:
        label.append(f"  {error['error_type']}: {error['message']}", "red")
    return label


def _status(status: str) -> tuple[str, str]:
    return (status, _STYLES.get(status, ""))


def _tokens_of(spans: list[Row]) -> str:
    usages = [span["payload"].get("token_usage") or {} for span in spans]
    total = sum(usage.get("total_tokens", 0) for usage in usages)
    return f"  {len(spans)} spans, {total} tokens"
