"""A run and its spans as a tree for the terminal, a line at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from typing import Any, Final, NamedTuple, TypeVar

from rich.console import Console, ConsoleOptions
from rich.text import Text

from prefactor_otel.words import counted

Row = dict[str, Any]
Details = Callable[[Row], Iterable[Text]]
Below = Callable[[str | None], Iterable[Row]]
"""The spans under the one with this id, in the order in which they are shown; of None, roots."""
T = TypeVar("T")

_NARROWEST: Final = 20
"""Columns that a label has at least, however deep it stands."""
_UNPRINTABLE: Final = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n")}, "\ufffd")
"""Names come from anywhere, and these would move the terminal's cursor, or worse."""

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
    """A head, and spans under their parents; below each, its details."""

    head: Text
    below: Below
    details: Details = lambda _: ()

    def lines(self, console: Console) -> Iterator[Text]:
        """Its lines, folded at the console's edge unless they stand too deep for that. Holds
        no more than the way from the root to the line."""
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
            yield _Branch(_label(span), chain(details, self._branches(span["id"])))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        return self.lines(console)


def _folded(label: Text, ends: list[bool], console: Console) -> Iterator[Text]:
    """The lines of a label behind its guides; ``ends`` says of each level whether it is the last
    there."""
    label.plain = label.plain.translate(_UNPRINTABLE)
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


def run_tree(instance: Row, spans: list[Row]) -> Tree:
    """The run as the root, spans under their parents, in order of their start."""
    head = Text.assemble(
        ("run ", "bold"), instance["id"], "  ", _status(instance["status"]), _tokens_of(spans)
    )
    return Tree(head, grouped(spans))


def grouped(spans: list[Row]) -> Below:
    """These spans by their parents, in order of their start."""
    children: defaultdict[str | None, list[Row]] = defaultdict(list)
    for span in sorted(spans, key=lambda row: str(row["started_at"])):
        children[span["parent_span_id"]].append(span)
    return lambda parent: children[parent]


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
    return f"  {counted(len(spans), 'span')}, {counted(total, 'token')}"
