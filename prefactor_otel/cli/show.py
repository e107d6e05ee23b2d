"""``prefactor-otel show``: a run and its steps, as a tree; growing, until the run ends."""

from collections.abc import Iterator
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.text import Text

from prefactor_otel.cli.following import Seen, follow
from prefactor_otel.cli.platform import OVER, Platform, platform
from prefactor_otel.cli.problem import exit_code_of
from prefactor_otel.cli.terminal import json_of, new_console, on_one_line
from prefactor_otel.cli.tree import (
    Row,
    Tree,
    digest,
    head_of,
    light,
    line_of,
    part_lines,
    run_tree,
)

INTERRUPTED: Final = 130
"""The exit code of what is stopped by Ctrl+C before its end, as a shell has it."""


def run_show(name: str, *, follow: bool, payloads: bool, as_json: bool) -> int:
    """Print it. The exit code is 0, 1 when the API refuses or cannot be reached, 2 for settings
    that cannot work, 130 when somebody did not wait for the run's end."""
    if not follow:
        return exit_code_of(_show(name, payloads=payloads, as_json=as_json))
    try:
        return exit_code_of(_follow(name, payloads=payloads, as_json=as_json))
    except KeyboardInterrupt:
        return INTERRUPTED


async def _show(name: str, *, payloads: bool, as_json: bool) -> int:
    async with platform() as api:
        run = await api.run(name)
        spans = await _spans(api, run, whole=payloads)
    if as_json:
        print(json_of({"run": run, "spans": _shown(spans, payloads)}, indent=2))
    else:
        _print(new_console(), _tree(run, spans, payloads))
    return 0


async def _follow(name: str, *, payloads: bool, as_json: bool) -> int:
    async with platform(retries=0) as api:
        run_id = (await api.run(name))["id"]
        known: Row | None = None
        with _viewer(payloads, as_json=as_json) as viewer:

            async def look() -> Seen:
                nonlocal known
                run = await api.run(run_id)
                is_over = run.get("status") in OVER
                if run == known and "span_counts" in run:
                    return Seen.NOTHING_NEW
                viewer.show(run, await _spans(api, run, whole=payloads), is_over=is_over)
                known = run
                return Seen.END if is_over else Seen.CHANGES

            await follow(look)
    return 0


async def _spans(api: Platform, run: Row, *, whole: bool) -> list[Row]:
    """All of them; without what their lines do not tell, unless they are asked for ``whole``."""
    pages = api.spans(run)
    return [row if whole else light(row) async for page in pages for row in page]


def _shown(spans: list[Row], payloads: bool) -> list[Row]:
    return spans if payloads else [digest(span) for span in spans]


def _tree(run: Row, spans: list[Row], payloads: bool) -> Tree:
    return run_tree(run, spans, part_lines) if payloads else run_tree(run, spans)


def _print(console: Console, tree: Tree) -> None:
    for line in tree.lines(console):
        console.print(line, soft_wrap=True)


class _Viewer(Protocol):
    """Shows a run that grows."""

    def show(self, run: Row, spans: list[Row], *, is_over: bool) -> None:
        """The run as it is now; the last time, when it is over."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class _Lines:
    """For whoever reads line by line: each span once it is over, and the run in the end."""

    def __init__(self, payloads: bool, *, as_json: bool) -> None:
        self._payloads = payloads
        self._as_json = as_json
        self._told = set[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, run: Row, spans: list[Row], *, is_over: bool) -> None:
        """Print what has not been. Spans that stay open when the run ends are told then."""
        for span in spans:
            if span["id"] not in self._told and (is_over or span.get("status") in OVER):
                self._told.add(span["id"])
                self._tell(span)
        if is_over:
            head = head_of(run, spans)
            print(json_of({"run": run}) if self._as_json else on_one_line(head.plain), flush=True)

    def _tell(self, span: Row) -> None:
        if self._as_json:
            [shown] = _shown([span], self._payloads)
            print(json_of({"span": shown}), flush=True)
            return
        for line in (line_of(span), *(part_lines(span) if self._payloads else ())):
            print(on_one_line(line.plain), flush=True)


class _Picture:
    """For a terminal: the tree as it grows, as much of its end as there is room for; when the run
    is over, or nobody waits for that, the whole tree."""

    def __init__(self, console: Console, payloads: bool) -> None:
        self._console = console
        self._payloads = payloads
        self._tree: Tree | None = None
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._tree is not None:
            _print(self._console, self._tree)

    def show(self, run: Row, spans: list[Row], *, is_over: bool) -> None:
        """Draw it."""
        self._tree = _tree(run, spans, self._payloads)
        self._live.update(_End(self._tree), refresh=True)


class _End:
    """The last lines of a tree, as many as fit into the terminal."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        lines = [*self._tree.lines(console)]
        yield from lines[-(console.height - 1) :]


def _viewer(payloads: bool, *, as_json: bool) -> _Viewer:
    console = new_console()
    if as_json or not console.is_terminal:
        return _Lines(payloads, as_json=as_json)
    return _Picture(console, payloads)
