"""Seconds from the start of the command to the first cue, as a player with --progressive sees it.

python benchmarks/first_text.py talk.mp4 --runs 5
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def seconds_to_first_text(film: Path) -> float:
    """One run, which ends as soon as there is something to read."""
    with tempfile.TemporaryDirectory() as name:
        srt = Path(name) / "out.srt"
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "gptasr_subs",
            "-q",
            "--no-journal",
            "--progressive",
            "-o",
            str(srt),
            str(film),
        ]
        with subprocess.Popen(command) as child:
            while not (srt.exists() and "-->" in srt.read_text()):
                if child.poll() is not None:
                    raise SystemExit(
                        f"The command ended (exit code {child.returncode}) without any text."
                    )
                time.sleep(0.01)
            seconds = time.perf_counter() - began
            child.terminate()
        return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    seconds = [seconds_to_first_text(given.film) for _ in range(given.runs)]
    print(
        json.dumps(
            {
                "first_text_seconds": round(median(seconds), 2),
                "runs": [round(s, 2) for s in seconds],
            }
        )
    )


if __name__ == "__main__":
    main()
