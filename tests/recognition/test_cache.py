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

import numpy as np
import pytest

from gptasr_subs.cues.norms import NETFLIX
from gptasr_subs.errors import MediaError
from gptasr_subs.glossary.terms import Glossary, Term
from gptasr_subs.media.probe import probe
from gptasr_subs.model.checkpoint import save_checkpoint
from gptasr_subs.model.decoding.spotting import pack
from gptasr_subs.model.files import checkpoint_identity
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.recognize import open_record, recognize_file
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition import cache as module
from gptasr_subs.recognition.cache import Journal, journal_path, open_journal
from gptasr_subs.recognition.loading import lazy_model
from gptasr_subs.recognition.transcript import HeardWords, RecognizedWindow, Transcript
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Span, Word
from tests.support.ended import Program, text_of
from tests.support.fake_recognizer import FakeRecognizer, Hearing, say
from tests.support.films import SPOKEN, make_film
from tests.support.media_maker import RATE, Track, make_media
from tests.support.tiny import tiny_checkpoint

LONG_TALK = [(2.0 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(20)]
WORDS = [Word("Zoë", 0.1, 0.30000000000000004, 1 / 3), Word("b", 1.0, 2.0)]
AGAIN = Options(overwrite=True)


def window(start: float, value: float = 0.5) -> Window:
    return Window(
        Span(start, start + 2.0),
        np.full(2 * RATE, value, np.float32),
        (Span(start + 0.5, start + 1.5),),
    )


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return make_film(tmp_path / "films" / "talk.wav")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "film.mkv").write_bytes(b"a film")
    return tmp_path / "film.mkv"


def test_words_come_back_as_they_were_to_the_last_bit(media: Path) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        assert film.recall(window(0)) is None and film.recall(window(2, 0.25)) is None
        film.store(window(0), WORDS)
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        assert film.recall(window(0)) == WORDS and film.recall(window(2, 0.25)) is None
        assert film.finished() is None


@pytest.mark.parametrize("other", [("other weights", 0), ("weights", 5)])
def test_other_weights_and_another_search_hear_for_themselves(
    other: tuple[str, int], media: Path
) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        film.recall(window(0))
        film.store(window(0), WORDS)
        assert journal.record(media, 0, *other).recall(window(0)) is None


def test_other_code_hears_for_itself(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        film.recall(window(0))
        film.store(window(0), WORDS)
        monkeypatch.setattr(module, "_RESULTS_VERSION", "a newer one")
        assert journal.record(media, 0, "weights", 0).recall(window(0)) is None


def test_what_has_no_identity_is_not_remembered(media: Path) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "", 0)
        film.store(window(0), WORDS)
        assert film.recall(window(0)) is None and journal.entries() == []


def test_a_finished_film_comes_back_whole_until_it_changes(media: Path) -> None:
    recognized = RecognizedWindow(
        Span(4.0, 6.0), (Span(4.5, 5.5),), (Word("Zoë", 4.1, 4.3, 1 / 3), Word("b", 5.0, 6.0))
    )
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        film.recall(window(4))
        film.store(window(4), [Word("Zoë", 4.1 - 4, 4.3 - 4, 1 / 3), Word("b", 1.0, 2.0)])
        film.finish(Transcript("small", 7.5, (recognized,)))
        again = journal.record(media, 0, "weights", 0).finished()
        assert again is not None and (again.model, again.seconds) == ("small", 7.5)
        assert (
            again.windows[0].span == recognized.span
            and again.windows[0].speech == recognized.speech
        )
        assert [word.text for word in again.words] == ["Zoë", "b"]
        assert journal.record(media, 1, "weights", 0).finished() is None
        media = media.rename(media.with_name("renamed.mkv"))
        assert journal.record(media, 0, "weights", 0).finished() == again
        media.write_bytes(b"another")
        assert journal.record(media, 0, "weights", 0).finished() is None


def test_a_window_that_failed_is_marked_and_tried_again(media: Path) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        film.recall(window(0))
        film.mark_failed(window(0), RuntimeError("too\nloud"))
        film.finish(Transcript("small", 2.0, ()))
        (entry,) = journal.entries()
        assert (entry.windows, entry.failed, entry.finished) == (1, 1, False)
        assert film.recall(window(0)) is None and film.finished() is None
        assert journal.ask("SELECT error FROM windows") == [("RuntimeError: too loud",)]


