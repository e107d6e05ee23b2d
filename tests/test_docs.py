"""What the pages say can be done: links lead somewhere, programs run, commands and names exist."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from _pytest.mark import ParameterSet

from prefactor_otel.cli import commands as command_line
from prefactor_otel.config.options import option_rows
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE
from tests.process.scripts import localhost

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.joinpath("docs").glob("*.md"))
TEXTS = [*ROOT.glob("*.md"), *PAGES]
LISTING = ROOT / "llms.txt"
TOLD = [page for page in TEXTS if page.name not in ("CHANGELOG.md", "CONTRIBUTING.md")]
"""What users read of the present."""
RUN_ELSEWHERE = ("deployment.md",)
"""Its programs need servers: ``tests/process`` runs them."""
OWN = re.compile(r"\bPREFACTOR_[A-Z_]+[A-Z]")


def links(page: Path) -> list[str]:
    """What a page links to, other than addresses of other hosts."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def programs() -> Iterator[ParameterSet]:
    for page in TOLD:
        for number, code in enumerate(blocks(page, "python"), 1):
            if page.name not in RUN_ELSEWHERE:
                yield pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")


def commands() -> Iterator[ParameterSet]:
    for page in TOLD:
        for block in blocks(page, "sh"):
            for number, line in enumerate(block.splitlines(), 1):
                if line.startswith("prefactor-otel ") and "..." not in line:
                    yield pytest.param(line, id=f"{page.relative_to(ROOT)}-{number}-{line[15:40]}")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_lists_every_page_by_its_title_and_the_readme_leads_to_it() -> None:
    index = ROOT / "docs" / "README.md"
    titles = {page.name: page.read_text().splitlines()[0].removeprefix("# ") for page in PAGES}
    for name, title in titles.items():
        assert name == "README.md" or f"- [{title}]({name}): " in index.read_text()
    assert "docs/README.md" in links(ROOT / "README.md")


def test_coding_agents_are_told_of_every_page_in_the_words_of_the_index() -> None:
    rows = re.findall(r"^- \[.*?\]\((\S+)\): (.*)$", LISTING.read_text(), re.MULTILINE)
    index = (ROOT / "docs" / "README.md").read_text()
    assert {name for name, _ in rows} == {f"docs/{page.name}" for page in PAGES} - {
        "docs/README.md"
    }
    assert all(f"({Path(name).name}): {sentence}" in index for name, sentence in rows)


@pytest.mark.parametrize("code", list(programs()))
def test_every_program_runs_as_it_stands(code: str, api: DevServer, tmp_path: Path) -> None:
    surroundings = {n: v for n, v in os.environ.items() if not n.startswith(("PREFACTOR_", "OTEL"))}
    settings = {"PREFACTOR_API_URL": localhost(api), "PREFACTOR_API_TOKEN": api.token}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=surroundings | settings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert all(run["status"] in ("complete", "cancelled", "failed") for run in api.instances())


@pytest.mark.parametrize("line", list(commands()))
def test_every_command_exists_with_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[
        : min((words.index(each) for each in ("&", "|", ">") if each in words), default=None)
    ]
    command: click.Command = command_line.commands
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, line
        command = command.commands[name]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert {
        word.partition("=")[0] for word in words if word.startswith("-") and word != "-"
    } <= known


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_every_variable_of_ours_is_an_option(page: Path) -> None:
    known = {variable for _, variable, *_ in option_rows()}
    assert set(OWN.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", TOLD, ids=lambda page: page.name)
def test_data_in_a_page_can_be_read(page: Path) -> None:
    for text in blocks(page, "json"):
        json.loads(text)
    for text in blocks(page, "toml"):
        tomllib.loads(text)
    for text in blocks(page, "ya?ml"):
        yaml.safe_load(text)
