"""mpv plays a film and shows what is said, while the rest of it is still being listened to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_recognizer import say
from tests.support.films import make_film
from tests.support.media_maker import Track, make_media, silence

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "plugins" / "mpv" / "gptasr-subs.lua"
TALK = [(2.0 * n + 1, ["one", "two", "three", "four"][n % 4]) for n in range(100)]
PATIENCE = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("mpv") or not hasattr(socket, "AF_UNIX"), reason="needs mpv and POSIX"
    ),
]

# The real program with the fake recogniser, which waits for somebody to open a pipe before its
# second group of windows.
PROGRAM = """#!{python}
import sys
sys.path.insert(0, {repository!r})
from tests.support.fake_recognizer import FakeRecognizer
import gptasr_subs.recognition.loading

class Halting(FakeRecognizer):
    def transcribe(self, clips, **options):
        if len(self.asked) == 1:
            open({pipe!r}).read()
        return super().transcribe(clips, **options)

def load(*asked):
    open({log!r}, "a").write(" ".join(sys.argv[1:]))
    return Halting()

gptasr_subs.recognition.loading.load_model = load
from gptasr_subs.cli.main import main
main()
"""


class Mpv:
    """A player without picture or sound, spoken to through its socket."""

    def __init__(self, film: Path, program: Path, position: float, *more: str) -> None:
        address = str(program.with_name("mpv.sock"))
        options = [
            "--no-config",
            "--vo=null",
            "--ao=null",
            "--keep-open=yes",
            "--no-terminal",
            "--osc=no",
        ]
        options += [
            f"--input-ipc-server={address}",
            f"--script={SCRIPT}",
            f"--start={position}",
            "--sid=no",
        ]
        options += [
            f"--script-opts=gptasr-subs-program={program}",
            f"--log-file={program}.log",
            *more,
        ]
        folders = {name: str(program.parent) for name in ("TMPDIR", "GPTASR_SUBS_CACHE")}
        environment = {**os.environ, **folders}
        self.process = subprocess.Popen(["mpv", *options, "--", str(film)], env=environment)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        while self.process.poll() is None:
            try:
                self._socket.connect(address)
                break
            except OSError:
                continue
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def tell(self, *command: object) -> None:
        self._socket.sendall(json.dumps({"command": command}).encode() + b"\n")

    def watch(self, number: int, name: str) -> None:
        self.tell("observe_property", number, name)

    def wait(self, name: str, *, until: Any) -> Any:
        """The value of a watched property once it is as it should be."""
        for line in self._lines:
            news = json.loads(line)
            if (
                news.get("event") == "property-change"
                and news["name"] == name
                and until(news.get("data"))
            ):
                return news["data"]
        raise AssertionError("mpv has ended")

    def cue_between(self, start: float, end: float) -> tuple[float, list[str]]:
        """When in this part of the film a cue was shown, and its words."""
        self.tell("observe_property", 9, "sub-text")  # tells of the one that is shown now, too
        while True:
            text = self.wait("sub-text", until=bool)
            self.tell("get_property", "time-pos")
            answer = next(
                news
                for news in map(json.loads, self._lines)
                if "request_id" in news and "data" in news
            )
            if start <= answer["data"] <= end:
                return answer["data"], text.split()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self._lines.close()
        self._socket.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    """A folder with the film, the program and the pipe that lets it go on."""
    make_film(tmp_path / "it's a film, 100%.mkv", TALK, 202.0)
    program, pipe, log = tmp_path / "gptasr-subs", str(tmp_path / "pipe"), str(tmp_path / "log")
    os.mkfifo(pipe)
    places = {"repository": str(REPOSITORY), "pipe": pipe, "log": log}
    program.write_text(PROGRAM.format(python=sys.executable, **places))
    program.chmod(0o755)
    yield tmp_path
    os.close(os.open(pipe, os.O_RDWR))  # whoever waits still, to be stopped, goes on and stops


@contextmanager
def asked(desk: Path, film: Path, *options: str) -> Iterator[Mpv]:
    """A film that plays from its 20th second on, and has been asked for subtitles there."""
    player = Mpv(film, desk / "gptasr-subs", 20.0, *options)
    try:
        player.watch(1, "time-pos")
        player.wait("time-pos", until=lambda value: value is not None and value > 20)
        player.tell("unobserve_property", 1)
        player.tell("keypress", "Ctrl+g")
        yield player
    finally:
        player.close()


@pytest.fixture
def mpv(desk: Path) -> Iterator[Mpv]:
    """The film that lies on the desk."""
    with asked(desk, desk / "it's a film, 100%.mkv") as player:
        yield player


def assert_said(shown: tuple[float, list[str]]) -> None:
    """That these words are said about this time."""
    seconds, words = shown
    around = " ".join(text for start, text in TALK if abs(start - seconds) < 4.5)
    assert words and " ".join(words) in around


def test_a_cue_is_shown_while_the_rest_is_still_listened_to(mpv: Mpv, desk: Path) -> None:
    assert_said(mpv.cue_between(20.0, 130.0))
    assert "--progressive --from 20." in (desk / "log").read_text()
    with (desk / "pipe").open(
        "w"
    ):  # opens only when the program waits there: the rest was not listened to yet
        pass
    mpv.tell("seek", 190, "absolute", "exact")
    assert_said(mpv.cue_between(189.5, 202.0))
    mpv.tell("set_property", "speed", 0.1)  # what is before comes last, and not at once
    mpv.tell("seek", 8, "absolute", "exact")
    assert_said(mpv.cue_between(7.5, 20.0))


def test_the_other_key_stops_it_and_keeps_what_is_shown(mpv: Mpv, desk: Path) -> None:
    assert_said(mpv.cue_between(20.0, 130.0))
    mpv.tell("keypress", "Ctrl+h")
    assert_said(mpv.cue_between(20.0, 130.0))
    mpv.tell("quit")
    assert mpv.process.wait(PATIENCE) == 0
    assert not list(desk.glob("*.srt"))


def test_the_track_that_is_heard_is_listened_to(desk: Path) -> None:
    """Not the one that is marked as the default."""
    tracks = (Track(silence(202.0), "eng", marks="default"), Track(say(TALK, 202.0), "ger"))
    film = make_media(desk / "two.mkv", *tracks, video=202.0)
    with asked(desk, film, "--aid=2") as player:
        assert_said(player.cue_between(20.0, 130.0))
        assert "--audio-track 1 -- " in (desk / "log").read_text()


def test_a_sound_file_that_plays_along_is_listened_to(desk: Path) -> None:
    film = make_media(desk / "silent.mkv", silence(202.0), video=202.0)
    sound = make_film(desk / "a sound 100%.mp4", TALK, 202.0)
    with asked(desk, film, f"--audio-file={sound.as_uri()}", "--aid=2") as player:
        assert_said(player.cue_between(20.0, 130.0))
        assert f"--audio-track 0 -- {sound}" in (desk / "log").read_text()
