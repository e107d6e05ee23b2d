"""Every page is found from the index, and every link inside of the repository leads somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.joinpath("docs").glob("*.md"))
TEXTS = [*ROOT.glob("*.md"), *PAGES]


def links(page: Path) -> list[str]:
    """What a page links to, other than addresses of other hosts."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


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
