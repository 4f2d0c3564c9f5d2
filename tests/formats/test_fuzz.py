"""Damaged subtitle files: no text is lost silently, and no error but the project's is raised.

One good file of each format is changed in a few places, seeded, so that a failure can be repeated.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest

from gptasr_subs.cues.markup import plain
from gptasr_subs.errors import FormatError
from gptasr_subs.formats import Document, Reading, get_format
from gptasr_subs.formats.registry import ReadableFormat, RemarkingFormat
from gptasr_subs.storage.encoding import decode
from gptasr_subs.types import Cue

_MUTATIONS = 250  # of each format
_NAMES = ["srt", "vtt", "ass", "ttml", "sbv", "lrc", "tsv", "json"]
_WORDS = [
    "anchor", "barrel", "candle", "dagger", "engine", "feather", "garden", "hammer",
    "island", "jacket", "kettle", "ladder", "magnet", "needle", "orange", "pepper",
    "quiver", "ribbon", "saddle", "timber", "urchin", "velvet", "walnut", "zipper",
]  # fmt: skip
_NEAR = 0.011  # seconds: some formats count hundredths


def good_cues() -> list[Cue]:
    """Two words on each of two lines, one in italics, one at the top."""
    cues = []
    for index in range(0, len(_WORDS), 4):
        first, second, third, fourth = _WORDS[index : index + 4]
        start = 2.0 * index
        lines = (f"{first} <i>{second}</i>", f"{third} {fourth}.")
        cues.append(Cue(start, start + 3.5, lines, 8 if index == 8 else 2))
    return cues


def _drop_line(lines: list[str], rng: random.Random) -> None:
    del lines[rng.randrange(len(lines))]


def _repeat_line(lines: list[str], rng: random.Random) -> None:
    index = rng.randrange(len(lines))
    lines.insert(index, lines[index])


def _swap_lines(lines: list[str], rng: random.Random) -> None:
    index = rng.randrange(len(lines) - 1)
    lines[index], lines[index + 1] = lines[index + 1], lines[index]


def _blank_line(lines: list[str], rng: random.Random) -> None:
    lines.insert(rng.randrange(len(lines)), "")


def _change_letter(lines: list[str], rng: random.Random) -> None:
    index = rng.randrange(len(lines))
    if lines[index]:
        place = rng.randrange(len(lines[index]))
        letter = rng.choice("0Ol:;.,->–é 9\u200f\t\ufeff")
        lines[index] = lines[index][:place] + letter + lines[index][place + 1 :]


def _drop_letter(lines: list[str], rng: random.Random) -> None:
    index = rng.randrange(len(lines))
    if lines[index]:
        place = rng.randrange(len(lines[index]))
        lines[index] = lines[index][:place] + lines[index][place + 1 :]


def _join_lines(lines: list[str], rng: random.Random) -> None:
    index = rng.randrange(len(lines) - 1)
    lines[index : index + 2] = [" ".join(lines[index : index + 2])]


def _cut_off(lines: list[str], rng: random.Random) -> None:
    del lines[rng.randrange(1, len(lines)) :]


def _double_line_ends(lines: list[str], rng: random.Random) -> None:
    lines[:] = [part for line in lines for part in (line, "")]


Mutation = Callable[[list[str], random.Random], None]
_KINDS: list[Mutation] = [
    _drop_line,
    _repeat_line,
    _swap_lines,
    _blank_line,
    _change_letter,
    _change_letter,
    _drop_letter,
    _cut_off,
    _join_lines,
    _double_line_ends,
]


def mutated(text: str, rng: random.Random) -> bytes:
    """The text with one to three changes, and now and then a byte that is wrong."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 3)):
        if len(lines) > 2:
            rng.choice(_KINDS)(lines, rng)
    data = "\n".join(lines).encode()
    if rng.random() < 0.1 and data:
        place = rng.randrange(len(data))
        data = data[:place] + b"\xe9" + data[place + 1 :]
    return data


def read(name: str, data: bytes) -> Reading:
    found = get_format(name)
    text = decode(data).text
    if isinstance(found, RemarkingFormat):
        return found.parse(text)
    assert isinstance(found, ReadableFormat)
    return Reading(found.read(text))


def words_in(text: str) -> set[str]:
    """The words that are whole, though perhaps run together."""
    letters = re.sub(r"\s", "", text)
    return {word for word in _WORDS if word in letters}


@pytest.mark.parametrize("name", _NAMES)
def test_damage_loses_no_text_without_a_sentence(name: str) -> None:
    rng = random.Random(f"damage of {name}")
    good = get_format(name).write(Document(tuple(good_cues())))
    for _ in range(_MUTATIONS):
        data = mutated(good, rng)
        try:
            reading = read(name, data)
        except FormatError as error:
            assert str(error).endswith(".")
            continue
        shown = words_in(plain(" ".join(cue.text for cue in reading.cues)))
        lost = words_in(decode(data).text) - shown
        assert not lost or reading.remarks, (lost, data.decode(errors="replace"))


@pytest.mark.parametrize("name", _NAMES)
def test_what_was_read_of_damage_reads_back_as_it_was_written(name: str) -> None:
    rng = random.Random(f"writing of {name}")
    good = get_format(name).write(Document(tuple(good_cues())))
    for _ in range(_MUTATIONS // 2):
        data = mutated(good, rng)
        try:
            cues = read(name, data).cues
        except FormatError:
            continue
        cues = sorted((cue for cue in cues if cue.lines), key=lambda cue: cue.start)
        written = get_format(name).write(Document(tuple(cues)))
        again = read(name, written.encode())
        assert again.remarks == ()
        assert [plain(cue.text).split() for cue in again.cues] == [
            plain(cue.text).split() for cue in cues
        ], data.decode(errors="replace")
        for cue, same in zip(cues, again.cues, strict=True):
            assert same.start == pytest.approx(max(0.0, cue.start), abs=_NEAR)


@pytest.mark.parametrize("name", _NAMES)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    rng = random.Random(f"bytes of {name}")
    good = get_format(name).write(Document(tuple(good_cues()))).encode()
    for _ in range(_MUTATIONS // 5):
        data = bytearray(good)
        for _ in range(rng.randint(1, 40)):
            data[rng.randrange(len(data))] = rng.randrange(1, 256)
        try:
            read(name, bytes(data))
        except FormatError as error:
            assert str(error).endswith(".")
