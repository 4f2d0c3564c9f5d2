"""What a farm costs and brings, on a Ray cluster of nodes of one core on this machine.

python benchmarks/farm.py overhead --films 100000      # films that take no time
python benchmarks/farm.py throughput talk.mp4          # one worker and two, in turns
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from gptasr_subs.farm.cluster import Share, import_ray, joined
from gptasr_subs.farm.driver import Farm
from gptasr_subs.farm.films import Film, Outcome, Work
from gptasr_subs.farm.subtitler import make_subtitler
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import MEMORY, Job, open_queue
from gptasr_subs.pipeline.options import Options


@contextmanager
def nodes_of_one_core(count: int) -> Iterator[str]:
    """The address of a cluster whose nodes are bound to a core each."""
    import_ray()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
    from ray.cluster_utils import Cluster

    cores = sorted(os.sched_getaffinity(0))
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    try:
        for number in range(count):
            os.sched_setaffinity(0, {cores[number % len(cores)]})
            cluster.add_node(num_cpus=1)
        os.sched_setaffinity(0, cores)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def run(
    address: str,
    make: Callable[[], Work],
    films: list[str],
    workers: int,
    report: Callable[[Job, Event], None],
) -> None:
    """Do all films, whatever is there already."""
    with open_queue(MEMORY) as queue, joined(address, make, Share()) as cluster:
        for film in films:
            queue.add(film)
        options = Options(overwrite=True)
        hooks = Hooks(notifiers={})
        farm = Farm(queue, cluster, options=options, hooks=hooks, report=report, workers=workers)
        farm.run()


def do_nothing() -> Work:
    """A worker without a recogniser."""
    return lambda film, stopped: nothing(film)


def nothing(film: Film) -> Outcome:
    """What became of a film that takes no time."""
    return Outcome(Event(Path(film.place), "done", seconds=1.0, elapsed=1.0))


def measure_overhead(count: int) -> dict[str, object]:
    """Milliseconds of the driver for each film, and its memory after each tenth of them."""
    walls: list[float] = []
    memory: list[int] = []
    over = 0
    tenth = max(1, count // 10)
    began = time.perf_counter(), time.process_time()

    def report(job: Job, event: Event) -> None:
        nonlocal over, began
        over += 1
        if over == 1:
            began = time.perf_counter(), time.process_time()
        if over % tenth == 0:
            walls.append(round(1000 * (time.perf_counter() - began[0]) / over, 3))
            memory.append(resident())
            print(json.dumps({"films": over, "ms": walls[-1], "mib": memory[-1]}), flush=True)

    with nodes_of_one_core(2) as address:
        films = [f"/films/{number}.mkv" for number in range(count)]
        run(address, do_nothing, films, workers=2, report=report)
    return {
        "films": count,
        "wall_ms_a_film": walls[-1],
        "driver_cpu_ms_a_film": round(1000 * (time.process_time() - began[1]) / over, 3),
        "resident_mib_at_each_tenth": memory,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def resident() -> int:
    """MiB of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def measure_throughput(film: Path, count: int, runs: int) -> dict[str, object]:
    """Seconds of audio a second of one worker and of two, without the start of either."""
    speeds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder, nodes_of_one_core(2) as address:
        films = [f"{folder}/{number:03d}{film.suffix}" for number in range(count)]
        for path in films:
            shutil.copyfile(film, path)
        for _ in range(runs):
            for workers in speeds:
                speeds[workers].append(audio_a_second(address, films, workers))
                print(json.dumps(speeds), flush=True)
    ratios = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    return {"speeds": speeds, "ratio": round(median(ratios), 3)}


def audio_a_second(address: str, films: list[str], workers: int) -> float:
    """The speed from the moment at which each worker is through with its first film."""
    over: list[tuple[float, float]] = []

    def report(job: Job, event: Event) -> None:
        over.append((time.perf_counter(), event.seconds))

    make = partial(make_subtitler, "default", "cpu", "en")
    run(address, make, films, workers, report)
    began = over[workers - 1][0]
    return sum(seconds for _, seconds in over[workers:]) / (over[-1][0] - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    overhead = kinds.add_parser("overhead")
    overhead.add_argument("--films", type=int, default=100_000)
    throughput = kinds.add_parser("throughput")
    throughput.add_argument("film", type=Path)
    throughput.add_argument("--films", type=int, default=12)
    throughput.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    if given.kind == "overhead":
        print(json.dumps(measure_overhead(given.films)))
    else:
        print(json.dumps(measure_throughput(given.film, given.films, given.runs)))


if __name__ == "__main__":
    main()
