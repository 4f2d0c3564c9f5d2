"""Time and peak memory of whole commands from 5 minutes to 3 hours of audio: a table and a plot.

Needs matplotlib.

python benchmarks/linear_time.py talk.mp4 docs/images/linear_time.svg
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from against_whisper import our_command, peak_memory, run

from gptasr_subs.media.ffmpeg import find_ffmpeg


def looped(film: Path, minutes: float, folder: Path) -> Path:
    """The sound of ``film`` over and over, ``minutes`` long."""
    sound = folder / f"{minutes:g}.mka"
    cut = [
        "-stream_loop",
        "-1",
        "-i",
        str(film),
        "-map",
        "0:a:0",
        "-t",
        str(60 * minutes),
        "-c",
        "copy",
        str(sound),
    ]
    subprocess.run([find_ffmpeg(), "-v", "error", "-nostdin", "-y", *cut], check=True)
    return sound


def measure(film: Path, minutes: list[float]) -> list[dict[str, float]]:
    """Seconds and MiB at each length."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for length in minutes:
            sound, srt = looped(film, length, Path(name)), str(Path(name) / "out.srt")
            command = our_command(str(sound), srt)
            row = {"minutes": length, "seconds": round(run(command), 2)}
            rows.append({**row, "peak_mib": peak_memory(command) >> 20})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Two lines over the length of the film."""
    from matplotlib import pyplot

    figure, left = pyplot.subplots(figsize=(7, 4))
    minutes = [row["minutes"] for row in rows]
    left.plot(minutes, [row["seconds"] for row in rows], "o-", label="time (s)")
    left.set(xlabel="minutes of sound", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    right = left.twinx()
    right.plot(
        minutes,
        [row["peak_mib"] for row in rows],
        "s--",
        color="tab:orange",
        label="peak memory (MiB)",
    )
    right.set(ylabel="MiB", ylim=(0, None))
    figure.legend(loc="upper left", bbox_to_anchor=(0.12, 0.88))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("film", type=Path)
    parser.add_argument("plot", type=Path, nargs="?")
    parser.add_argument("--minutes", default="5,10,20,40,60,90,120,180")
    wanted = parser.parse_args()
    rows = measure(wanted.film, [float(length) for length in wanted.minutes.split(",")])
    if wanted.plot:
        plot(rows, wanted.plot)


if __name__ == "__main__":
    main()
