"""Cast lists of media centres: which files, which names of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs.glossary.cast import read_cast

ACTORS = """\
<actor><name>Patrick Stewart</name><role>Captain Jean-Luc Picard (voice)</role></actor>
<actor><name>Brent Spiner</name><role>Data / Lore</role><thumb>http://x</thumb></actor>
<actor><name></name><role></role></actor>
<actor/>
"""


def texts(media: Path) -> set[str]:
    return {term.text for term in read_cast(media).terms}


@pytest.mark.parametrize("name", ["film.nfo", "movie.nfo", "tvshow.nfo", "../tvshow.nfo"])
def test_whole_names_and_their_parts_are_terms(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "season"
    folder.mkdir()
    (folder / name).write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<movie>{ACTORS}</movie>\nhttps://example.org/1',
        encoding="utf-8",
    )
    found = texts(folder / "film.mkv")
    assert {"Patrick Stewart", "Captain Jean-Luc Picard", "Picard", "Data", "Lore"} <= found
    assert not found & {"Captain", "voice", "(voice)", "/", ""}


@pytest.mark.parametrize(
    "content",
    [
        "Released by nobody, 1999 <> & more",
        "https://www.imdb.com/title/tt0000001/",
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        "<movie><actor><name>&b;</name></actor></movie>",
        "",
        "<movie></movie>",
    ],
)
def test_notes_of_other_kinds_name_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "movie.nfo").write_text(content, encoding="utf-8")
    assert texts(tmp_path / "film.mkv") == set()


def test_names_that_are_words_too_leave_the_casing_to_the_recogniser(tmp_path: Path) -> None:
    (tmp_path / "movie.nfo").write_text(
        "<movie><actor><role>Walter White</role></actor></movie>", encoding="utf-8"
    )
    fixed = {term.text: term.fixed_case for term in read_cast(tmp_path / "film.mkv").terms}
    assert fixed == {"Walter White": True, "Walter": True, "White": False}
