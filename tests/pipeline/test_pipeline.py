"""A film in, its subtitles out, with real media and a recogniser whose every word is known."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.cues.norms import Norms
from gptasr_subs.errors import FormatError, MediaError, OutputError
from gptasr_subs.formats import read
from gptasr_subs.media.ffmpeg import find_ffmpeg
from gptasr_subs.media.probe import probe
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.pipeline.plan import target_paths
from gptasr_subs.pipeline.recognize import recognize_file, transcribe
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.windows import recognize
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Span, Word
from tests.support.fake_recognizer import FakeRecognizer, say
from tests.support.films import TALK, TALK_SECONDS, make_film, make_silent_film, names_in
from tests.support.media_maker import RATE

LONG_TALK = [
    (2.0 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(100)
]  # 200 s: three groups
NEAR = 0.06  # seconds by which a codec and frames of 10 ms may move a word


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "talk.mp4")


def assert_heard(words: list[Word], plan: list[tuple[float, str]]) -> None:
    assert [word.text for word in words] == [text for _, text in plan]
    assert [word.start for word in words] == pytest.approx([start for start, _ in plan], abs=NEAR)


def test_words_have_their_times_and_become_cues(film: Path) -> None:
    document = recognize_file(film, FakeRecognizer())
    assert_heard(list(document.words), TALK)
    assert " ".join(cue.text for cue in document.cues).split() == [text for _, text in TALK]
    assert (document.source, document.language, document.model) == ("talk.mp4", "en", "fake")
    assert document.seconds == pytest.approx(TALK_SECONDS, abs=0.1)


def test_the_subtitle_is_written_beside_the_film_and_nothing_else_is(
    film: Path, tmp_path: Path
) -> None:
    result = subtitle(film, FakeRecognizer())
    assert names_in(tmp_path) == ["talk.en.srt", "talk.mp4"]
    assert (result.written, result.kept, result.media) == ((tmp_path / "talk.en.srt",), (), film)
    cues = read(tmp_path / "talk.en.srt")
    assert " ".join(cue.text for cue in cues).split() == [text for _, text in TALK]
    assert result.seconds == pytest.approx(TALK_SECONDS, abs=0.1)
    assert result.rtfx == pytest.approx(result.seconds / result.elapsed)


def test_long_films_come_in_groups_in_order(tmp_path: Path) -> None:
    film = make_film(tmp_path / "long.wav", LONG_TALK, 202.0)
    recognizer, places = FakeRecognizer(), []
    document = recognize_file(film, recognizer, on_progress=places.append)
    assert_heard(list(document.words), LONG_TALK)
    assert len(recognizer.asked) >= 2 and recognizer.asked[0]["clips"] > 1
    assert [place.done for place in places] == sorted(place.done for place in places)
    assert places[-1] == Progress(pytest.approx(200, abs=3), pytest.approx(202, abs=0.1))


def test_windows_never_exceed_what_the_recogniser_takes(tmp_path: Path) -> None:
    recognizer = FakeRecognizer(max_seconds=5.0)
    words = [(0.5 * n + 1, "one") for n in range(60)]  # half a minute without a pause for breath
    document = recognize_file(make_film(tmp_path / "breathless.wav", words, 32.0), recognizer)
    assert max(recognizer.clip_seconds) <= 5.0 + 1 / RATE
    assert len(document.words) >= 55


def test_silence_gives_a_subtitle_without_a_cue(tmp_path: Path) -> None:
    result = subtitle(make_film(tmp_path / "silence.wav", [], 20.0), FakeRecognizer())
    assert (tmp_path / "silence.en.srt").read_text() == ""
    assert result.document is not None and result.document.words == ()


def test_a_subtitle_that_is_there_is_kept_and_nothing_is_recognised(
    film: Path, tmp_path: Path
) -> None:
    (tmp_path / "talk.en.srt").write_text("mine")
    recognizer = FakeRecognizer()
    result = subtitle(film, recognizer)
    assert (result.written, result.kept) == ((), (tmp_path / "talk.en.srt",))
    assert (tmp_path / "talk.en.srt").read_text() == "mine"
    assert recognizer.asked == []


def test_overwrite_replaces_it(film: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.en.srt").write_text("mine")
    subtitle(film, FakeRecognizer(), options=Options(overwrite=True))
    assert "one two three" in (tmp_path / "talk.en.srt").read_text()


def test_of_several_formats_only_the_missing_ones_are_written(film: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.en.srt").write_text("mine")
    result = subtitle(
        film, FakeRecognizer(), options=Options(formats=("srt", "vtt", "txt", "json"))
    )
    assert [path.name for path in result.written] == ["talk.en.vtt", "talk.en.txt", "talk.en.json"]
    assert [path.name for path in result.kept] == ["talk.en.srt"]
    words = json.loads((tmp_path / "talk.en.json").read_text())["words"]
    assert [word["text"] for word in words] == [text for _, text in TALK]
    assert {word["confidence"] for word in words} == {0.9}


def test_options_reach_those_they_are_for(film: Path) -> None:
    recognizer = FakeRecognizer()
    options = Options(batch_size=3, beams=5, norms=Norms(max_chars=9, max_lines=1))
    document = recognize_file(film, recognizer, options=options)
    assert recognizer.asked[0] == {"clips": 2, "batch_size": 3, "beams": 5}
    assert max(len(line) for cue in document.cues for line in cue.lines) <= 9
    assert {len(cue.lines) for cue in document.cues} == {1}


def test_targets_carry_language_flags_and_folder() -> None:
    film = Path("films") / "talk.v2.mp4"
    assert target_paths(film, Options(formats=("srt", "vtt"), language="de")) == {
        "srt": Path("films/talk.v2.de.srt"),
        "vtt": Path("films/talk.v2.de.vtt"),
    }
    assert target_paths(film, Options(sdh=True)) == {"srt": Path("films/talk.v2.en.sdh.srt")}
    assert target_paths(film, Options(forced=True, output_dir=Path("subs"))) == {
        "srt": Path("subs/talk.v2.en.forced.srt")
    }
    assert target_paths(film, Options(output=Path("subs/mine.vtt"))) == {
        "vtt": Path("subs/mine.vtt")
    }
    with pytest.raises(FormatError, match="no subtitle format 'doc'"):
        target_paths(film, Options(output=Path("mine.doc")))


@pytest.mark.parametrize(
    "kind", ["text", "empty", "no audio", "cut short", "nothing there", "folder"]
)
def test_bad_media_is_one_sentence_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    film = tmp_path / "bad.mp4"
    if kind == "text":
        film.write_text("once upon a time\n" * 50)
    elif kind == "empty":
        film.write_bytes(b"")
    elif kind == "no audio":
        make_silent_film(film)
    elif kind == "cut short":
        make_film(film)
        film.write_bytes(film.read_bytes()[:3000])  # an mp4's index is at its end
    elif kind == "folder":
        film.mkdir()
    before = names_in(tmp_path)
    with pytest.raises(MediaError) as error:
        subtitle(film, FakeRecognizer())
    text = str(error.value)
    assert "bad.mp4" in text and "\n" not in text and len(text) < 300
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), MemoryError()])
def test_a_recogniser_that_fails_half_way_leaves_nothing(
    error: BaseException, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "long.wav", LONG_TALK, 202.0)
    with pytest.raises(type(error)):
        subtitle(film, FakeRecognizer(fails=error, after=1))
    assert names_in(tmp_path) == ["long.wav"]


def test_a_folder_that_is_not_there_is_said_before_the_work(film: Path, tmp_path: Path) -> None:
    recognizer = FakeRecognizer()
    with pytest.raises(OutputError, match="does not exist; create it"):
        subtitle(film, recognizer, options=Options(output_dir=tmp_path / "nowhere"))
    assert recognizer.asked == []


def test_a_folder_without_rights_is_said_before_the_work(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the rights themselves do not stop root
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    recognizer = FakeRecognizer()
    with pytest.raises(OutputError, match="is not writable"):
        subtitle(film, recognizer)
    assert recognizer.asked == []


def test_a_name_that_leaves_no_room_for_the_extension_is_said(tmp_path: Path) -> None:
    film = make_film(tmp_path / f"{'x' * 250}.wav")
    with pytest.raises(OutputError, match="name is too long"):
        subtitle(film, FakeRecognizer())
    assert names_in(tmp_path) == [film.name]


def test_spans_of_samples_give_words_in_time_of_the_whole() -> None:
    plan = [(1.0, "one"), (3.0, "two"), (8.0, "three")]
    audio = say(plan, 10.0)
    words = transcribe(FakeRecognizer(), audio, [Span(0.5, 4.0), Span(7.0, 9.0)])
    assert_heard(words, plan)
    assert transcribe(FakeRecognizer(), audio, []) == []


class Late(FakeRecognizer):
    """Its word lies outside its clip."""

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        for index, clip in enumerate(clips):
            yield index, [Word("late", 0.5, 9.0), Word("later", 9.0, 10.0)] if len(clip) else []


def test_words_stay_inside_their_window() -> None:
    window = Window(Span(10.0, 12.0), np.zeros(2 * RATE, np.float32), ())
    found = list(recognize(Late(), [window]))
    assert found == [(window, [Word("late", 10.5, 12.0), Word("later", 12.0, 12.0)])]


def test_the_length_of_joined_files_is_that_of_what_was_heard(tmp_path: Path) -> None:
    """The head of the first one tells its own length, and its bit rate a guess."""
    parts = [make_film(tmp_path / "a.wav"), make_film(tmp_path / "b.wav", TALK[:1], 2.0)]
    rates = [["-b:a", "64k"], ["-b:a", "24k"]]
    for part, rate in zip(parts, rates, strict=True):
        command = [find_ffmpeg(), "-v", "error", "-i", str(part), *rate]
        subprocess.run([*command, str(part.with_suffix(".mp3"))], check=True)
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(b"".join(part.with_suffix(".mp3").read_bytes() for part in parts))
    document = recognize_file(joined, FakeRecognizer())
    assert [word.text for word in document.words] == [text for _, text in [*TALK, TALK[0]]]
    assert document.seconds == pytest.approx(TALK_SECONDS + 2.0, abs=0.2)


def test_a_container_that_does_not_say_its_length_still_gets_one(tmp_path: Path) -> None:
    media = tmp_path / "stream.webm"
    live = ["-f", "webm", "-live", "1", str(media)]
    source = ["-f", "lavfi", "-i", "sine=duration=2"]
    subprocess.run([find_ffmpeg(), "-v", "error", *source, *live], check=True)
    assert probe(media).duration == 0
    assert recognize_file(media, FakeRecognizer()).seconds == pytest.approx(2.0, abs=0.1)
