"""Films that arrive in a watched folder, however: good ones subtitled once, bad ones reported."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gptasr_subs.errors import UsageError
from gptasr_subs.jobs.arrivals import Arrivals
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import Job, State, open_queue
from gptasr_subs.jobs.watcher import Watcher
from gptasr_subs.jobs.worker import Worker
from gptasr_subs.pipeline.options import Options
from tests.support.ended import Program, text_of
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import SPOKEN, make_film, names_in
from tests.support.processes import REPOSITORY, WAITING, posix, start

DEADLINE = 120.0  # seconds after which something is broken


_looked = threading.Condition()  # notified whenever a watcher looks at what has arrived


class ObservedArrivals(Arrivals):
    """Arrivals that notify at each look of the watcher."""

    def complete(self) -> list[Path]:
        with _looked:
            _looked.notify_all()
        return super().complete()


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, asked at each look of the watcher; fails after the deadline."""
    with _looked:
        assert _looked.wait_for(condition, DEADLINE), "it did not happen in time"


@contextmanager
def watching(root: Path, queue_path: Path, poll: float = 0.0) -> Iterator[Watcher]:
    arrivals = ObservedArrivals(stable_seconds=0.3, patience=1.0)
    watcher = Watcher([root], queue_path, arrivals=arrivals, poll=poll, tick=0.05)
    before = set(threading.enumerate())
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop()
    assert set(threading.enumerate()) <= before | {threading.main_thread()}


def open_paths(queue_path: Path) -> dict[str, str]:
    with open_queue(queue_path) as queue:
        return {job.path.name: job.state.value for job in queue.jobs()}


def test_films_of_one_name_all_reach_the_queue(tmp_path: Path) -> None:
    """Though the subtitles of one are there: the worker tells whose they are."""
    for name in ("lib/one", "lib/two", "subs"):
        (tmp_path / name).mkdir(parents=True)
    films = [make_film(tmp_path / "lib" / name / "e1.wav") for name in ("one", "two")]
    (tmp_path / "subs" / "e1.en.srt").write_text("of one of them")
    options = Options(output_dir=tmp_path / "subs")
    arrivals = ObservedArrivals(stable_seconds=0.1)
    watcher = Watcher(
        [tmp_path / "lib"], tmp_path / "queue", options=options, arrivals=arrivals, tick=0.05
    )
    watcher.start()
    try:
        wait_for(watcher.is_idle)
    finally:
        watcher.stop()
    with open_queue(tmp_path / "queue") as queue:
        assert [job.path in films for job in queue.jobs()] == [True]


@pytest.mark.parametrize("poll", [0.0, 0.1])
def test_what_is_there_what_comes_and_what_moves_is_queued_once(
    poll: float, tmp_path: Path
) -> None:
    root, queue_path = tmp_path / "films", tmp_path / "queue"
    (root / "season").mkdir(parents=True)
    make_film(root / "season" / "there.wav")
    make_film(root / "subtitled.wav")
    (root / "subtitled.en.srt").write_text("mine")
    with watching(root, queue_path, poll):
        wait_for(lambda: open_paths(queue_path) == {"there.wav": "waiting"})
        make_film(tmp_path / "new.wav").rename(root / "new.wav.part").rename(root / "new.wav")
        (root / "deeper" / "still").mkdir(parents=True)
        make_film(root / "deeper" / "still" / "deep.wav")
        wait_for(lambda: set(open_paths(queue_path)) == {"there.wav", "new.wav", "deep.wav"})
        (root / "new.wav").rename(root / "season" / "renamed.wav")
        (root / "deeper" / "still" / "deep.wav").unlink()
        wait_for(lambda: open_paths(queue_path).get("deep.wav") == "cancelled")
        wait_for(lambda: open_paths(queue_path).get("renamed.wav") == "waiting")
        make_film(tmp_path / "outside.wav").rename(root / "inside.wav")
        wait_for(lambda: open_paths(queue_path).get("inside.wav") == "waiting")
    with open_queue(queue_path) as queue:
        waiting = Counter(job.path.name for job in queue.jobs(State.WAITING))
    assert {
        name: waiting[name] for name in ("there.wav", "renamed.wav", "inside.wav")
    } == dict.fromkeys(("there.wav", "renamed.wav", "inside.wav"), 1)
    assert waiting["subtitled.wav"] == 0


