from __future__ import annotations

from pathlib import Path

import pytest

from gptasr_subs.server.paths import allowed_file, mapped_file, may_be_sent
from gptasr_subs.server.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    films = tmp_path.resolve() / "films"
    films.mkdir()
    (films / "a.mkv").write_text("a")
    (films / "circle").symlink_to("circle")
    (films / "out.mkv").symlink_to(tmp_path / "secret.mkv")
    (tmp_path / "secret.mkv").write_text("b")
    return films


BAD_NAMES = ["", "b.mkv", "../secret.mkv", "out.mkv", "circle", "a\0.mkv", "x" * 5000]


def test_a_file_of_a_mapped_folder(folder: Path) -> None:
    settings = Settings(maps=(("/theirs", folder),))
    assert mapped_file("/theirs/a.mkv", settings) == folder / "a.mkv"
    assert mapped_file(str(folder / "a.mkv"), settings) is None
    for name in BAD_NAMES:
        assert mapped_file(f"/theirs/{name}", settings) is None


def test_a_file_of_an_allowed_folder(folder: Path) -> None:
    settings = Settings(roots=(folder,))
    assert allowed_file(str(folder / "a.mkv"), settings) == folder / "a.mkv"
    assert allowed_file(str(folder / "a.mkv"), Settings()) is None
    for name in BAD_NAMES:
        assert allowed_file(f"{folder}/{name}", settings) is None


def test_what_others_put_into_the_queue_is_not_sent_to_other_computers(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "films"
    root.mkdir()
    for file in (root / "film.mkv", tmp_path / "private.mkv"):
        file.write_bytes(b"film")
    (root / "link.mkv").symlink_to(tmp_path / "private.mkv")
    away = Settings(host="0.0.0.0", no_key=True, roots=(root,))
    names = ("films/film.mkv", "private.mkv", "films/link.mkv", "films/../private.mkv")
    assert [may_be_sent(tmp_path / name, away) for name in names] == [True, False, False, False]
    assert all(may_be_sent(tmp_path / name, Settings()) for name in names)
