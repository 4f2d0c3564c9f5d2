"""Workers do each job once, whatever happens to them, and tell those who want to know."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gptasr_subs.errors import OutputError, QueueError
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import Job, Queue, State, open_queue
from gptasr_subs.jobs.worker import Worker, options_of
from gptasr_subs.pipeline.options import Options, Result
from tests.support.ended import Program, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, names_in

LONG_TALK = [(1.5 * n + 1, "one") for n in range(12)]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "queue")


def quiet() -> Hooks:
    return Hooks(notifiers={})


def worker(queue: Queue, model: FakeRecognizer | None = None, **settings: object) -> Worker:
    return Worker(
        queue, model or FakeRecognizer(), hooks=settings.pop("hooks", quiet()), **settings
    )  # type: ignore[arg-type]


def test_a_job_ends_as_a_subtitle_with_its_own_options(
    queue: Queue, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "subs").mkdir()
    queue.add(folder / "talk.wav", {"formats": ["vtt"], "output_dir": str(tmp_path / "subs")})
    worker(queue).run()
    assert queue.jobs()[0].state is State.DONE
    assert text_of(tmp_path / "subs" / "talk.en.vtt") == SPOKEN and names_in(folder) == ["talk.wav"]


def test_what_is_there_is_skipped_and_why_is_kept(queue: Queue, folder: Path) -> None:
    (folder / "talk.en.sdh.srt").write_text("mine")
    queue.add(folder / "talk.wav")
    worker(queue).run()
    (job,) = queue.jobs()
    assert (
        job.state is State.SKIPPED
        and job.reason == "subtitle file: 'talk.en.sdh.srt' is there already"
    )


def test_no_media_fails_at_once_and_a_full_disk_is_tried_again(
    queue: Queue, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bad.mkv").write_text("text")
    queue.add(folder / "bad.mkv")
    worker(queue).run()
    assert queue.jobs()[0].state is State.FAILED and "no media" in queue.jobs()[0].reason

    def full(*_: object, **__: object) -> Result:
        raise OutputError("the disk is full")

    monkeypatch.setattr("gptasr_subs.jobs.worker.subtitle", full)
    queue.add(folder / "talk.wav")
    worker(queue).run()
    job = queue.jobs()[0]
    assert (job.state, job.attempts, job.reason) == (State.WAITING, 1, "the disk is full")


def test_two_films_do_not_share_one_file_of_subtitles(queue: Queue, tmp_path: Path) -> None:
    """The second has no subtitles, so it is not "done already"."""
    for name in ("one", "two", "subs"):
        (tmp_path / name).mkdir()
    films = [make_film(tmp_path / name / "e1.wav") for name in ("one", "two")]
    for film in films:
        queue.add(film)
    worker(queue, options=Options(output_dir=tmp_path / "subs")).run()
    states = {job.path: (job.state, job.reason) for job in queue.jobs()}
    assert states[films[0]][0] is State.DONE and states[films[1]][0] is State.FAILED
    assert (
        f"the same 'e1.en.srt' as '{films[0]}'; give each folder its own --output-dir"
        in states[films[1]][1]
    )
    films[0].unlink()
    (tmp_path / "subs" / "e1.en.srt").unlink()
    queue.retry(next(job.id for job in queue.jobs(State.FAILED)))
    worker(queue, options=Options(output_dir=tmp_path / "subs")).run()
    assert {job.state for job in queue.jobs()} == {State.DONE}


def test_a_file_that_is_gone_takes_its_job_along(queue: Queue, folder: Path) -> None:
    queue.add(folder / "nix.mkv")
    worker(queue).run()
    assert (queue.jobs()[0].state, queue.jobs()[0].reason) == (State.CANCELLED, "the file is gone")


def test_a_file_replaced_while_it_waits_is_done_as_it_is_then(queue: Queue, folder: Path) -> None:
    queue.add(folder / "talk.wav")
    make_film(folder / "new.wav", [(1.0, "two")], 3.0).replace(folder / "talk.wav")
    worker(queue).run()
    assert text_of(folder / "talk.en.srt") == "two"


def test_options_that_there_are_not_are_refused(queue: Queue) -> None:
    job = queue.add("a", {"colour": "red"})
    with pytest.raises(QueueError, match="what there is not: colour"):
        options_of(job, Options())
    job = queue.add("b", {"norms": {"max_chars": 30}, "formats": ["txt"]})
    options = options_of(job, Options(language="de"))
    assert (options.norms.max_chars, options.formats, options.language) == (30, ("txt",), "de")


class Acting(FakeRecognizer):
    """Does something when its third window is asked for."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act, self._windows = act, 0

    def transcribe(self, clips, *, batch_size=0, beams=0):  # type: ignore[no-untyped-def]
        for index, clip in enumerate(clips):
            self._windows += 1
            if self._windows == 3:
                self._act()
            yield index, next(super().transcribe([clip]))[1]


