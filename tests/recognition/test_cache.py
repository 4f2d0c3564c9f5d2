"""The journal gives back what it was given, as long as everything that decides it is the same."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from gptasr_subs.model.checkpoint import save_checkpoint
from gptasr_subs.model.files import checkpoint_identity
from gptasr_subs.recognition import cache as module
from gptasr_subs.recognition.cache import Journal, journal_path, open_journal
from gptasr_subs.recognition.loading import lazy_model
from gptasr_subs.recognition.transcript import RecognizedWindow, Transcript
from gptasr_subs.speech.segmentation import Window
from gptasr_subs.types import Span, Word
from tests.support.ended import Program, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN
from tests.support.tiny import tiny_checkpoint
from tests.support.windows import WORDS, window


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
