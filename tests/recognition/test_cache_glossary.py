"""Another glossary has only those windows read again in which a term may be spoken."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gptasr_subs.glossary.terms import Glossary, Term
from gptasr_subs.media.probe import probe
from gptasr_subs.model.decoding.spotting import pack
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.recognize import open_record, recognize_file
from gptasr_subs.recognition.cache import open_journal
from gptasr_subs.recognition.transcript import WordsWithSounds
from tests.support.fake_recognizer import Hearing
from tests.support.films import make_film
from tests.support.windows import WORDS, window


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
        film.store(window(0), WordsWithSounds(WORDS, WORDS, pack(np.zeros((2, 29), np.uint8))))
        assert journal.ask("SELECT count(*) FROM sounds") == [(1,)]
        (entry,) = journal.entries()
        assert entry.windows == 1
        journal.prune(0)
        assert journal.ask("SELECT count(*) FROM sounds") == [(0,)]


def test_damaged_sounds_have_a_window_read_again(media: Path) -> None:
    words = WordsWithSounds(WORDS, WORDS, pack(np.zeros((2, 29), np.uint8)))
    with open_journal() as journal:
        settings = {"weights": "weights", "glossary": terms("zzz")}
        film = journal.record(media, 0, "with zzz", 0, **settings)
        film.mark_failed(window(0), RuntimeError("too loud"))
        film.store(window(0), words)
        assert journal.ask("SELECT count(*), count(error) FROM windows") == [(1, 0)]
        assert journal.record(media, 0, "with zzz", 0, **settings).recall(window(0)) == WORDS
        journal.ask("UPDATE sounds SET sounds = x'00'")
        assert journal.record(media, 0, "with zzz", 0, **settings).recall(window(0)) is None
