"""Which clips are recognised together, and on how many threads.

On a CPU several batches are worked on at once: products this small gain little from many threads.
Batches shrink where memory does not suffice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from gptasr_subs.errors import ModelError
from gptasr_subs.recognition.workers import can_fork, run_in_processes

if TYPE_CHECKING:
    from gptasr_subs.model.config import ModelConfig

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_CPU_BYTES = 192 << 20  # of cached keys and values in one batch
_FREE_SHARE = 0.4  # of a GPU's free memory that they may take
_MAX_AT_ONCE = 256
_MAX_ON_CPU = 24  # more gain little and cost memory
_MAX_WORKERS = 4
# what torch writes in a RuntimeError where the CPU's memory is too small
_NO_MEMORY = re.compile("can't allocate memory|not enough memory|out of memory", re.IGNORECASE)
_TEXT_SHARE = 0.4  # text tokens for each mel position, as fast speech has them


def batch_size(
    config: ModelConfig, seconds: float, rows: int, device: str, bytes_each: int = 4
) -> int:
    """Return clips of up to ``seconds`` that may be decoded at once, each with ``rows`` texts.

    ``bytes_each`` is the size of a cached number.
    """
    second = config.front_end.frames_per_second / config.reduction
    mel = config.max_mel_positions if config.generation == 1 else seconds * second
    positions = mel + rows * _TEXT_SHARE * seconds * second
    clip = 2 * config.layers * config.width * bytes_each * max(1.0, positions)
    if not device.startswith("cuda"):
        return max(1, min(_MAX_ON_CPU, int(_CPU_BYTES / clip)))
    import torch

    free = _FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    return max(1, min(_MAX_AT_ONCE, int(free / clip)))


def split_batches(order: Sequence[int], size: int, workers: int) -> list[list[int]]:
    """Cut ``order`` into batches of at most ``size``, with like work for every worker."""
    rounds = -(-len(order) // (size * workers))
    count = min(len(order), rounds * workers)
    return [list(order[first::count]) for first in range(count)]


def run_batches(
    work: Callable[[_Item], _Result], items: Sequence[_Item], device: str
) -> Iterator[_Result]:
    """``work`` on every item, results in order; on a CPU several at once."""
    workers = min(count_workers(device), len(items))
    if workers < 2:
        return map(work, items)
    if can_fork():
        return run_in_processes(work, items, workers)
    return _run_in_threads(work, items, workers)


def _run_in_threads(
    work: Callable[[_Item], _Result], items: Sequence[_Item], workers: int
) -> Iterator[_Result]:
    import torch

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(
        workers, initializer=lambda: torch.set_num_threads(max(1, threads // workers))
    )
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # for threads that are begun later


def count_workers(device: str) -> int:
    """Batches that are worked on at the same time."""
    import torch

    return min(_MAX_WORKERS, torch.get_num_threads()) if device == "cpu" else 1


def halve_on_out_of_memory(
    work: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item], name: str
) -> list[_Result]:
    """``work`` on all items at once; where memory is too small, on halves.

    Raises ModelError where one is too many.
    """
    import torch

    try:
        return work(items)
    except (MemoryError, RuntimeError) as error:
        on_cuda = isinstance(error, torch.cuda.OutOfMemoryError)
        if not (on_cuda or isinstance(error, MemoryError) or _NO_MEMORY.search(str(error))):
            raise
        if len(items) == 1:
            device = "GPU" if on_cuda else "computer"
            advice = ", or --device cpu" if on_cuda else ""
            raise ModelError(
                f"The {device} has too little free memory for {name!r}; use fewer beams{advice}."
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(items) // 2
    first = halve_on_out_of_memory(work, items[:half], name)
    return first + halve_on_out_of_memory(work, items[half:], name)
