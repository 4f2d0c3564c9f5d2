"""What is found behind the paths a person gives."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from gptasr_subs.errors import MediaError
from gptasr_subs.media.library import find_media, unique

awkward = ["two words.mp4", 'it\'s "so".mkv', "100%d.mp4", "new\nline.mp3", "-rf.wav", "🎬 é.webm"]


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_file_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path, "talk.odd", ".hidden.mp4")
    assert find_media(tmp_path / "talk.odd") == [tmp_path / "talk.odd"]
    assert find_media(tmp_path / ".hidden.mp4") == [tmp_path / ".hidden.mp4"]


def test_a_folder_gives_its_media_files_and_those_below_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.mp4", "A.MKV", "notes.txt", "b.en.srt", "season/two/e1.mp3", "season/e0.m4a")
    found = [path.relative_to(tmp_path).as_posix() for path in find_media(tmp_path)]
    assert found == ["A.MKV", "b.mp4", "season/e0.m4a", "season/two/e1.mp3"]


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, "._talk.mp4", ".trash/old.mp4", "talk.mp4", "talk.mp4.part")
    assert find_media(tmp_path) == [tmp_path / "talk.mp4"]


def test_recycle_bins_and_incomplete_files_are_skipped(tmp_path: Path) -> None:
    make(
        tmp_path,
        "#recycle/a.mp4",
        "@eaDir/b.mp4",
        "$RECYCLE.BIN/c.mp4",
        "d.temp.mp4",
        "_UNPACK_e/e.mp4",
        "f.mp4",
    )
    assert find_media(tmp_path) == [tmp_path / "f.mp4"]
    assert find_media(tmp_path / "#recycle") == [tmp_path / "#recycle" / "a.mp4"]


def test_the_named_folder_may_itself_be_hidden(tmp_path: Path) -> None:
    make(tmp_path, ".cache/talk.mp4")
    assert find_media(tmp_path / ".cache") == [tmp_path / ".cache" / "talk.mp4"]


@pytest.mark.parametrize("name", awkward)
def test_awkward_names_are_found(name: str, tmp_path: Path) -> None:
    make(tmp_path, name)
    assert find_media(tmp_path) == [tmp_path / name]


def test_a_link_that_leads_back_up_ends(tmp_path: Path) -> None:
    make(tmp_path, "films/talk.mp4")
    (tmp_path / "films" / "again").symlink_to(tmp_path / "films")
    assert find_media(tmp_path) == [tmp_path / "films" / "talk.mp4"]


def test_what_is_not_there_and_what_holds_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"There is no file '.*nix\.mp4'; check"):
        find_media(tmp_path / "nix.mp4")
    with pytest.raises(MediaError, match="holds no media files"):
        find_media(tmp_path)
    with pytest.raises(MediaError, match="cannot be opened"):
        find_media(tmp_path / ("x" * 300))


def test_a_closed_folder_is_an_error_and_one_below_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path, "talk.mp4", "closed/secret.mp4")
    scandir = os.scandir

    def refuse(
        path: str,
    ) -> object:  # the rights themselves do not stop root, who may run these tests
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with caplog.at_level(logging.WARNING):
        assert find_media(tmp_path) == [tmp_path / "talk.mp4"]
    assert "closed" in caplog.text and "permission denied" in caplog.text
    with pytest.raises(MediaError, match="cannot be opened"):
        find_media(tmp_path / "closed")


def test_a_file_named_twice_is_taken_once_in_its_first_place() -> None:
    paths = [Path("b.mp4"), Path("a.mp4"), Path("./b.mp4"), Path.cwd() / "a.mp4"]
    assert unique(paths) == [Path("b.mp4"), Path("a.mp4")]
