"""What the recognition process recalls of films that others recognised."""

from __future__ import annotations

from pathlib import Path

from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.server.messages import Task
from gptasr_subs.server.worker import recalled
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film


class Plain(FakeRecognizer):
    identity = "fake"


class Telling(Plain):
    gives_readings = True


def test_a_film_that_was_recognised_without_readings_is_known(tmp_path: Path) -> None:
    task = Task(1, make_film(tmp_path / "film.wav"))
    assert recalled(task, Telling()) is None
    recognize_file(task.path, Plain())
    document = recalled(task, Telling())
    assert document and " ".join(word.text for word in document.words) == SPOKEN
