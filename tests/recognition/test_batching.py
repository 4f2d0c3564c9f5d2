"""Batches: sized by the network and the memory, made up for the workers, answered in order."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

from gptasr_subs.model.config import PUBLISHED
from gptasr_subs.recognition import batching as batches
from gptasr_subs.recognition.batching import batch_size, run_batches, split_batches


def test_batches_shrink_with_clips_beams_and_networks() -> None:
    small, large = PUBLISHED["small"], PUBLISHED["large"]
    sizes = [
        batch_size(small, 2.0, 1, "cpu", 2),
        batch_size(small, 16.0, 8, "cpu", 2),
        batch_size(small, 16.0, 8, "cpu", 4),
        batch_size(large, 16.0, 8, "cpu", 4),
        batch_size(replace(large, width=1 << 20), 37.0, 8, "cpu", 4),
    ]
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[-1] == 1


def test_a_gpu_takes_as_many_as_its_free_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def sizes(free: int) -> int:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 << 30))
        return batch_size(PUBLISHED["large"], 16.0, 8, "cuda:0", 2)

    assert 1 <= sizes(1 << 30) < sizes(4 << 30) < sizes(70 << 30) == 256
    assert sizes(0) == 1


@pytest.mark.parametrize(
    ("count", "size", "workers", "expected"),
    [
        (5, 8, 2, [[0, 2, 4], [1, 3]]),
        (5, 2, 2, [[0, 4], [1], [2], [3]]),
        (3, 1, 1, [[0], [1], [2]]),
        (1, 8, 4, [[0]]),
        (0, 8, 2, []),
    ],
)
def test_every_worker_gets_like_much(
    count: int, size: int, workers: int, expected: list[list[int]]
) -> None:
    assert split_batches(range(count), size, workers) == expected


def test_several_work_at_once_and_results_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "count_workers", lambda device: 2)
    together, before = threading.Barrier(2, timeout=60), torch.get_num_threads()

    def work(item: int) -> tuple[int, bool]:
        together.wait()  # passes only if two are at work
        return item, threading.current_thread() is threading.main_thread()

    assert list(run_batches(work, range(4), "cpu")) == [(item, False) for item in range(4)]
    assert torch.get_num_threads() == before


def test_an_error_in_one_batch_comes_out_and_stops_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "count_workers", lambda device: 2)
    done = []

    def work(item: int) -> int:
        if item == 0:
            raise ValueError("broken")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="broken"):
        list(run_batches(work, range(100), "cpu"))
    assert len(done) < 99
