"""What somebody reads who asks a command what it does, on any terminal."""

from collections.abc import Iterator
from inspect import cleandoc

import click
import pytest
from click.testing import CliRunner

from prefactor_otel.cli.commands import commands
from prefactor_otel.version import __version__
from tests.cli.command import run_command


def described(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words of each command, and what it says of itself."""
    yield words, flat(cleandoc(command.help or ""))
    if isinstance(command, click.Group):
        for name, under in command.commands.items():
            yield from described(under, *words, name)


def flat(text: str) -> str:
    return " ".join(text.split())


COMMANDS = dict(described(commands))


def help_of(words: tuple[str, ...], columns: int) -> str:
    shown = CliRunner().invoke(commands, [*words, "--help"], terminal_width=columns)
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_whole_at_any_width(words: tuple[str, ...], columns: int) -> None:
    shown = help_of(words, columns)
    assert COMMANDS[words] in flat(shown)
    assert "..." not in shown.replace("[ARGS]...", "")
    assert max(map(len, shown.splitlines())) <= columns


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_list_of_commands_has_the_first_sentence_of_each(columns: int) -> None:
    for words, said in COMMANDS.items():
        if words:
            listed = flat(help_of(words[:-1], columns))
            assert f"{words[-1]} {said.partition('. ')[0].rstrip('.')}." in listed


def test_the_module_is_the_command_line_too() -> None:
    shown = run_command("--version")  # python -m prefactor_otel
    assert (shown.returncode, shown.stdout.split()[-1]) == (0, __version__)
    assert run_command("nothing").returncode == 2
