"""Nothing is recognised twice, and whatever is wrong with the journal, the subtitles come."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gptasr_subs.cues.norms import NETFLIX
from gptasr_subs.errors import MediaError
from gptasr_subs.model.checkpoint import save_checkpoint
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition import cache as module
from gptasr_subs.recognition.cache import journal_path, open_journal
from tests.support.ended import Program, text_of
from tests.support.fake_recognizer import FakeRecognizer, say
from tests.support.films import make_film
from tests.support.media_maker import Track, make_media
from tests.support.tiny import tiny_checkpoint

LONG_TALK = [(2.0 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(20)]


AGAIN = Options(overwrite=True)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return make_film(tmp_path / "films" / "talk.wav")


def test_a_second_run_recognises_nothing_and_writes_the_same(film: Path) -> None:
    options = Options(overwrite=True, formats=("srt", "json"))
    subtitle(film, FakeRecognizer(), options=options)
    first = [film.with_name(f"talk.en.{end}").read_bytes() for end in options.formats]
    deaf = FakeRecognizer(fails=AssertionError("asked again"))
    subtitle(film, deaf, options=options)
    assert [film.with_name(f"talk.en.{end}").read_bytes() for end in options.formats] == first


def test_other_cues_need_neither_the_model_nor_the_sound(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = recognize_file(film, FakeRecognizer()).words
    monkeypatch.setattr(
        "gptasr_subs.pipeline.recognize.decode_blocks",
        lambda *_, **__: pytest.fail("decoded again"),
    )
    document = recognize_file(
        film, FakeRecognizer(), options=Options(norms=replace(NETFLIX, max_chars=9, max_lines=1))
    )
    assert document.words == words and max(len(cue.text) for cue in document.cues) <= 9


def test_a_film_is_known_by_the_track_that_is_taken_however_it_was_asked_for(
    tmp_path: Path,
) -> None:
    tracks = [
        Track(say([(0.5, word)], 2.0), code) for word, code in [("one", "ger"), ("two", "eng")]
    ]
    film = make_media(tmp_path / "dub.mka", *tracks)
    german = recognize_file(film, FakeRecognizer(), options=Options(language="de"))
    assert [word.text for word in german.words] == ["one"]
    english = recognize_file(film, FakeRecognizer(), options=Options())
    assert [word.text for word in english.words] == ["two"]
    deaf = FakeRecognizer(fails=AssertionError("asked again"))
    for asked in (1, "1", "eng"):
        assert recognize_file(film, deaf, options=Options(audio_track=asked)).words == english.words


def test_without_the_journal_all_is_done_again(film: Path) -> None:
    recognizer = FakeRecognizer()
    for _ in range(2):
        subtitle(film, recognizer, options=Options(overwrite=True, journal=False))
    assert len(recognizer.clip_seconds) % 2 == 0 and not journal_path().exists()


def test_a_copy_is_known_by_its_sound(film: Path) -> None:
    subtitle(film, FakeRecognizer())
    copy = film.with_name("copy.wav")
    shutil.copyfile(film, copy)
    subtitle(copy, FakeRecognizer(fails=AssertionError("asked again")))
    assert copy.with_name("copy.en.srt").read_bytes() == film.with_name("talk.en.srt").read_bytes()


def test_after_a_failure_only_the_rest_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasr_subs.recognition.windows._FIRST_GROUP", 5.0)
    film = make_film(tmp_path / "long.wav", LONG_TALK, 42.0)
    first, second = FakeRecognizer(fails=KeyboardInterrupt(), after=1), FakeRecognizer()
    with pytest.raises(KeyboardInterrupt):
        subtitle(film, first)
    subtitle(film, second)
    whole = FakeRecognizer()
    expected = recognize_file(film, whole, options=Options(journal=False))
    assert sorted(first.clip_seconds + second.clip_seconds) == sorted(whole.clip_seconds)
    assert recognize_file(film, FakeRecognizer()) == expected


class Choking(FakeRecognizer):
    """Fails on what holds the word four, with whatever is asked for together with it."""

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        found = dict(super().transcribe(clips))
        if any(word.text == "four" for words in found.values() for word in words):
            raise RuntimeError("choked")
        yield from found.items()


def test_a_window_that_fails_alone_costs_only_itself(
    film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subtitle(film, Choking())
    assert text_of(film.with_name("talk.en.srt")) == "one two three"
    (record,) = caplog.records
    assert (
        "talk.wav' has no subtitles at 4.7-6.2 s" in record.getMessage()
        and "choked" in record.getMessage()
    )
    with open_journal() as journal:
        assert [(entry.windows, entry.failed, entry.finished) for entry in journal.entries()] == [
            (2, 1, False)
        ]
    again = Choking()
    subtitle(film, again, options=AGAIN)  # tries the one that failed, alone
    assert (
        text_of(film.with_name("talk.en.srt")) == "one two three" and again.asked[0]["clips"] == 1
    )


def test_a_recogniser_that_hears_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    film = make_film(tmp_path / "four.wav", [(1.0, "four")], 3.0)
    with pytest.raises(RuntimeError, match="choked"):
        subtitle(film, Choking())
    assert not (tmp_path / "four.en.srt").exists()


def spoil_header(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)


def spoil_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = random.Random(1).randbytes(len(data) - 4096)
    path.write_bytes(data)


def spoil_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE films (other)")
    database.close()


def spoil_kind(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [spoil_header, spoil_middle, spoil_tables, spoil_kind])
def test_a_damaged_journal_is_said_once_and_breaks_nothing(
    spoil: Callable[[Path], None], film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subtitle(film, FakeRecognizer())
    expected = film.with_name("talk.en.srt").read_bytes()
    spoil(journal_path())
    subtitle(film, FakeRecognizer(), options=AGAIN)
    assert film.with_name("talk.en.srt").read_bytes() == expected
    (record,) = caplog.records
    assert "The journal" in record.getMessage() and "work goes on without it" in record.getMessage()


def test_after_damage_the_next_run_begins_a_new_one(film: Path) -> None:
    journal_path().parent.mkdir(parents=True, exist_ok=True)
    spoil_header(journal_path())
    subtitle(film, FakeRecognizer())
    subtitle(film, FakeRecognizer(), options=AGAIN)
    subtitle(film, FakeRecognizer(fails=AssertionError("asked again")), options=AGAIN)


@pytest.mark.parametrize("table, column", [("windows", "words"), ("films", "layout")])
def test_rows_that_are_cut_short_are_noticed(table: str, column: str, film: Path) -> None:
    subtitle(film, FakeRecognizer())
    expected = film.with_name("talk.en.srt").read_bytes()
    with sqlite3.connect(journal_path()) as database:
        database.execute(f"UPDATE {table} SET {column} = substr({column}, 1, 9)")
    database.close()
    subtitle(film, FakeRecognizer(), options=AGAIN)
    assert film.with_name("talk.en.srt").read_bytes() == expected


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a folder that nobody may write to"
)
def test_a_cache_folder_that_cannot_be_written_breaks_nothing(
    film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GPTASR_SUBS_CACHE", "/proc/self/nothing")
    monkeypatch.setattr(module, "_reported", set())
    assert subtitle(film, FakeRecognizer()).written
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "change",
    [lambda film: os.utime(film, ns=(1, 1)), Path.unlink, lambda film: film.write_bytes(b"x")],
)
def test_a_film_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], object], film: Path
) -> None:
    class Meanwhile(FakeRecognizer):
        def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
            if film.exists():
                change(film)
            yield from super().transcribe(clips)

    film.with_name("talk.en.srt").write_text("old")
    with pytest.raises(MediaError, match="removed or changed while it was read"):
        subtitle(film, Meanwhile(), options=AGAIN)
    assert film.with_name("talk.en.srt").read_text() == "old"


RESHAPE = """
import sys
from gptasr_subs.cli.main import main
try:
    main()
finally:
    print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


def test_new_cues_of_a_known_film_come_without_loading_torch(
    program: Program, film: Path, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "tiny", tiny_checkpoint())
    options = [str(film), "--model", str(tmp_path / "tiny"), "--device", "cpu", "--overwrite"]
    assert program(*options).code == 0
    command = [sys.executable, "-c", RESHAPE, *options, "--format", "vtt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout == "[]\n"
    assert film.with_name("talk.en.vtt").exists()