def test_a_stopped_worker_leaves_the_rest_to_the_next_one(queue: Queue, tmp_path: Path) -> None:
    film = make_film(tmp_path / "long.wav", LONG_TALK, 19.0)
    queue.add(film)
    stopping = worker(queue, model := Acting(lambda: stopping.stop()))
    stopping.run()
    assert len(model.clip_seconds) == 3
    assert (queue.jobs()[0].state, queue.jobs()[0].attempts) == (State.WAITING, 0)
    assert not film.with_name("long.en.srt").exists()
    model.name = "fake"
    worker(queue, again := Acting(lambda: None)).run()
    assert len(again.clip_seconds) == len(LONG_TALK) - 3
    assert queue.jobs()[0].state is State.DONE


def test_a_cancelled_job_stops_while_it_runs(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasr_subs.jobs.worker.LEASE", 0.06)
    film = make_film(tmp_path / "long.wav", LONG_TALK, 19.0)
    job = queue.add(film)
    refused: list[Job] = []
    noticed = threading.Event()

    def beat(self: Queue, held: Job) -> bool:
        alive = original(self, held)
        if not alive:
            refused.append(held)
        if len(refused) > 1:  # the worker has seen the first refusal before it asks again
            noticed.set()
        return alive

    original = Queue.heartbeat
    monkeypatch.setattr(Queue, "heartbeat", beat)

    def cancel() -> None:
        queue.cancel(job.id)
        assert noticed.wait(60)

    worker(queue, model := Acting(cancel)).run()
    assert queue.get(job.id).state is State.CANCELLED and 3 <= len(model.clip_seconds) < len(
        LONG_TALK
    )
    assert not film.with_name("long.en.srt").exists()


def test_commands_and_notifiers_get_the_facts(queue: Queue, folder: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    facts = tmp_path / "facts"
    hooks = Hooks(
        f"env > '{facts}'",
        f"echo \"$GPTASR_MEDIA $GPTASR_REASON\" > '{facts}.bad'",
        {"mine": events.append},
    )
    (folder / "bad 'n'.mkv").write_text("text")
    queue.add(folder / "talk.wav")
    queue.add(folder / "bad 'n'.mkv")
    worker(queue, hooks=hooks).run()
    noted = dict(line.partition("=")[::2] for line in facts.read_text().splitlines())
    assert noted["GPTASR_STATE"] == "done" and noted["GPTASR_MEDIA"] == str(folder / "talk.wav")
    assert noted["GPTASR_OUTPUTS"] == str(folder / "talk.en.srt")
    assert float(noted["GPTASR_SECONDS"]) == pytest.approx(8, abs=0.1)
    complaint = Path(f"{facts}.bad").read_text()
    assert complaint.startswith(f"{folder / 'bad'} 'n'.mkv ") and "no media" in complaint
    assert [event.state for event in events] == ["done", "failed"]


def test_the_plain_command_tells_too(
    program: Program, fake: FakeRecognizer, folder: Path, tmp_path: Path
) -> None:
    (folder / "bad.mkv").write_text("text")
    noted = tmp_path / "noted"
    command = f"echo $GPTASR_STATE $GPTASR_MEDIA >> '{noted}'"
    assert program(folder, "--on-done", command, "--on-error", command).code == 1
    assert noted.read_text().splitlines() == [
        f"failed {folder / 'bad.mkv'}",
        f"done {folder / 'talk.wav'}",
    ]


def test_a_broken_hook_is_reported_and_breaks_nothing(
    queue: Queue, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError("oh")

    queue.add(folder / "talk.wav")
    worker(queue, hooks=Hooks("echo broken >&2; exit 3", "", {"theirs": broken})).run()
    assert queue.jobs()[0].state is State.DONE
    assert [record.getMessage() for record in caplog.records] == [
        "The command 'echo broken >&2; exit 3' failed with exit code 3: broken",
        f"The notifier theirs failed on {str(folder / 'talk.wav')!r} (ZeroDivisionError: oh).",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_two_workers_one_killed_do_a_hundred_jobs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gptasr_subs.jobs.queue.LEASE", 4.0)
    monkeypatch.setattr("gptasr_subs.jobs.worker.LEASE", 4.0)
    monkeypatch.setattr("gptasr_subs.jobs.worker.decide", lambda film: _Passed)
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def subtitle(media: Path, *_: object, **__: object) -> Result:
        if multiprocessing.current_process().name == "doomed" and media.stem == "7":
            theirs.send("in the middle")
            signal.pause()  # until it is killed
        with log.open("a") as file:
            file.write(f"{media.name}\n")
        return Result(media, (media,), (), None, 0.0, 0.0)

    monkeypatch.setattr("gptasr_subs.jobs.worker.subtitle", subtitle)
    path = tmp_path / "queue"
    with open_queue(path) as queue:
        for number in range(100):
            (tmp_path / f"{number}.mkv").write_bytes(b"x")
            queue.add(tmp_path / f"{number}.mkv", priority=1 if number == 7 else 0)

    def work() -> None:
        with open_queue(path) as own:
            worker(own).run(lambda: not own.jobs(State.WAITING, State.RUNNING), longest_wait=0.05)

    doomed = context.Process(target=work, name="doomed")
    doomed.start()
    assert ours.recv() == "in the middle"
    other = context.Process(target=work, name="other")
    other.start()
    doomed.kill()
    doomed.join()
    assert doomed.exitcode == -signal.SIGKILL
    other.join()
    assert sorted(log.read_text().split()) == sorted(f"{number}.mkv" for number in range(100))
    with open_queue(path) as queue:
        assert {job.state for job in queue.jobs()} == {State.DONE}
        assert [job.attempts for job in queue.jobs() if job.path.name == "7.mkv"] == [2]


class _Passed:
    passed = True


def test_jobs_are_added_listed_shown_run_retried_and_cancelled(
    program: Program, fake: FakeRecognizer, folder: Path
) -> None:
    (folder / "bad.mkv").write_text("text")
    added = program("jobs", "add", folder, "--priority", "3")
    assert added.code == 0 and added.err.count("job ") == 2
    assert [line.split()[1] for line in program("jobs", "list").out.splitlines()[1:]] == [
        "waiting",
        "waiting",
    ]
    assert '"priority": 3' in program("jobs", "show", "1").out
    ran = program("jobs", "run")
    assert ran.code == 1 and "talk.en.srt" in ran.err and "no media" in ran.err
    assert text_of(folder / "talk.en.srt") == SPOKEN
    failed = program("jobs", "list", "--state", "failed").out.splitlines()
    assert len(failed) == 2 and "bad.mkv" in failed[1]
    assert program("jobs", "retry", failed[1].split()[0]).err.endswith("waiting.\n")
    assert program("jobs", "cancel", failed[1].split()[0]).err.endswith("cancelled.\n")
    assert (
        program("jobs", "show", "99").code == 1
        and program("jobs", "list", "--state", "nix").code == 2
    )
    assert program("jobs", "add", folder / "nix.mkv").code == 1
