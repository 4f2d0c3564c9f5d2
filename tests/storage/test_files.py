"""A file is whole or what it was, and the error says why."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from gptasr_subs.errors import FormatError, OutputError
from gptasr_subs.storage.files import (
    atomic_replace,
    read_text,
    remove_abandoned,
    write_atomically,
)
from tests.support.films import names_in

awkward = ["-rf.srt", "100% 'sure' \"yes\".srt", "new\nline.srt", "🎬 é.srt", "x" * 251 + ".srt"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def test_text_is_utf8_with_its_line_ends_and_bytes_are_bytes(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", "Zoë\nand\r\n")
    write_atomically(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == b"Zo\xc3\xab\nand\r\n"
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert names_in(tmp_path) == ["a.txt", "b.bin"]


@pytest.mark.parametrize("name", awkward)
def test_awkward_names_are_written(name: str, tmp_path: Path) -> None:
    write_atomically(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"


def test_the_old_file_stands_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("old")
    seen = []
    sync = os.fsync

    def look(descriptor: int) -> None:
        seen.append((path.read_text(), os.fstat(descriptor).st_size))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_atomically(path, "the new text")
    assert seen == [("old", len("the new text"))]
    assert path.read_text() == "the new text"


@posix
def test_a_write_that_stops_half_way_changes_nothing(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "talk.srt"
    path.write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OutputError, match="larger than is allowed"):
            write_atomically(path, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["talk.srt"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not"),
        (errno.EIO, "error"),
    ],
)
def test_each_failure_says_what_to_do(
    code: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=rf"talk\.srt' could not be written: .*{reason}.*\.$"):
        write_atomically(tmp_path / "talk.srt", "text")
    assert names_in(tmp_path) == []


def test_an_interrupt_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "talk.srt", "text")
    assert names_in(tmp_path) == []


def test_wrong_kinds_of_paths_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="folder does not exist"):
        write_atomically(tmp_path / "none" / "talk.srt", "text")
    with pytest.raises(OutputError, match="a folder of that name"):
        write_atomically(tmp_path, "text")
    with pytest.raises(OutputError, match="not a folder"):
        write_atomically(tmp_path / "file" / "talk.srt", "text")
    with pytest.raises(OutputError, match="name is too long"):
        write_atomically(tmp_path / ("x" * 300), "text")
    assert names_in(tmp_path) == ["file"]


@posix
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="may not write there"):
        write_atomically(folder / "talk.srt", "text")


@posix
@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_others_may_read_what_the_usual_rights_allow(
    mask: int, rights: int, tmp_path: Path
) -> None:
    old = os.umask(mask)
    try:
        write_atomically(tmp_path / "new.srt", "text")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.srt").stat().st_mode) == rights


@posix
def test_rights_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "real.srt").write_text("old")
    (tmp_path / "real.srt").chmod(0o640)
    (tmp_path / "link.srt").symlink_to("real.srt")
    write_atomically(tmp_path / "link.srt", "new")
    assert (tmp_path / "link.srt").is_symlink()
    assert (tmp_path / "real.srt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real.srt").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("mode", [0o640, 0o444, 0o2664])
def test_owner_and_group_stay(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("old")
    os.chown(path, 1234, 5678)
    path.chmod(mode)
    write_atomically(path, "new")
    facts = path.stat()
    assert (path.read_text(), facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (
        "new",
        1234,
        5678,
        mode,
    )


@posix
def test_nobody_may_read_on_the_way_who_may_not_read_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("old")
    (tmp_path / "a.srt").chmod(0o600)
    with atomic_replace(tmp_path / "a.srt") as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_device_is_written_to_and_not_replaced() -> None:
    with pytest.raises(OutputError, match="disk is full"):
        write_atomically("/dev/full", "text")
    write_atomically("/dev/null", "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_of_any_usual_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Zoë – “naïve”\r\nyes\rno\n".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Zoë – “naïve”\nyes\nno\n"


def test_bytes_that_windows_1252_lacks_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 \x81")
    assert read_text(tmp_path / "a.txt").startswith("café ")


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(b"\x1aE\xdf\xa3\x00\x00")
    with pytest.raises(FormatError, match="holds no text"):
        read_text(tmp_path / "film.mkv")
    with pytest.raises(FormatError, match="no such file"):
        read_text(tmp_path / "none")


def test_what_dead_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    target, other = tmp_path / "film.en.srt", tmp_path / "other.en.srt"
    with atomic_replace(other) as living:
        with pytest.raises(OutputError), atomic_replace(target) as abandoned:
            abandoned.write_text("half")
            remove_abandoned(target)
            assert living.exists() and not abandoned.exists()
        assert not target.exists()
    assert other.exists()
    remove_abandoned(tmp_path / "no folder" / "film.en.srt")
