"""What every page links to is there, and what it types is a command that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pages import (
    REPOSITORY,
    all_pages,
    find_command,
    inline_commands,
    options_of,
    read_page,
    shown_commands,
)

PAGES = [str(path.relative_to(REPOSITORY)) for path in all_pages()]
PACKAGE = REPOSITORY / "gptasr_subs"
LIVING = [page for page in PAGES if page != "dev/LOG.md"]  # the log speaks of commands that are gone


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", read_page(page)):
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / page).parent / path if path else REPOSITORY / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", LIVING)
def test_commands_parse(page: str) -> None:
    for line in shown_commands(read_page(page)):
        command, words = find_command(line)
        command.make_context("command", list(words))


@pytest.mark.parametrize("page", LIVING)
def test_commands_in_prose_have_their_options(page: str) -> None:
    for line in inline_commands(read_page(page)):
        command, words = find_command(line)
        assert {word for word in words if word.startswith("--")} <= options_of(command), line


@pytest.mark.parametrize("page", LIVING)
def test_modules_in_prose_are_there(page: str) -> None:
    for name in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", read_page(page)):
        assert any((root / name).exists() for root in (REPOSITORY, PACKAGE)), name


def test_contributing_shows_every_folder_and_walks_through_each_once() -> None:
    tree, walk = (part.split("\n## ")[0] for part in read_page("CONTRIBUTING.md").split("\n## ")[1:3])
    folders = {f"{init.parent.name}/" for init in PACKAGE.glob("*/__init__.py")}
    assert set(re.findall(r"`([a-z]+/)`", "".join(re.findall(r"^\| `.*", tree, re.MULTILINE)))) == folders
    steps = re.findall(r"^\d+\. `([a-z]+/)`: (.*)$", walk, re.MULTILINE)
    assert len(steps) == len({folder for folder, _ in steps}) == 10
    for folder, text in steps:
        for name in re.findall(r"`([a-z_]+\.py|[a-z_]+/)`", text):
            assert (PACKAGE / folder / name).exists(), f"{folder}{name}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "MODEL_CARD.md"])
def test_no_line_is_too_long(page: str) -> None:
    prose = [line for line in read_page(page).splitlines() if not line.startswith("|")]
    assert [line for line in prose if len(line) > 120] == []