def test_it_stays_within_its_bounds_and_the_oldest_leave_first(tmp_path: Path) -> None:
    texts = [Word("x" * 1000, 0.0, 1.0)] * 100
    with open_journal(limit=500_000) as journal:
        for number in range(20):
            media = tmp_path / f"{number}.mkv"
            media.write_bytes(bytes(number + 1))
            film = journal.record(media, 0, "weights", 0)
            film.recall(window(0, number / 100))
            film.store(window(0, number / 100), texts)
        names = [Path(entry.media).stem for entry in journal.entries()]
        assert (
            names == [str(number) for number in range(19, 19 - len(names), -1)]
            and 2 <= len(names) <= 6
        )
        assert journal.prune(0) == len(names)
        assert journal.ask("SELECT count(*) FROM windows") == [(0,)]
    assert journal_path().stat().st_size < 100_000


def test_windows_shared_by_two_films_survive_the_older_one(tmp_path: Path) -> None:
    with open_journal() as journal:
        for name in ("a.mkv", "b.mkv"):
            (tmp_path / name).write_bytes(name.encode())
            film = journal.record(tmp_path / name, 0, "weights", 0)
            if film.recall(window(0)) is None:
                film.store(window(0), WORDS)
        journal.ask(
            "DELETE FROM windows WHERE film = (SELECT id FROM films WHERE media LIKE '%a.mkv')"
        )
        assert film.recall(window(0)) == WORDS


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


def test_a_journal_with_check_sums_is_still_used(media: Path) -> None:
    journal_path().parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(journal_path()) as database:
        database.executescript(
            "CREATE TABLE films (id INTEGER PRIMARY KEY, key BLOB UNIQUE, media TEXT, model TEXT,"
            " used REAL, layout TEXT, check_sum INTEGER);"
            "CREATE TABLE windows (key BLOB PRIMARY KEY, film INTEGER, words TEXT,"
            " check_sum INTEGER, error TEXT);"
            "INSERT INTO films (media, used) VALUES ('old.mkv', 1.0)"
        )
    database.close()
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0)
        assert film.recall(window(0)) is None
        film.store(window(0), WORDS)
        assert film.recall(window(0)) == WORDS
        assert [Path(entry.media).name for entry in journal.entries()] == ["film.mkv", "old.mkv"]


def test_two_processes_write_into_it_at_once(media: Path) -> None:
    with open_journal() as one, open_journal() as other:
        films = [journal.record(media, 0, "weights", 0) for journal in (one, other)]
        for number in range(50):
            film = films[number % 2]
            film.recall(window(number, number / 100))
            film.store(window(number, number / 100), WORDS)
        assert one.entries()[0].windows == 50


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


def test_real_weights_are_known_by_what_they_hold(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "one", tiny_checkpoint())
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert checkpoint_identity(tmp_path / "one") == checkpoint_identity(tmp_path / "two")
    weights = tmp_path / "two" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert checkpoint_identity(tmp_path / "one") != checkpoint_identity(tmp_path / "two")
    assert (
        lazy_model(tmp_path / "one", "cpu").identity
        == lazy_model(tmp_path / "one", "cpu").load().identity
    )


def test_another_number_format_may_find_other_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, tiny_checkpoint())
    usual = lazy_model(tmp_path, "cpu").identity
    monkeypatch.setenv("GPTASR_SUBS_PRECISION", "float32")
    assert lazy_model(tmp_path, "cpu").identity not in ("", usual)
    assert lazy_model(tmp_path, "cpu").identity == lazy_model(tmp_path, "cpu").load().identity


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


