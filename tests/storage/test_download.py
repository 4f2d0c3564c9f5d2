"""A file that is fetched is whole, is what was published, and is not fetched twice."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptasr_subs.errors import OutputError
from gptasr_subs.storage.download import DownloadError, RemoteFile, fetch
from tests.support.file_server import Home, file_server
from tests.support.films import names_in

DATA = bytes(range(256)) * 4000  # four reads long
HALF = len(DATA) // 2


@pytest.fixture
def home() -> Iterator[Home]:
    with file_server(Home({"weights.pth": DATA})) as home:
        yield home


def remote(home: Home, sha256: str = "", path: str = "weights.pth") -> RemoteFile:
    return RemoteFile("weights.pth", (f"{home.address}/{path}",), f"{home.address}/page", sha256)


def test_a_file_comes_whole_into_a_new_folder_with_its_progress(home: Home, tmp_path: Path) -> None:
    steps: list[tuple[int, int | None]] = []
    path = fetch(remote(home), tmp_path / "new", lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == DATA
    assert names_in(tmp_path / "new") == ["weights.pth"]
    assert steps[-1] == (len(DATA), len(DATA))
    assert len(steps) > 1 and steps == sorted(steps)


def test_what_was_cut_off_goes_on_where_it_stopped(home: Home, tmp_path: Path) -> None:
    home.stop_after = HALF
    with pytest.raises(DownloadError, match=f"ended after {HALF} of {len(DATA)} bytes"):
        fetch(remote(home), tmp_path)
    assert names_in(tmp_path) == ["weights.pth.part"]
    home.stop_after = None
    steps: list[tuple[int, int | None]] = []
    assert (
        fetch(remote(home), tmp_path, lambda done, total: steps.append((done, total))).read_bytes()
        == DATA
    )
    assert home.asked[-1] == ("/weights.pth", f"bytes={HALF}-")
    assert steps[0][0] > HALF and steps[-1] == (len(DATA), len(DATA))
    assert names_in(tmp_path) == ["weights.pth"]


def test_a_server_that_cannot_go_on_sends_all_again(home: Home, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(b"x" * HALF)
    home.ranges = False
    assert fetch(remote(home), tmp_path).read_bytes() == DATA


def test_a_part_that_is_the_whole_is_not_fetched_again(home: Home, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(DATA)
    assert fetch(remote(home), tmp_path).read_bytes() == DATA
    assert len(home.asked) == 1


def test_a_part_that_is_too_long_is_of_another_file_and_starts_anew(
    home: Home, tmp_path: Path
) -> None:
    (tmp_path / "weights.pth.part").write_bytes(DATA + b"more")
    assert fetch(remote(home), tmp_path).read_bytes() == DATA


def test_a_length_nobody_told_is_no_failure(home: Home, tmp_path: Path) -> None:
    home.says_length = False
    steps: list[tuple[int, int | None]] = []
    assert (
        fetch(remote(home), tmp_path, lambda done, total: steps.append((done, total))).read_bytes()
        == DATA
    )
    assert steps[-1] == (len(DATA), None)


def test_the_checksum_is_kept(home: Home, tmp_path: Path) -> None:
    assert fetch(remote(home, hashlib.sha256(DATA).hexdigest()), tmp_path).read_bytes() == DATA
    (tmp_path / "weights.pth").unlink()
    with pytest.raises(DownloadError, match="checksum"):
        fetch(remote(home, hashlib.sha256(b"another").hexdigest()), tmp_path)
    assert names_in(tmp_path) == []


def test_a_web_page_is_not_taken_for_the_file(home: Home, tmp_path: Path) -> None:
    home.content_type = "text/html; charset=utf-8"
    with pytest.raises(DownloadError, match="web page"):
        fetch(remote(home), tmp_path)
    assert names_in(tmp_path) == []


def test_a_missing_file_and_a_missing_server_are_told_apart(home: Home, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="answered 404 Not Found"):
        fetch(remote(home, path="moved"), tmp_path)
    # the port where everything is discarded
    gone = RemoteFile("weights.pth", ("http://127.0.0.1:9/weights.pth",), "")
    with pytest.raises(DownloadError, match="refused"):
        fetch(gone, tmp_path)
    assert names_in(tmp_path) == []


def test_an_old_file_stays_until_the_new_one_is_whole(home: Home, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"old")
    home.stop_after = HALF
    with pytest.raises(DownloadError):
        fetch(remote(home), tmp_path)
    assert (tmp_path / "weights.pth").read_bytes() == b"old"


def test_a_folder_that_cannot_be_made_is_said(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"could not be written"):
        fetch(remote(home), tmp_path / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_full_disk_is_said_and_what_came_is_kept(home: Home, tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, limits[1]))
    try:
        with pytest.raises(OutputError, match="could not be written"):
            fetch(remote(home), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert fetch(remote(home), tmp_path).read_bytes() == DATA
