"""What the page is made of: few bytes, no code but its own files, nothing from elsewhere."""

import gzip
import re
from pathlib import Path

import prefactor_otel.devserver
from tests.conftest import Figure

PAGE = Path(prefactor_otel.devserver.__file__).parent / "page"
LOADED = sorted(path for path in PAGE.iterdir() if path.suffix in (".html", ".js", ".css", ".svg"))
DOCUMENTATION = PAGE.parents[2] / "docs" / "page.md"
OWN = [path for path in LOADED if path.name != "preact.js"]
BUDGET = 60_000


def test_all_of_it_stays_under_sixty_kilobytes(figure: Figure) -> None:
    size = sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in LOADED)
    figure(f"the page takes {size:,} bytes, gzipped")
    assert size < BUDGET


def test_the_shell_names_every_module_and_no_other() -> None:
    named = re.findall(r'"/page/([\w.]+\.js)"', (PAGE / "index.html").read_text())
    assert sorted(named) == sorted(path.name for path in LOADED if path.suffix == ".js")


def test_the_help_and_the_documentation_tell_the_same_keys() -> None:
    told = re.findall(r"^  \['(.+)', '.+'\],$", (PAGE / "keys.js").read_text(), re.MULTILINE)
    keys = [key for row in told for key in row.split(", ") if key not in "←↑→↓"]
    table = DOCUMENTATION.read_text().partition("## Keys")[2].partition("## What")[0]
    assert keys == re.findall("`(.+?)`", table)
    assert len(keys) > 10


def test_nothing_is_inline() -> None:
    shell = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)", shell)


def test_no_text_becomes_markup_or_code() -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    for path in OWN:
        assert not re.search(f"{ways}|dangerously", path.read_text()), path.name


def test_nothing_comes_from_another_host() -> None:
    for path in OWN:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"""["'(`]\s*(https?:)?//""", text), path.name


def test_what_is_not_ours_has_its_licence_beside_it() -> None:
    for name, words in (("preact", "The MIT License"), ("htm", "Apache License")):
        assert words in (PAGE / f"LICENSE.{name}.txt").read_text()
