"""Writes tables into pages from the one declaration of what they list: the options, and the keys of
a gateway's file.

``python -m prefactor_otel.cli.options docs/configuration.md`` replaces what stands between its
markers.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prefactor_otel.config.options import option_rows

BEGIN: Final = (
    "<!-- options: begin (python -m prefactor_otel.cli.options docs/configuration.md) -->"
)
END: Final = "<!-- options: end -->"
KEYS_BEGIN: Final = (
    "<!-- keys: begin (written by python -m prefactor_otel.cli.options docs/gateway.md) -->"
)
KEYS_END: Final = "<!-- keys: end -->"


def option_table() -> str:
    """The table in Markdown."""
    lines = ["| option | variable | type | default | what it does |", "|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | `{variable}` | {kind} | `{default}` | {sentence} |"
        for name, variable, kind, default, sentence in option_rows()
    ]
    return "\n".join(lines)


def key_table() -> str:
    """The same of a gateway's keys."""
    from prefactor_otel.gateway.settings import key_rows  # which pydantic's models make slow

    lines = ["| key | default | what it does |", "|---|---|---|"]
    lines += [f"| `{key}` | {default} | {sentence} |" for key, default, sentence in key_rows()]
    return "\n".join(lines)


_TABLES: Final[dict[tuple[str, str], Callable[[], str]]] = {
    (BEGIN, END): option_table,
    (KEYS_BEGIN, KEYS_END): key_table,
}


def with_table(text: str) -> str:
    """The text with the current tables between its markers. Raises ``ValueError`` without any."""
    found = [(marks, table) for marks, table in _TABLES.items() if all(m in text for m in marks)]
    if not found:
        raise ValueError("the text has no markers for a table")
    for (begin, end), table in found:
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n{table()}\n{end}{after}"
    return text


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text()))
