"""A run and its spans as a tree for the terminal, a line at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeVar

from rich.console import Console, ConsoleOptions
from rich.text import Text

from prefactor_otel.cli.terminal import harmless, json_of, on_one_line
from prefactor_otel.words import counted

Row = dict[str, Any]
Details = Callable[[Row], Iterable[Text]]
Below = Callable[[str | None], Iterable[Row]]
"""The spans under the one with this id, in the order in which they are shown; of None, roots."""
T = TypeVar("T")

_NARROWEST: Final = 20
"""Columns that a label has at least, however deep it stands."""

_STYLES: Final = {
    "active": "yellow",
    "complete": "green",
    "failed": "red",
    "cancelled": "magenta",
    "terminated": "red",
    "pending": "dim",
}


class _Branch(NamedTuple):
    label: Text
    below: Iterable["_Branch"]


@dataclass(frozen=True, slots=True)
class Tree:
    """A head, and spans under their parents, each with its label; below each, its details."""

    head: Text
    below: Below
    details: Details = lambda _: ()
    label: Callable[[Row], Text] = lambda span: line_of(span)

    def lines(self, console: Console) -> Iterator[Text]:
        """Its lines, folded at the console's edge unless they stand too deep for that. Holds
        no more than the way from the root to the line."""
        self.head.plain = harmless(self.head.plain)
        yield from self.head.wrap(console, console.width)
        open_levels = [with_last(self._branches(None))]
        ends: list[bool] = []
        while open_levels:
            branch, is_last = next(open_levels[-1], (None, True))
            if branch is None:
                open_levels.pop()
                del ends[-1:]
                continue
            yield from _folded(branch.label, [*ends, is_last], console)
            open_levels.append(with_last(branch.below))
            ends.append(is_last)

    def _branches(self, parent: str | None) -> Iterator[_Branch]:
        for span in self.below(parent):
            details = (_Branch(text, ()) for text in self.details(span))
            yield _Branch(self.label(span), chain(details, self._branches(span["id"])))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        return self.lines(console)


def _folded(label: Text, ends: list[bool], console: Console) -> Iterator[Text]:
    """The lines of a label behind its guides; ``ends`` says of each level whether it is the last
    there."""
    label.plain = harmless(label.plain)
    lead = "".join("    " if is_last else "│   " for is_last in ends)
    first = lead[:-4] + ("└── " if ends[-1] else "├── ")
    lines = label.wrap(console, max(console.width - len(lead), _NARROWEST))
    for guides, line in zip(chain([first], repeat(lead)), lines, strict=False):
        yield Text(guides).append_text(line)


def with_last(values: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each value, and whether it is the last."""
    iterator = iter(values)
    for value in iterator:
        for following in iterator:
            yield value, False
            value = following
        yield value, True


def run_tree(instance: Row, spans: list[Row], details: Details = lambda _: ()) -> Tree:
    """The run as the root, spans under their parents, in order of their start."""
    return Tree(head_of(instance, spans), grouped(spans), details)


def head_of(instance: Row, spans: list[Row]) -> Text:
    """What is to be said of the run as a whole; below its line, what was found of its quality."""
    head = Text.assemble(
        ("run ", "bold"), instance["id"], "  ", status_of(instance), _tokens_of(spans)
    )
    if reason := instance.get("termination_reason"):
        head.append(f"  {on_one_line(reason)}", "red")
    judged = object_of(instance.get("quality_payloads"))
    if whole := object_of(instance.get("quality_payload")):  # the older form, of feedback
        judged = {"quality": whole, **judged}
    for name, payload in judged.items():
        head.append(f"\n{on_one_line(name)}: {json_of(payload)}", "cyan")
    return head


def grouped(spans: list[Row]) -> Below:
    """These spans by their parents, in order of their start. What has a parent that is not among
    them, or is its own ancestor, stands at the top: no span is left out."""
    told = ((span["id"], span.get("parent_span_id")) for span in spans)
    parents = _rooted({span: above if isinstance(above, str) else None for span, above in told})
    children: defaultdict[str | None, list[Row]] = defaultdict(list)
    for span in sorted(spans, key=lambda row: str(row.get("started_at") or "")):
        children[parents[span["id"]]].append(span)
    return lambda parent: children[parent]


