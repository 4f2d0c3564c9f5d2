"""Full disks, vanished folders, damaged media: a clear sentence, and nothing lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gptasr_subs.errors import GptasrError, OutputError
from gptasr_subs.formats import read
from gptasr_subs.pipeline.options import Options, Result
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.storage.folders import CACHE_VARIABLE
from tests.support.ended import Program, one_line, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, names_in

LIMIT = 60.0  # seconds for one damaged file of two seconds, on a busy computer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(command, check=False).returncode
    ):
        pytest.skip("only root of Linux may make a disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def deaf() -> FakeRecognizer:
    return FakeRecognizer(fails=AssertionError("recognised again"))


def test_a_full_disk_leaves_the_old_file_and_what_was_recognised(
    small_disk: Path, folder: Path
) -> None:
    options = Options(output_dir=small_disk, overwrite=True)
    (small_disk / "talk.en.srt").write_text("old")
    filler = fill(small_disk)
    with pytest.raises(OutputError, match="the disk is full; free some space"):
        subtitle(folder / "talk.wav", FakeRecognizer(), options=options)
    assert names_in(small_disk) == ["filler", "talk.en.srt"]
    assert (small_disk / "talk.en.srt").read_text() == "old"
    filler.unlink()
    subtitle(folder / "talk.wav", deaf(), options=options)
    assert text_of(small_disk / "talk.en.srt") == SPOKEN


def test_a_journal_on_a_full_disk_costs_only_the_journal(
    small_disk: Path,
    program: Program,
    fake: FakeRecognizer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(small_disk))
    fill(small_disk)
    ended = program(folder)
    assert ended.code == 0 and text_of(folder / "talk.en.srt") == SPOKEN
    warning, _ = ended.err.splitlines()
    assert (
        warning.startswith("The journal") and "disk is full); work goes on without it." in warning
    )


def test_a_read_only_disk_is_said_before_the_work(
    small_disk: Path, program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    (small_disk / "talk.en.srt").write_text("old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = program(folder, "--output-dir", small_disk, "--overwrite", "--quiet")
    assert ended.code == 1 and "is not writable" in one_line(ended.err)
    assert (small_disk / "talk.en.srt").read_text() == "old" and fake.asked == []


class Meanwhile(FakeRecognizer):
    """Does something while it recognises."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        yield from super().transcribe(clips)
        self._act()


def test_a_folder_that_vanishes_meanwhile_costs_no_second_recognition(
    folder: Path, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    options = Options(output_dir=share)
    with pytest.raises(OutputError, match="folder does not exist"):
        subtitle(folder / "talk.wav", Meanwhile(share.rmdir), options=options)
    share.mkdir()
    subtitle(
        folder / "talk.wav", Meanwhile(lambda: pytest.fail("recognised again")), options=options
    )
    assert text_of(share / "talk.en.srt") == SPOKEN


PLAN = [(float(n), ["one", "two", "three", "four"][n % 4]) for n in range(2, 60, 3)]


@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_a_corrupted_stretch_costs_that_stretch_only(suffix: str, tmp_path: Path) -> None:
    film = make_film(tmp_path / f"long{suffix}", PLAN, 62.0)
    data = bytearray(film.read_bytes())
    chance = random.Random(4)
    for place in range(int(len(data) * 0.48), int(len(data) * 0.52)):
        data[place] = chance.randrange(256)
    film.write_bytes(data)
    words = recognize_file(film, FakeRecognizer()).words
    before = [(word.start, word.text) for word in words if word.start < 26]
    after = [(word.start, word.text) for word in words if word.start > 36]
    for found, said in (
        (before, [w for w in PLAN if w[0] < 26]),
        (after, [w for w in PLAN if w[0] > 36]),
    ):
        assert [text for _, text in found] == [text for _, text in said]
        assert [start for start, _ in found] == pytest.approx([start for start, _ in said], abs=0.1)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Flip bytes, overwrite, remove or repeat a stretch, or cut off the end."""
    spoiled = bytearray(data)
    begin, length = chance.randrange(len(data)), chance.randrange(1, 2000)
    match chance.randrange(5):
        case 0:
            for _ in range(chance.randrange(1, 60)):
                spoiled[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 1:
            return data[:begin]
        case 2:
            spoiled[begin : begin + length] = chance.randbytes(length)
        case 3:
            del spoiled[begin : begin + length]
        case _:
            spoiled[begin:begin] = spoiled[begin : begin + length]
    return bytes(spoiled)


def children() -> set[str]:
    tasks = Path("/proc/self/task").glob("*/children") if sys.platform == "linux" else ()
    return {child for task in tasks for child in task.read_text().split()}


def run_on_mutated(count: int, seed: int, tmp_path: Path) -> None:
    kinds = [".mp4", ".mkv", ".wav", ".mp3", ".ts", ".ogg", ".flac", ".m4a"]
    words = [(0.3, "one"), (1.0, "two")]
    (tmp_path / "whole").mkdir()
    whole = [
        make_film(tmp_path / "whole" / f"film{kind}", words, 2.0).read_bytes() for kind in kinds
    ]
    chance, before, outcomes = random.Random(seed), children(), [0, 0]
    for number in range(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        media = folder / f"film{chance.choice(kinds)}"  # of any extension, often a wrong one
        media.write_bytes(mutate(chance.choice(whole), chance))
        began = time.monotonic()
        try:
            result = subtitle(media, FakeRecognizer())
            assert isinstance(result, Result) and isinstance(read(folder / "film.en.srt"), list)
            expected = ["film.en.srt", media.name]
        except GptasrError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
            expected = [media.name]
        outcomes[len(expected) - 1] += 1
        assert time.monotonic() - began < LIMIT
        assert names_in(folder) == sorted(expected) and children() <= before
        shutil.rmtree(folder)
    assert all(outcomes)  # some can be done and some cannot, or nothing was tested


def test_mutated_media_end_in_subtitles_or_a_sentence(tmp_path: Path) -> None:
    run_on_mutated(60, 1, tmp_path)


@pytest.mark.slow
def test_a_thousand_mutated_media(tmp_path: Path) -> None:
    run_on_mutated(1000, 2, tmp_path)
