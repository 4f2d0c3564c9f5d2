"""Errors on clips whose text is known, and whole commands on one film: against Moonshine base.

Both read the same clips and are scored alike. On the film the two alternate, in processes that
start from nothing; ``moonshine_command.py`` says what the other side is. Needs the package
moonshine-cpp==0.1.4, which carries the model, and Linux to tell the peak memory.

    python benchmarks/against_moonshine.py clips/a.tsv clips/b.tsv --film talk.mp4 --runs 5
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from against_whisper import HERE, compare, our_command, run
from moonshine_command import Moonshine

from gptasr_subs.corpora.manifest import read_transcribed
from gptasr_subs.evaluation.evaluate import evaluate
from gptasr_subs.recognition.loading import load_model
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.types import FloatArray, Word

_CLIPS_A_PROCESS = 20  # each takes some 250 MB that the package does not give back


class MoonshineInProcesses:
    """Moonshine in a process that is replaced by a new one before it has taken all memory."""

    name = Moonshine.name
    sample_rate = Moonshine.sample_rate
    max_seconds = Moonshine.max_seconds

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """Give the words of each clip, in order."""
        tasks = get_context("spawn").Pool(processes=1, maxtasksperchild=_CLIPS_A_PROCESS)
        with tasks as pool:
            yield from enumerate(pool.imap(words_of, clips))


@cache
def loaded() -> Moonshine:
    """Load the model once in a process."""
    return Moonshine()


def words_of(clip: FloatArray) -> list[Word]:
    """Recognise one clip."""
    return next(loaded().transcribe([clip]))[1]


def score(manifest: Path, recognizers: list[Recognizer]) -> dict[str, Any]:
    """WER in percent with its 95 % interval, of each recogniser."""
    clips = read_transcribed(manifest)
    found = [evaluate(clips, recognizer) for recognizer in recognizers]
    return {each.model: {"wer": each.total.wer, "interval": each.interval} for each in found}


def time_film(film: Path, runs: int) -> dict[str, float]:
    """Seconds and memory of both whole commands."""
    with tempfile.TemporaryDirectory() as folder:
        srt = str(Path(folder) / "out.srt")
        theirs = [sys.executable, str(HERE / "moonshine_command.py"), str(film), srt]
        ours = our_command(str(film), srt)
        for command in (theirs, ours):  # what was not in memory is now
            run(command)
        return compare(ours, theirs, runs, theirs_is="moonshine")


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifests", type=Path, nargs="*", help="TSV with columns path and text")
    parser.add_argument("--film", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    if find_spec("moonshine_cpp") is None:
        print("Nothing to compare with: install moonshine-cpp==0.1.4.")
        return
    found: dict[str, Any] = {}
    if wanted.manifests:
        recognizers = [load_model("default"), MoonshineInProcesses()]
        found |= {path.stem: score(path, recognizers) for path in wanted.manifests}
    if wanted.film:
        found["film"] = time_film(wanted.film, wanted.runs)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
