"""Workers of a farm that act by a script: a folder says which films stop, crash or tear there.

``FOLDER/STEM.gate`` is a pipe: the second window of that film waits until somebody has written to
it. ``FOLDER/STEM.crash`` kills the worker in that film, ``FOLDER/STEM.tear`` while it writes the
film's subtitles, but only once. ``FOLDER/begun`` names the films that were begun, each with its
node.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gptasr_subs.cli.main import main as run_program
from gptasr_subs.farm import subtitler
from gptasr_subs.farm.cluster import import_ray
from gptasr_subs.farm.films import Answer, Film, Outcome, Work
from gptasr_subs.farm.subtitler import Subtitler
from gptasr_subs.jobs.hooks import Event
from gptasr_subs.pipeline.options import Options
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.recognition.loading import LazyRecognizer
from gptasr_subs.types import FloatArray, Word
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.processes import REPOSITORY

Stopped = Callable[[], bool]

FORMATS = ("srt", "vtt", "json")


class Scripted(FakeRecognizer):
    """Recognises as the fake one does, and acts by the script."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.film = ""

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        for number, answer in enumerate(super().transcribe(clips)):
            if number:
                self._act()
            yield answer

    def _act(self) -> None:
        if (gate := self._folder / f"{self.film}.gate").exists():
            gate.read_text()
        if (self._folder / f"{self.film}.crash").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        tear = self._folder / f"{self.film}.tear"
        if tear.exists():
            tear.unlink()
            os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)


def make_scripted(folder: Path) -> Work:
    """What a worker does with a film, by the script in ``folder``."""
    model = Scripted(folder)
    subtitle = Subtitler(LazyRecognizer(lambda: model, "scripted"))

    def work(film: Film, stopped: Stopped) -> Answer:
        model.film = Path(film.place).stem
        with (folder / "begun").open("a") as file:
            file.write(f"{model.film} {import_ray().get_runtime_context().get_node_id()}\n")
        return subtitle(film, stopped)

    return work


def make_empty() -> Work:
    """Does nothing, and says that it has done it."""
    return lambda film, stopped: Outcome(Event(Path(film.place), "done", seconds=1.0, elapsed=1.0))


def make_by_model(model: str, device: str, language: str) -> Work:
    """As ``make_scripted``; the folder is what the command has as its model."""
    return make_scripted(Path(model))


def begun(folder: Path) -> list[tuple[str, str]]:
    """The films that were begun, each with its node, in order."""
    file = folder / "begun"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(line.split()[0], line.split()[1]) for line in lines]


def make_gate(folder: Path, film: str) -> Path:
    """A pipe that lets the second window of a film pass."""
    gate = folder / f"{film}.gate"
    os.mkfifo(gate)
    return gate


def texts(folder: Path) -> dict[str, bytes]:
    """All files that are no films, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".wav", ".mp4")
    }


def alone(folder: Path) -> dict[str, bytes]:
    """What one machine writes with the scripted recogniser."""
    outside = folder.with_name(f"{folder.name} alone")
    outside.mkdir()
    for path in folder.rglob("*.wav"):
        options = Options(FORMATS, output_dir=outside)
        subtitle(path, FakeRecognizer(), options=options)
    return texts(outside)


def alone_on_one_core(folder: Path) -> dict[str, bytes]:
    """What one machine of one core, as the nodes are, writes with the shipped checkpoint.

    More cores share the windows of a film out into smaller batches. Where a processor multiplies in
    bfloat16, the confidence of a word then differs in its last digits.
    """
    outside = folder.with_name(f"{folder.name} alone")
    outside.mkdir()
    command = [sys.executable, "-m", "gptasr_subs", "--quiet", "--output-dir", str(outside)]
    subprocess.run(
        [*command, "--format", ",".join(FORMATS), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        check=True,
    )
    return texts(outside)


def main() -> None:
    """Run the real command with such workers; ``--model`` is the folder."""
    subtitler.make_subtitler = make_by_model  # type: ignore[assignment]
    run_program()
