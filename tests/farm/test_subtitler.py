"""What a worker does with a film: subtitles as on one machine, or an answer that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptasr_subs.errors import ModelError
from gptasr_subs.farm.cluster import FilmActor
from gptasr_subs.farm.films import Answer, Film, Halted, Outcome, Unfit
from gptasr_subs.farm.subtitler import Subtitler
from gptasr_subs.jobs.rules import Limits
from gptasr_subs.pipeline.options import Options
from gptasr_subs.recognition.loading import LazyRecognizer
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.storage.files import atomic_replace
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import TALK, make_film, names_in

OPTIONS = Options(journal=False)


def work(
    film: Path,
    load: Callable[[], Recognizer] = FakeRecognizer,
    stopped: bool = False,
    limits: Limits | None = None,
) -> Answer:
    subtitler = Subtitler(LazyRecognizer(load, "fake"))
    return subtitler(Film(1, str(film), OPTIONS, limits), lambda: stopped)


def test_an_outcome_has_the_facts(folder: Path) -> None:
    answer = work(folder / "talk.wav")
    assert isinstance(answer, Outcome)
    event = answer.event
    assert (event.state, event.outputs) == ("done", (folder / "talk.en.srt",))
    assert (event.words, event.confidence) == (5, pytest.approx(0.9))
    assert event.seconds == pytest.approx(8.0, abs=0.1) and event.elapsed > 0
    again = work(folder / "talk.wav")
    assert isinstance(again, Outcome) and again.event.state == "skipped"


def test_a_film_that_is_stopped_is_left_as_it_was(folder: Path) -> None:
    assert work(folder / "talk.wav", stopped=True) == Halted()
    assert names_in(folder) == ["talk.wav"]


def test_a_worker_without_a_model_is_unfit_and_still_skips_what_is_there(folder: Path) -> None:
    def fail() -> Recognizer:
        raise ModelError("There is no model here.")

    assert work(folder / "talk.wav", fail) == Unfit("There is no model here.")
    (folder / "talk.en.srt").write_text("mine")
    answer = work(folder / "talk.wav", fail)
    assert isinstance(answer, Outcome) and answer.event.state == "skipped"


def test_what_can_never_be_read_is_final_and_what_may_pass_is_not(folder: Path) -> None:
    (folder / "bad.mkv").write_text("text")
    bad = work(folder / "bad.mkv")
    assert isinstance(bad, Outcome) and (bad.event.state, bad.is_final) == ("failed", True)

    def broken() -> Recognizer:
        return FakeRecognizer(fails=RuntimeError("out of memory"))

    answer = work(folder / "talk.wav", broken)
    assert isinstance(answer, Outcome) and not answer.is_final
    assert answer.event.reason == "RuntimeError: out of memory"


def test_rules_hold_where_there_are_any(folder: Path) -> None:
    answer = work(folder / "talk.wav", limits=Limits(min_seconds=60.0))
    assert isinstance(answer, Outcome) and answer.event.state == "skipped"
    assert "less than the 60 s asked for" in answer.event.reason


def test_warnings_come_along(tmp_path: Path) -> None:
    (tmp_path / "GLOSSARY.txt").write_text("Picard\n")
    make_film(tmp_path / "talk.wav", TALK)
    answer = work(tmp_path / "talk.wav")
    assert isinstance(answer, Outcome)
    assert any("GLOSSARY.txt' is used" in remark for remark in answer.remarks)


def test_what_a_dead_worker_left_is_removed(folder: Path) -> None:
    with pytest.raises(SystemExit), atomic_replace(folder / "talk.en.srt") as half:
        half.rename(folder / "kept")
        raise SystemExit
    (folder / "kept").rename(half)
    work(folder / "talk.wav")
    assert names_in(folder) == ["talk.en.srt", "talk.wav"]


def test_an_actor_halts_the_film_that_it_is_told_and_does_the_next(folder: Path) -> None:
    def make() -> Callable[[Film, Callable[[], bool]], Answer]:
        def watched(film: Film, stopped: Callable[[], bool]) -> Answer:
            if film.job == 1:
                actor.halt(1)
            return Subtitler(LazyRecognizer(FakeRecognizer, "fake"))(film, stopped)

        return watched

    actor = FilmActor(make)
    assert actor.do(Film(1, str(folder / "talk.wav"), OPTIONS)) == Halted()
    answer = actor.do(Film(2, str(folder / "talk.wav"), OPTIONS))
    assert isinstance(answer, Outcome) and answer.event.state == "done"