def test_what_is_on_record_is_listed_and_forgotten(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    program(folder)
    ended = program("cache")
    header, row = ended.out.splitlines()
    assert ended.code == 0 and header.split()[-1] == "FILE"
    assert "finished" in row and row.endswith(str(folder / "talk.wav"))
    assert "of at most 200 MiB" in ended.err
    assert program("cache", "prune").err == "Forgot 1 file.\n"
    assert len(program("cache").out.splitlines()) == 1
    program(folder, "--overwrite", "--no-journal")
    assert text_of(folder / "talk.en.srt") == SPOKEN and len(program("cache").out.splitlines()) == 1


def test_a_journal_of_nothing_remembers_nothing(media: Path) -> None:
    journal = Journal(None)
    assert journal.size() == 0 and journal.entries() == [] and journal.prune(0) == 0
    assert journal.record(media, 0, "weights", 0).finished() is None


def terms(*texts: str) -> Glossary:
    return Glossary(tuple(map(Term, texts)))


def read_with(glossary: Glossary, film: Path, journal: bool = True) -> tuple[str, int]:
    """The text of a film by a recogniser of short windows, and how many of them it was asked for.

    It was asked twice for each: without, and with the terms written.
    """
    recognizer = Hearing(max_seconds=4.0)
    document = recognize_file(film, recognizer, options=Options(journal=journal), glossary=glossary)
    return " ".join(word.text for word in document.words), len(recognizer.clip_seconds) // 2


def test_another_term_has_only_those_windows_read_again_in_which_it_may_be_spoken(
    tmp_path: Path,
) -> None:
    talk = [(3.0 * n + 1, text) for n, text in enumerate(["one", "Five.", "two", "Five.", "four"])]
    film = make_film(tmp_path / "talk.wav", talk, 15.0)
    assert read_with(Glossary(), film) == ("one Five. two Five. four", 5)
    assert read_with(terms("fIVE"), film) == ("one fIVE. two fIVE. four", 2)
    assert read_with(terms("Picard", "fIVE"), film) == ("one fIVE. two fIVE. four", 0)
    both = read_with(terms("fIVE", "ONE"), film)
    assert both == ("ONE fIVE. two fIVE. four", 1)
    assert both[0] == read_with(terms("fIVE", "ONE"), film, journal=False)[0]
    assert read_with(terms("Picard"), film) == ("one Five. two Five. four", 0)


def test_where_a_term_may_be_spoken_is_known_of_a_film_that_is_done(tmp_path: Path) -> None:
    film = make_film(tmp_path / "talk.wav", [(1.0, "one"), (3.0, "Five."), (8.0, "two")], 10.0)
    read_with(terms("two"), film)
    with open_journal() as journal:
        record = open_record(
            journal,
            film,
            info=probe(film),
            recognizer=Hearing(max_seconds=4.0).with_glossary(terms("two")),
            options=Options(),
            glossary=terms("two"),
        )
        found = record.finished()
        assert found is not None
        for text, times in {"Five": [3.0], "Picard": [], "TWO": [8.0]}.items():
            spans = record.windows_with(terms(text))
            assert len(spans) == len(times)
            for span, time in zip(spans, times, strict=True):
                assert span.start <= time < span.end


def test_what_the_journal_hears_goes_with_its_film(media: Path) -> None:
    with open_journal() as journal:
        film = journal.record(media, 0, "weights", 0, weights="weights")
        film.store(window(0), HeardWords(WORDS, WORDS, pack(np.zeros((2, 29), np.uint8))))
        assert journal.ask("SELECT count(*) FROM sounds") == [(1,)]
        (entry,) = journal.entries()
        assert entry.windows == 1
        journal.prune(0)
        assert journal.ask("SELECT count(*) FROM sounds") == [(0,)]


def test_damaged_sounds_have_a_window_read_again(media: Path) -> None:
    heard = HeardWords(WORDS, WORDS, pack(np.zeros((2, 29), np.uint8)))
    with open_journal() as journal:
        settings = {"weights": "weights", "glossary": terms("zzz")}
        film = journal.record(media, 0, "with zzz", 0, **settings)
        film.mark_failed(window(0), RuntimeError("too loud"))
        film.store(window(0), heard)
        assert journal.ask("SELECT count(*), count(error) FROM windows") == [(1, 0)]
        assert journal.record(media, 0, "with zzz", 0, **settings).recall(window(0)) == WORDS
        journal.ask("UPDATE sounds SET sounds = x'00'")
        assert journal.record(media, 0, "with zzz", 0, **settings).recall(window(0)) is None


def test_words_without_their_readings_do_not_count_where_those_are_wanted(tmp_path: Path) -> None:
    media = tmp_path / "film.wav"
    media.write_bytes(b"film")
    window = Window(Span(0.0, 1.0), np.ones(16, np.float32), (Span(0.0, 1.0),))
    with open_journal(path=tmp_path / "journal.sqlite3") as journal:
        plain = journal.record(media, 0, "model", 0)
        telling = journal.record(media, 0, "model", 0, readings=True)
        plain.store(window, [Word("one", 0.0, 0.5, 0.5)])
        assert telling.recall(window) is None
        read = [Word("one", 0.0, 0.5, 0.5, ("won", "wan"))]
        telling.store(window, read)
        assert telling.recall(window) == plain.recall(window) == read
