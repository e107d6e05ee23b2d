"""Writes the README's option table from the one declaration of the options.

``python -m prefactor_otel.cli.options README.md`` replaces what stands between the markers.
"""

import sys
from pathlib import Path
from typing import Final

from prefactor_otel.config.options import option_rows

BEGIN: Final = "<!-- options: begin (written by python -m prefactor_otel.cli.options README.md) -->"
END: Final = "<!-- options: end -->"


def option_table() -> str:
    """The table in Markdown."""
    lines = ["| option | variable | type | default | what it does |", "|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | `{variable}` | {kind} | `{default}` | {sentence} |"
        for name, variable, kind, default, sentence in option_rows()
    ]
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The text with the current table between its markers. Raises ``ValueError`` without them."""
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError("the text has no markers for the option table")
    return f"{before}{BEGIN}\n{option_table()}\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text()))