def _rooted(parents: dict[str, str | None]) -> dict[str, str | None]:
    """The same, where every way up ends: unknown parents are none, and circles are cut."""
    known = {span: above if above in parents else None for span, above in parents.items()}
    rooted: set[str | None] = {None}
    for span in known:
        way: dict[str | None, None] = {}
        here: str | None = span
        while here is not None and here not in rooted and here not in way:
            way[here] = None
            here = known[here]
        if here is not None and here in way:
            known[here] = None
        rooted.update(way)
    return known


def seconds(row: Row) -> float | None:
    """How long a span or a run took; None while it is open, and where that is not known."""
    try:
        began, ended = (datetime.fromisoformat(row[n]) for n in ("started_at", "finished_at"))
        return round((ended - began).total_seconds(), 3)
    except (KeyError, TypeError, ValueError):  # also of one with a zone and one without
        return None


def digest(span: Row) -> Row:
    """A stored span in a few plain values, for ``--json``."""
    return {
        "id": span["id"],
        "parent_span_id": span.get("parent_span_id"),
        "type": span.get("schema_name"),
        "name": name_of(span),
        "status": span.get("status"),
        "seconds": seconds(span),
        "token_usage": _said(span, "token_usage"),
        "error": error_of(span),
        "summary": span.get("summary"),
    }


_NAMES: Final = ("name", "tool_name", "agent_name", "model_name")
"""Where the SDKs of the platform put what a span is called."""


def light(span: Row) -> Row:
    """The span as far as its line and its digest tell it: thousands of these fit into memory."""
    told = {"name": name_of(span), "token_usage": usage_of(span) or None, "error": error_of(span)}
    return span | {"payload": told, "result_payload": None}


def name_of(span: Row) -> str | None:
    """What it is called, whichever SDK has sent it."""
    payload = object_of(span.get("payload"))
    titles = (*(payload.get(name) for name in _NAMES), span.get("schema_title"))
    return next((str(title) for title in titles if title), None)


def error_of(span: Row) -> Row | None:
    """Its error, with ``error_type`` and ``message``: in the payload, or in what it ended with."""
    error = _said(span, "error")
    result = object_of(span.get("result_payload"))
    if error is None and result.get("error_type"):
        error = result
    if error is None or isinstance(error, dict):
        return error
    return {"error_type": "error", "message": str(error)}


def usage_of(span: Row) -> Row:
    """Its counts of tokens by their names; empty where it tells none."""
    return object_of(_said(span, "token_usage"))


def parts_of(span: Row) -> Iterator[tuple[str, object]]:
    """What went in, came out and is told beside it, as far as that says something; with what it
    ended with where its payload does not say that."""
    payload, result = (object_of(span.get(part)) for part in ("payload", "result_payload"))
    for part in ("inputs", "outputs", "metadata"):
        if payload.get(part):
            yield part, payload[part]
    told = (payload, object_of(payload.get("outputs")), object_of(payload.get("error")))
    rest = {name: said for name, said in result.items() if all(t.get(name) != said for t in told)}
    if rest:
        yield "result", rest


def part_lines(span: Row) -> Iterator[Text]:
    """These, as JSON under their names."""
    for part, content in parts_of(span):
        yield Text.assemble((f"{part} ", "dim"), json_of(content, indent=2))


def line_of(span: Row) -> Text:
    """The span in a line, without its place."""
    taken = seconds(span)
    label = Text.assemble(
        (f"{span.get('schema_name') or '?'!s:<10} ", "cyan"),
        (name_of(span) or "", "bold"),
        f"  {taken:.2f} s  " if taken is not None else "  ...  ",
        status_of(span),
    )
    if usage := usage_of(span):
        counts = [usage.get(name, "?") for name in ("prompt_tokens", "completion_tokens")]
        label.append(f"  {counts[0]} → {counts[1]} tokens", "blue")
    if error := error_of(span):
        label.append(f"  {error.get('error_type')}: {error.get('message')}", "red")
    return label


def status_of(row: Row) -> tuple[str, str]:
    """The status of a span or a run, and how it looks."""
    status = str(row.get("status"))
    return (status, _STYLES.get(status, ""))


def _said(span: Row, name: str) -> Any:
    """What its payload says under this name, or else what it ended with."""
    for part in ("payload", "result_payload"):
        if (said := object_of(span.get(part)).get(name)) is not None:
            return said
    return None


def object_of(value: object) -> Row:
    """The value, if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def _tokens_of(spans: list[Row]) -> str:
    totals = [usage_of(span).get("total_tokens") for span in spans]
    total = sum(count for count in totals if isinstance(count, int))
    return f"  {counted(len(spans), 'span')}, {counted(total, 'token')}"