def test_a_film_that_moves_takes_its_subtitles_along(tmp_path: Path) -> None:
    root, queue_path = tmp_path / "films", tmp_path / "queue"
    (root / "to").mkdir(parents=True)
    make_film(root / "a.wav")
    for name in ("a.en.srt", "a.en.sdh.vtt", "a.de.srt", "a.srt", "ab.en.srt"):
        (root / name).write_text("mine")
    with watching(root, queue_path):
        (root / "a.wav").rename(root / "to" / "b.wav")
        wait_for(
            lambda: all(
                (root / "to" / f"b{end}").exists()
                for end in (".en.srt", ".en.sdh.vtt", ".de.srt", ".srt")
            )
        )
        make_film(root / "last.wav")
        # and nothing of the film that moved
        wait_for(lambda: open_paths(queue_path) == {"last.wav": "waiting"})
    assert (root / "ab.en.srt").exists()


def test_a_bad_film_is_reported_once_across_restarts(tmp_path: Path) -> None:
    root, queue_path = tmp_path / "films", tmp_path / "queue"
    root.mkdir()
    (root / "bad.mkv").write_text("text")
    reported: list[Event] = []
    for _ in range(2):
        with watching(root, queue_path) as watcher, open_queue(queue_path) as queue:
            hooks = Hooks(notifiers={"us": reported.append})
            Worker(queue, FakeRecognizer(), hooks=hooks).run(watcher.is_idle, longest_wait=0.05)
    assert [event.state for event in reported] == ["failed"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        Watcher([tmp_path / "nix"], tmp_path / "queue")


class Tree:
    """Puts films into a tree in every way there is, and remembers the good and the bad ones."""

    def __init__(self, root: Path, outside: Path, seed: int) -> None:
        self._root, self._outside, self._chance = root, outside, random.Random(seed)
        self._film = make_film(outside / "film.mp4", [(0.3, "one"), (1.0, "two")], 2.0).read_bytes()
        self.good: dict[Path, float] = {}  # with the time when it was complete
        self.bad: dict[Path, float] = {}
        for number in range(5):
            (root / f"folder {number}").mkdir(parents=True)

    def add(self, number: int) -> None:
        """One more file, by the next way in turn."""
        ways = (
            self.copy_slowly,
            self.rename,
            self.move_across,
            self.truncate,
            self.copy_text,
            self.move_in,
        )
        path = self._root / f"folder {number % 5}" / f"film {number}.mp4"
        ways[number % len(ways)](path)

    def copy_slowly(self, path: Path) -> None:
        with path.open("wb") as file:
            for begin in range(0, len(self._film), 1 + len(self._film) // 5):
                file.write(self._film[begin : begin + 1 + len(self._film) // 5])
                file.flush()
                time.sleep(self._chance.random() * 0.1)  # as a slow disk does
        self.good[path] = time.time()

    def rename(self, path: Path) -> None:
        partial = path.with_name(f"{path.name}{self._chance.choice(['.part', '.!qB', '.tmp'])}")
        partial.write_bytes(self._film)
        partial.rename(path)
        self.good[path] = time.time()

    def move_across(self, path: Path) -> None:
        hidden = self._root / f"_UNPACK_{path.stem}"
        hidden.mkdir()
        (hidden / path.name).write_bytes(self._film)
        (hidden / path.name).rename(path)
        hidden.rmdir()
        self.good[path] = time.time()

    def truncate(self, path: Path) -> None:
        path.write_bytes(self._film[:3000])
        self.bad[path] = time.time()

    def copy_text(self, path: Path) -> None:
        path.write_text("no film at all\n" * 100)
        self.bad[path] = time.time()

    def move_in(self, path: Path) -> None:
        folder = self._outside / path.stem
        folder.mkdir()
        (folder / path.name).write_bytes(self._film)
        moved = folder.rename(self._root / folder.name)
        self.good[moved / path.name] = time.time()


def watch_a_tree(tmp_path: Path, files: int, seconds: float, poll: float) -> None:
    root, outside, queue_path = tmp_path / "films", tmp_path / "outside", tmp_path / "queue"
    outside.mkdir()
    tree = Tree(root, outside, seed=files)
    events: list[tuple[Event, float]] = []
    hooks = Hooks(notifiers={"us": lambda event: events.append((event, time.time()))})
    with watching(root, queue_path, poll) as watcher, open_queue(queue_path) as queue:
        over = threading.Event()

        def arrive() -> None:
            for number in range(files):
                tree.add(number)
                time.sleep(seconds / files * 0.5)  # the pace at which they come
            over.set()

        thread = threading.Thread(target=arrive)
        thread.start()
        worker = Worker(queue, FakeRecognizer(), hooks=hooks)
        deadline = time.monotonic() + DEADLINE + 10 * seconds

        def all_done() -> bool:
            assert time.monotonic() < deadline, "it did not end in time"
            reported = sum(event.state in ("done", "failed") for event, _ in events)
            return over.is_set() and reported >= files and watcher.is_idle()

        worker.run(all_done, longest_wait=0.05)
        thread.join()
    done = Counter(event.media for event, _ in events if event.state == "done")
    failed = Counter(event.media for event, _ in events if event.state == "failed")
    assert done == dict.fromkeys(tree.good, 1) and failed == dict.fromkeys(tree.bad, 1)
    assert {text_of(path.with_name(f"{path.stem}.en.srt")) for path in tree.good} == {"one two"}
    assert all(when >= {**tree.good, **tree.bad}[event.media] for event, when in events)
    names = {path for path in root.rglob("*") if path.is_file()}
    assert names == {
        *tree.good,
        *tree.bad,
        *(path.with_name(f"{path.stem}.en.srt") for path in tree.good),
    }


@pytest.mark.parametrize("poll", [0.0, 0.2])
def test_films_arrive_in_every_way_and_each_is_done_once(poll: float, tmp_path: Path) -> None:
    watch_a_tree(tmp_path, files=12, seconds=2.0, poll=poll)


@pytest.mark.slow
@pytest.mark.parametrize("poll", [0.0, 1.0])
def test_two_hundred_films_in_a_minute(poll: float, tmp_path: Path) -> None:
    watch_a_tree(tmp_path, files=200, seconds=60.0, poll=poll)


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_watch_and_the_job_goes_on_later(
    number: signal.Signals, folder: Path
) -> None:
    script = WAITING.replace("yield from ()", "yield from super().transcribe(clips, **options)")
    unblock = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    arguments = (REPOSITORY, "watch", folder, "--settle", "0.1")
    process = start(
        "-c", script, *arguments, stdin=subprocess.PIPE, stdout=-1, stderr=-1, **unblock
    )
    assert process.stdout and process.stdout.readline() == "working\n"
    process.send_signal(number)
    _, err = process.communicate("go on\n", timeout=DEADLINE)
    assert process.returncode == 0 and "Traceback" not in err
    with open_queue() as queue:
        (job,) = queue.jobs()
    assert (job.state, job.attempts) == (State.WAITING, 0) and isinstance(job, Job)
    assert names_in(folder) == ["talk.wav"]


def test_once_does_what_is_there_and_ends(program, fake: FakeRecognizer, folder: Path) -> None:  # type: ignore[no-untyped-def]
    make_film(folder / "other.wav")
    (folder / "bad.mkv").write_text("text")
    ended = program("watch", folder, "--once", "--settle", "0.1")
    assert ended.code == 1 and "no media" in ended.err
    assert text_of(folder / "talk.en.srt") == text_of(folder / "other.en.srt") == SPOKEN
    done = len(fake.asked)
    again = program("watch", folder, "--once", "--settle", "0.1", "--no-journal")
    assert len(fake.asked) == done and "talk.wav" not in again.err
    assert program("watch", folder / "nix").code == 2


def test_once_tells_by_its_exit_code_that_two_films_would_share_a_name(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    for season in ("S1", "S2"):
        (tmp_path / "lib" / season).mkdir(parents=True)
        make_film(tmp_path / "lib" / season / "Episode 1.wav")
    (tmp_path / "out").mkdir()
    options = ["--once", "--settle", "0.1", "--output-dir", tmp_path / "out"]
    ended = program("watch", tmp_path / "lib", *options)
    assert ended.code == 1 and "Episode 1.en.srt" in ended.err
    assert text_of(tmp_path / "out" / "Episode 1.en.srt") == SPOKEN
