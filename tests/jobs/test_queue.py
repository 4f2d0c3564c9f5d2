"""A queue that survives everything, and in which no film is worked on twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from gptasr_subs.errors import QueueError
from gptasr_subs.jobs.queue import (
    FIRST_DELAY,
    LEASE,
    MAX_ATTEMPTS,
    Job,
    Queue,
    State,
    open_queue,
    queue_path,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Queue:
    return Queue(tmp_path / "queue", clock)


def take(queue: Queue, worker: str = "me") -> Job:
    job = queue.claim(worker)
    assert job is not None
    return job


def test_a_job_is_there_after_everything_was_closed(tmp_path: Path) -> None:
    with open_queue() as queue:
        added = queue.add("film.mkv", {"formats": ["srt"]}, priority=2)
    with open_queue() as queue:
        (job,) = queue.jobs()
    assert job == added and queue_path().exists()
    assert (job.path, job.options, job.priority) == (
        Path("film.mkv").absolute(),
        {"formats": ["srt"]},
        2,
    )
    assert (job.state, job.attempts, job.reason) == (State.WAITING, 0, "")


def test_names_of_any_bytes_come_back(queue: Queue) -> None:
    name = os.fsdecode(b"/films/caf\xe9 \xf0\x9f\x8e\xac\n.mkv")
    assert queue.add(name).path == Path(name) == queue.jobs()[0].path


def test_open_films_are_not_added_twice_but_finished_ones_are(queue: Queue) -> None:
    first = queue.add("a.mkv", {"language": "en"}, priority=1)
    again = queue.add("a.mkv", {"language": "de"})
    assert (again.id, again.priority, again.options) == (first.id, 1, {"language": "de"})
    job = take(queue)
    assert queue.add("a.mkv", {"language": "fr"}).options == {
        "language": "de"
    }  # it runs with those it began with
    queue.finish(job, State.DONE)
    assert queue.add("a.mkv").id != first.id
    assert len(queue.jobs()) == 2


def test_jobs_are_counted_by_state(queue: Queue) -> None:
    for name in ("a.mkv", "b.mkv", "c.mkv"):
        queue.add(name)
    queue.finish(take(queue), State.DONE)
    assert queue.counts() == {State.WAITING: 2, State.DONE: 1}


def test_higher_priorities_come_first_then_those_that_came_first(
    queue: Queue, clock: Clock
) -> None:
    for name, priority in [("a", 0), ("b", 0), ("c", 5), ("d", 5)]:
        clock.now += 1
        queue.add(name, priority=priority)
    assert [job.path.name for job in queue.jobs()] == ["c", "d", "a", "b"]
    assert [take(queue).path.name for _ in range(4)] == ["c", "d", "a", "b"]
    assert queue.claim("me") is None


def test_failures_are_tried_again_later_and_later_and_then_given_up(
    queue: Queue, clock: Clock
) -> None:
    queue.add("a")
    for attempt in range(1, MAX_ATTEMPTS):
        queue.fail(take(queue), "the disk is full", retry=True)
        (job,) = queue.jobs(State.WAITING)
        assert job.attempts == attempt and job.reason == "the disk is full"
        assert job.due - clock.now == FIRST_DELAY * 4 ** (attempt - 1)
        clock.now = job.due - 1
        assert queue.claim("me") is None
        clock.now = job.due
    queue.fail(take(queue), "the disk is full", retry=True)
    (job,) = queue.jobs(State.FAILED)
    assert job.reason == "the disk is full"
    assert queue.retry(job.id).attempts == 0 and take(queue).id == job.id


def test_what_cannot_get_better_is_given_up_at_once(queue: Queue) -> None:
    queue.add("a")
    queue.fail(take(queue), "no media", retry=False)
    assert queue.jobs()[0].state is State.FAILED


def test_a_silent_worker_loses_its_job(queue: Queue, clock: Clock) -> None:
    queue.add("a")
    job = take(queue, "dead")
    clock.now += LEASE - 1
    assert queue.claim("other") is None and queue.heartbeat(job)
    clock.now += LEASE - 1
    assert queue.claim("other") is None
    clock.now += 2
    taken = take(queue, "other")
    assert (taken.id, taken.attempts, taken.worker) == (job.id, 2, "other")
    assert not queue.heartbeat(job)
    queue.finish(job, State.DONE)  # the dead one wakes up again; it has no say any more
    assert queue.get(job.id).state is State.RUNNING and queue.heartbeat(taken)


def test_a_job_that_kills_its_workers_is_given_up(queue: Queue, clock: Clock) -> None:
    queue.add("a")
    for _ in range(MAX_ATTEMPTS):
        take(queue)
        clock.now += LEASE + 1
    assert queue.claim("me") is None
    assert queue.jobs()[0].state is State.FAILED and "without a word" in queue.jobs()[0].reason


def test_a_worker_that_stops_gives_its_job_back_unharmed(queue: Queue) -> None:
    queue.add("a")
    queue.release(take(queue), "stopped")
    assert (queue.jobs()[0].state, queue.jobs()[0].attempts) == (State.WAITING, 0)
    assert take(queue).attempts == 1


def test_a_cancelled_job_stops_and_stays_out(queue: Queue) -> None:
    waiting, running = queue.add("a"), queue.add("b", priority=1)
    job = take(queue)
    assert queue.cancel(running.id).state is State.CANCELLED and not queue.heartbeat(job)
    queue.fail(job, "stopped", retry=True)
    assert queue.get(running.id).state is State.CANCELLED
    queue.cancel(waiting.id)
    assert queue.claim("me") is None
    assert queue.retry(waiting.id).state is State.WAITING


def test_moved_and_deleted_files_take_their_job_along(queue: Queue) -> None:
    queue.add("a")
    queue.move(Path("a"), Path("b"))
    assert [job.path.name for job in queue.jobs()] == ["b"]
    queue.cancel_path(Path("b"), "deleted")
    assert (queue.jobs()[0].state, queue.jobs()[0].reason) == (State.CANCELLED, "deleted")


def test_what_cannot_be_is_said(queue: Queue, tmp_path: Path) -> None:
    with pytest.raises(QueueError, match="no job 7"):
        queue.get(7)
    job = queue.add("a")
    take(queue)
    with pytest.raises(QueueError, match="is running"):
        queue.retry(job.id)
    queue.cancel(job.id)
    queue.add("a")
    with pytest.raises(QueueError, match="waits already as another job"):
        queue.retry(job.id)
    (tmp_path / "damaged").write_bytes(b"no database" * 100)
    with pytest.raises(QueueError, match="cannot be used"):
        Queue(tmp_path / "damaged")
    with pytest.raises(QueueError, match="cannot be used"):
        Queue(tmp_path / "damaged" / "below")


def test_many_workers_at_once_take_each_job_once(tmp_path: Path) -> None:
    path = tmp_path / "queue"
    with open_queue(path) as queue:
        for number in range(60):
            queue.add(f"{number}.mkv")
    taken: list[int] = []

    def work(name: str) -> None:
        with open_queue(path) as own:
            while job := own.claim(name):
                taken.append(job.id)
                own.finish(job, State.DONE)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 61))
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_released_job_stands_before_those_that_came_later(queue: Queue) -> None:
    for name in ("a", "b"):
        queue.add(name)
    for attempts in (1, 2):
        job = take(queue)
        assert (job.path.name, job.attempts) == ("a", attempts)
        queue.release(job, "its worker was lost", counts=True)
    queue.release(take(queue), "its worker was stopped")
    assert (queue.get(1).attempts, queue.get(1).reason) == (2, "its worker was stopped")


def test_what_is_due_are_the_jobs_that_could_be_claimed(queue: Queue, clock: Clock) -> None:
    for name in ("a", "b", "c"):
        queue.add(name)
    assert (queue.due(), queue.due(2)) == (3, 2)
    queue.fail(take(queue), "bad", retry=True)
    take(queue)
    assert queue.due() == 1
    clock.now += max(FIRST_DELAY, LEASE) + 1
    assert queue.due() == 3


def test_an_address_stays_as_it_is(queue: Queue) -> None:
    queue.add("s3://bucket/film.mkv")
    queue.add("s3://bucket/film.mkv", priority=3)
    (job,) = queue.jobs()
    assert (job.address, job.path.name, job.priority) == ("s3://bucket/film.mkv", "film.mkv", 3)
    queue.add("film.mkv", priority=9)
    assert take(queue).address == ""


def test_the_next_of_many_jobs_is_found_without_sorting_them(queue: Queue) -> None:
    with sqlite3.connect(queue.path) as database:
        sql = "SELECT id FROM jobs WHERE state = 'waiting' AND due <= 1"
        order = "ORDER BY priority DESC, due, id LIMIT 1"
        plan = database.execute(f"EXPLAIN QUERY PLAN {sql} {order}").fetchall()
    assert [row[3] for row in plan] == ["SEARCH jobs USING COVERING INDEX in_order (state=?)"]
