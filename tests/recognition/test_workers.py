"""Worker processes: results in order, errors in place, none lost or left behind when one dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from gptasr_subs.errors import ModelError
from gptasr_subs.recognition import workers
from gptasr_subs.recognition.prefetch import prefetch
from gptasr_subs.recognition.workers import no_fork, run_in_processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")


@pytest.fixture(autouse=True)
def _allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_allowed", True)


def test_processes_work_and_results_keep_their_order() -> None:
    found = list(run_in_processes(lambda item: (item, os.getpid()), range(7), 2))
    assert [item for item, _ in found] == list(range(7))
    workers = {process for _, process in found}
    assert len(workers) == 2
    assert os.getpid() not in workers


def test_results_may_be_larger_than_a_pipe_holds() -> None:
    found = list(run_in_processes(lambda item: np.full(300_000, item), [1, 2, 3], 2))
    assert [int(array.sum()) for array in found] == [300_000, 600_000, 900_000]


def test_an_error_comes_out_in_its_place() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ModelError("Broken; mend it.")
        return item

    results = run_in_processes(work, range(4), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ModelError, match="Broken"):
        next(results)


def test_an_error_that_cannot_be_sent_still_says_what_it_said() -> None:
    class Local(Exception):
        """Known to nobody else."""

    def work(item: int) -> int:
        raise Local(f"number {item}")

    with pytest.raises(RuntimeError, match="number 0"):
        list(run_in_processes(work, range(2), 2))


def test_what_a_dead_process_has_not_done_is_done_here() -> None:
    own = os.getpid()

    def work(item: int) -> int:
        if item >= 2 and os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    assert list(run_in_processes(work, range(6), 2)) == list(range(6))


def test_what_no_process_can_be_forked_for_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    make, made = workers._fork, []

    def fork(*given: object) -> object:
        if made:
            raise OSError("Cannot allocate memory")
        made.append(make(*given))  # type: ignore[arg-type]
        return made[0]

    monkeypatch.setattr(workers, "_fork", fork)
    found = list(run_in_processes(lambda item: (item, os.getpid()), range(4), 2))
    assert [item for item, _ in found] == [0, 1, 2, 3]
    assert [process == os.getpid() for _, process in found] == [False, True, False, True]


def test_closing_early_ends_the_processes() -> None:
    results: Iterator[int] = run_in_processes(
        lambda item: os.getpid() if item < 2 else signal.pause(), range(4), 2
    )  # type: ignore[func-returns-value, return-value]
    processes = [next(results), next(results)]
    results.close()  # type: ignore[attr-defined]
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_signal_amid_a_fork_is_raised_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []
    make = workers._fork

    def fork(*given: object) -> object:
        os.kill(os.getpid(), signal.SIGTERM)
        made = make(*given)  # type: ignore[arg-type]
        happened.append("forked")
        return made

    monkeypatch.setattr(workers, "_fork", fork)
    before = signal.signal(signal.SIGTERM, lambda *_: happened.append("signal"))
    try:
        assert list(run_in_processes(lambda item: item, range(2), 2)) == [0, 1]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert happened == ["forked", "forked", "signal"]


def test_no_fork_happens_while_another_thread_calculates() -> None:
    inside, leave, done = threading.Event(), threading.Event(), threading.Event()

    def calculate() -> None:
        with no_fork():
            inside.set()
            leave.wait(60)

    def fork() -> None:
        assert list(run_in_processes(lambda item: item, range(2), 2)) == [0, 1]
        done.set()

    calculating, forking = threading.Thread(target=calculate), threading.Thread(target=fork)
    calculating.start()
    assert inside.wait(60)
    forking.start()
    while workers._turn.acquire(blocking=False):  # until the other one waits for its turn
        workers._turn.release()
    assert not done.is_set()
    leave.set()
    forking.join(60)
    calculating.join(60)
    assert done.is_set()


def test_forks_happen_beside_a_thread_that_always_calculates() -> None:
    matrix = np.random.default_rng(0).normal(size=(200, 200))

    def products() -> Iterator[float]:
        while True:
            yield float((matrix @ matrix).sum())

    fetched = prefetch(products(), 4)
    for _ in range(40):
        next(fetched)
        assert list(run_in_processes(lambda item: item + 1, range(2), 2)) == [1, 2]
    fetched.close()  # type: ignore[attr-defined]


def test_where_it_is_not_allowed_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_allowed", False)
    assert not workers.can_fork()
    with no_fork():
        assert not workers._still.locked()
