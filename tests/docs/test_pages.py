"""What every page links to is there, and what it types is a command that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gptasr_subs import __version__
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
LIVING = [
    page for page in PAGES if page != "dev/LOG.md"
]  # the log speaks of commands that are gone


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


def test_pictures_are_small() -> None:
    assert all(
        path.stat().st_size < 150_000 for path in (REPOSITORY / "docs" / "images").glob("*.png")
    )


def test_the_changelog_has_the_version_of_the_package() -> None:
    assert f"## [{__version__}]" in read_page("CHANGELOG.md")


@pytest.mark.parametrize("page", [page for page in PAGES if page != "MODEL_CARD.md"])
def test_no_line_is_too_long(page: str) -> None:
    prose = [line for line in read_page(page).splitlines() if not line.startswith("|")]
    assert [line for line in prose if len(line) > 120] == []
