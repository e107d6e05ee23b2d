"""The README's option table is the declaration of the options, word for word."""

from pathlib import Path

from prefactor_otel.cli.options import with_table

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_has_the_current_option_table() -> None:
    text = README.read_text()
    assert text == with_table(text), "run: python -m prefactor_otel.cli.options README.md"
