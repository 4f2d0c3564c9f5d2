"""The driver gives films to workers that wait; what is lost is done again, what failed is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs import __version__
from gptasr_subs.errors import FarmError
from gptasr_subs.farm.cluster import Answered, Lost, Message, Started
from gptasr_subs.farm.driver import Farm
from gptasr_subs.farm.films import Answer, Film, Halted, Node, Outcome, Unfit
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import MEMORY, Job, Queue, State
from gptasr_subs.pipeline.options import Options

Act = Callable[["Pretended", int, Film], Message | None]


def done(film: Film) -> Outcome:
    return Outcome(Event(Path(film.place), "done", seconds=60.0, elapsed=1.0))


class Pretended:
    """A cluster whose workers start at once and act as ``act`` says: a message, or None to work on.

    ``room`` is that of each node.
    """

    def __init__(self, room: dict[str, int], act: Act) -> None:
        self.room = room
        self.given: list[str] = []
        self.halted: list[int] = []
        self.at_work: dict[int, Film] = {}
        self.places: dict[int, str] = {}
        self.version = __version__
        self._act = act
        self._waiting: list[int] = []
        self._last = 0

    def nodes(self) -> dict[str, int]:
        return dict(self.room)

    def start(self) -> int:
        self._last += 1
        self._waiting.append(self._last)
        return self._last

    def give(self, worker: int, film: Film) -> None:
        assert worker in self.places and worker not in self.at_work
        self.given.append(Path(film.place).name)
        self.at_work[worker] = film

    def halt(self, worker: int, job: int) -> None:
        self.halted.append(job)

    def end(self, worker: int) -> None:
        self.at_work.pop(worker, None)
        self.places.pop(worker, None)
        if worker in self._waiting:
            self._waiting.remove(worker)

    def wait(self, seconds: float) -> list[Message]:
        messages = [*self._places_found(), *self._acts()]
        for message in messages:
            if isinstance(message, Lost):
                self.end(message.worker)
            elif isinstance(message, Answered):
                self.at_work.pop(message.worker, None)
        return messages

    def _places_found(self) -> Iterator[Message]:
        for worker in list(self._waiting):
            taken = Counter(self.places.values())
            free = [node for node, room in self.room.items() if taken[node] < room]
            if free:
                self._waiting.remove(worker)
                self.places[worker] = free[0]
                yield Started(worker, Node("host", free[0], self.version))

    def _acts(self) -> Iterator[Message]:
        for worker, film in list(self.at_work.items()):
            if self.places[worker] not in self.room:
                yield Lost(worker, "its node is gone")
            elif message := self._act(self, worker, film):
                yield message


class Reports:
    """What the driver reported of each film."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.reasons: dict[str, str] = {}
        self.nodes: set[str] = set()

    def __call__(self, job: Job, event: Event) -> None:
        self.events.append((job.path.name, event.state))
        self.reasons[job.path.name] = event.reason
        self.nodes.add(event.node)


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue(MEMORY)
    yield queue
    queue.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn of the driver looks at the nodes."""
    monkeypatch.setattr("gptasr_subs.farm.driver._TICK", 0.0)
    monkeypatch.setattr("gptasr_subs.farm.driver._LOOK", 0.0)


def farm(queue: Queue, cluster: Pretended, reports: Reports, **asked: object) -> Farm:
    return Farm(queue, cluster, hooks=Hooks(notifiers={}), report=reports, retry=False, **asked)  # type: ignore[arg-type]


def works(cluster: Pretended, worker: int, film: Film) -> Message:
    return Answered(worker, done(film))


@given(data=st.data(), films=st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_whatever_is_lost_each_film_is_over_once(data: st.DataObject, films: int) -> None:
    """Workers answer late, fail or die, nodes leave and join, in any order."""
    trouble = iter(data.draw(st.lists(st.sampled_from(["work", "fail", "die", "leave", "join"]))))
    names = iter("bcdefghijklmnopqrstuvwxyz" * 10)

    def act(cluster: Pretended, worker: int, film: Film) -> Message | None:
        kind = next(trouble, "done")
        if kind == "work":
            return None
        if kind == "die":
            return Lost(worker, "it died")
        if kind == "leave" and len(cluster.room) > 1:
            del cluster.room[cluster.places[worker]]
            return Lost(worker, "its node left")
        if kind == "join":
            cluster.room[next(names)] = 1
        if kind == "fail":
            return Answered(worker, Outcome(Event(Path(film.place), "failed", reason="bad")))
        return Answered(worker, done(film))

    queue = Queue(MEMORY)
    for number in range(films):
        queue.add(f"/films/{number}.mkv")
    reports = Reports()
    farm(queue, cluster := Pretended({"a": 2}, act), reports).run()
    assert Counter(name for name, _ in reports.events) == {f"{n}.mkv": 1 for n in range(films)}
    assert set(queue.counts()) <= {State.DONE, State.FAILED}
    assert all(count <= 3 for count in Counter(cluster.given).values())
    failed = {name for name, state in reports.events if state == "failed"}
    assert all(
        Counter(cluster.given)[name] == 3 or reports.reasons[name] == "bad" for name in failed
    )
    queue.close()


def test_long_films_come_first_and_lost_ones_before_all_others(queue: Queue) -> None:
    for name, seconds in [("short", 5), ("long", 900), ("middle", 60)]:
        queue.add(f"/films/{name}.mkv", priority=seconds)
    died: list[str] = []

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        if film.place.endswith("long.mkv") and not died:
            died.append(film.place)
            return Lost(worker, "it died")
        return Answered(worker, done(film))

    cluster = Pretended({"a": 1}, act)
    farm(queue, cluster, Reports()).run()
    assert cluster.given == ["long.mkv", "long.mkv", "middle.mkv", "short.mkv"]


def test_a_film_that_kills_its_workers_fails_after_its_tries(queue: Queue) -> None:
    for name in ("bad", "good"):
        queue.add(f"/films/{name}.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        return Lost(worker, "it died") if "bad" in film.place else Answered(worker, done(film))

    reports = Reports()
    farm(queue, cluster := Pretended({"a": 1}, act), reports, tries=2).run()
    assert cluster.given == ["bad.mkv", "bad.mkv", "good.mkv"]
    assert reports.events == [("bad.mkv", "failed"), ("good.mkv", "done")]
    assert reports.reasons["bad.mkv"] == "its worker was lost 2 times (it died)"


def test_an_error_of_the_film_is_not_tried_again(queue: Queue) -> None:
    queue.add("/films/a.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        event = Event(Path(film.place), "failed", reason="the disk is full")
        return Answered(worker, Outcome(event, is_final=False))

    farm(queue, cluster := Pretended({"a": 1}, act), reports := Reports()).run()
    assert cluster.given == ["a.mkv"] and reports.events == [("a.mkv", "failed")]


def test_the_queue_of_the_user_tries_again_later_as_it_does_alone(queue: Queue) -> None:
    queue.add("/films/a.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        event = Event(Path(film.place), "failed", reason="the disk is full")
        return Answered(worker, Outcome(event, is_final=False))

    driver = Farm(queue, Pretended({"a": 1}, act), hooks=Hooks(notifiers={}))
    driver.run()
    (job,) = queue.jobs()
    assert (job.state, job.attempts, job.reason) == (State.WAITING, 1, "the disk is full")


def test_two_films_of_one_name_do_not_write_at_once(queue: Queue) -> None:
    """The second waits for the first, and has then its subtitles there already."""
    for name in ("film.mkv", "film.mp4"):
        queue.add(f"/films/{name}")
    together: list[int] = []

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        together.append(len(cluster.at_work))
        return Answered(worker, done(film))

    farm(queue, Pretended({"a": 2}, act), reports := Reports()).run()
    assert together == [1] and reports.events == [("film.mkv", "done"), ("film.mp4", "skipped")]
    assert "the same 'film.en.srt' as '/films/film.mkv'" in reports.reasons["film.mp4"]
    queue.retry(2)
    farm(queue, Pretended({"a": 2}, act), reports := Reports()).run()
    assert reports.events == [("film.mp4", "done")]


def test_where_the_second_would_replace_those_of_the_first_it_fails(queue: Queue) -> None:
    for folder in ("a", "b"):
        queue.add(f"/films/{folder}/film.mkv")
    asked = Options(output_dir=Path("/subtitles"))
    farm(queue, Pretended({"a": 2}, works), reports := Reports(), options=asked).run()
    assert [state for _, state in reports.events] == ["done", "failed"]


def test_workers_are_no_more_than_films_and_room(queue: Queue) -> None:
    for number in range(5):
        queue.add(f"/films/{number}.mkv")
    most: list[int] = []

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        most.append(len(cluster.places))
        return Answered(worker, done(film))

    farm(queue, Pretended({"a": 2, "b": 1}, act), reports := Reports()).run()
    assert max(most) == 3 and len({*reports.nodes}) == 2
    for number in range(2):
        queue.add(f"/films/{number}.mkv")
    most.clear()
    farm(queue, Pretended({"a": 8}, act), Reports()).run()
    assert max(most) == 2


def test_a_worker_that_can_do_nothing_is_left_out(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        queue.add(f"/films/{number}.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        unfit = cluster.places[worker] == "b"
        return Answered(worker, Unfit("there is no model") if unfit else done(film))

    farm(queue, Pretended({"a": 1, "b": 1}, act), reports := Reports()).run()
    assert Counter(state for _, state in reports.events) == {"done": 4}
    assert [r.getMessage() for r in caplog.records] == [
        "A worker is left out, host/b: there is no model"
    ]
    assert {job.attempts for job in queue.jobs()} == {1}


@pytest.mark.parametrize("problem", ["model", "version"])
def test_where_no_worker_can_do_anything_the_run_ends(queue: Queue, problem: str) -> None:
    queue.add("/films/a.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message:
        return Answered(worker, Unfit("there is no model"))

    cluster = Pretended({"a": 2}, act)
    if problem == "version":
        cluster.version = "0.0.1"
    message = "there is no model" if problem == "model" else "host has version 0.0.1 of gptasr-subs"
    with pytest.raises(FarmError, match=f"No worker can do anything: .*{message}"):
        farm(queue, cluster, Reports()).run()
    assert queue.jobs()[0].state is State.WAITING and not cluster.places


def test_stop_lets_films_end_or_halt_and_leaves_the_rest(queue: Queue) -> None:
    for number in range(6):
        queue.add(f"/films/{number}.mkv")
    turns = 0

    def act(cluster: Pretended, worker: int, film: Film) -> Message | None:
        nonlocal turns
        turns += 1
        if turns == 4:
            driver.stop()
        if not cluster.halted:
            return None
        answer: Answer = Halted() if film.place.endswith("0.mkv") else done(film)
        return Answered(worker, answer)

    cluster = Pretended({"a": 2}, act)
    driver = farm(queue, cluster, reports := Reports())
    driver.run()
    assert reports.events == [("1.mkv", "done")] and not cluster.places
    assert queue.counts() == {State.DONE: 1, State.WAITING: 5}
    assert {job.attempts for job in queue.jobs(State.WAITING)} == {0}


def test_a_cancelled_job_is_halted(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptasr_subs.farm.driver.LEASE", 0.0)
    job = queue.add("/films/a.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message | None:
        queue.cancel(job.id)
        return Answered(worker, Halted()) if cluster.halted else None

    farm(queue, Pretended({"a": 1}, act), reports := Reports()).run()
    assert queue.jobs()[0].state is State.CANCELLED and reports.events == []


def test_workers_that_wait_on_a_node_that_left_get_no_film(queue: Queue) -> None:
    """Else a film could lose all its tries with workers that are long gone."""
    for number in range(4):
        queue.add(f"/films/{number}.mkv")

    def act(cluster: Pretended, worker: int, film: Film) -> Message | None:
        if film.place.endswith("3.mkv") and "a" in cluster.room and len(cluster.given) == 4:
            del cluster.room["a"]
            cluster.room["b"] = 1
            return Lost(worker, "its node left")
        return Answered(worker, done(film))

    cluster = Pretended({"a": 4}, act)
    farm(queue, cluster, reports := Reports(), tries=2).run()
    assert Counter(state for _, state in reports.events) == {"done": 4}
    assert Counter(cluster.given)["3.mkv"] == 2
