"""Films made by ffmpeg in which made-up words sound at known times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.fake_recognizer import say
from tests.support.media_maker import make_media, place, run_ffmpeg

TALK = [(1.0, "one"), (1.5, "two"), (2.0, "three"), (5.0, "four"), (5.5, "Five.")]
SPOKEN = " ".join(text for _, text in TALK)
TALK_SECONDS = 8.0

# A real film, for whoever has it.
REFERENCE_TALK = Path(__file__).parents[3] / "shared" / "media" / "talk.mkv"

_PICTURE = (".mp4", ".mkv", ".mov")


def make_film(
    path: Path, words: Sequence[tuple[float, str]] = TALK, seconds: float = TALK_SECONDS
) -> Path:
    """A film (or a sound file, by its extension) in which the words are spoken."""
    path.write_bytes(_film(path.suffix, tuple(words), seconds))
    return path


@cache
def _film(suffix: str, words: tuple[tuple[float, str], ...], seconds: float) -> bytes:
    sound = place(seconds, (0.0, say(words, seconds)))
    with TemporaryDirectory() as folder:
        made = Path(folder, f"film{suffix}")
        return make_media(made, sound, video=seconds if suffix in _PICTURE else 0.0).read_bytes()


def make_silent_film(path: Path, seconds: float = 2.0) -> Path:
    """A film without any audio track."""
    run_ffmpeg("-f", "lavfi", "-i", f"color=black:s=64x48:r=25:d={seconds}", f"file:{path}")
    return path


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
