"""The real yt-dlp downloads films from a local server, and our post-processor subtitles them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gptasr_subs.formats import read
from gptasr_subs.media.probe import probe
from tests.support.ended import text_of
from tests.support.file_server import Home, file_server
from tests.support.films import SPOKEN, make_film, make_silent_film, names_in
from tests.support.media_maker import run_ffmpeg

pytest.importorskip("yt_dlp")
pytestmark = pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")

REPOSITORY = Path(__file__).parents[2]
FEED = (
    '<?xml version="1.0"?><rss version="2.0"><channel><title>Three talks</title>{}</channel></rss>'
)
ITEM = (
    "<item><title>talk {0}</title><link>{1}/{0}.mp4</link>"
    '<enclosure url="{1}/{0}.mp4" type="video/mp4"/></item>'
)

# The real program, in which every model is the fake one.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import gptasr_subs.recognition.loading
from tests.support.fake_recognizer import FakeRecognizer
def load(*asked):
    print("a model is loaded:", *asked, flush=True)
    return FakeRecognizer()
gptasr_subs.recognition.loading.load_model = load
import yt_dlp
yt_dlp.main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("site")
    make_film(folder / "talk.mp4")
    run_ffmpeg(
        "-i",
        str(folder / "talk.mp4"),
        "-c:a",
        "libopus",
        "-c:v",
        "libvpx",
        str(folder / "talk.webm"),
    )
    make_silent_film(folder / "mute.mp4")
    home = Home(
        {path.name: path.read_bytes() for path in folder.iterdir()}, content_type="video/mp4"
    )
    home.files |= {f"{name}.mp4": home.files["talk.mp4"] for name in ("one", "two", "three")}
    home.files["talk.en.vtt"] = b"WEBVTT\n\n00:01.000 --> 00:02.000\nFrom the site.\n"
    with file_server(home):
        feed = FEED.format(
            "".join(ITEM.format(name, home.address) for name in ("one", "two", "three"))
        )
        home.files["feed.xml"], home.content_types["feed.xml"] = (
            feed.encode(),
            "application/rss+xml",
        )
        yield home


def download(folder: Path, *arguments: str, options: str = "") -> subprocess.CompletedProcess[str]:
    """Run yt-dlp in a folder; ``options`` are those of the post-processor."""
    paths = [REPOSITORY / "plugins" / "yt-dlp", REPOSITORY]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "HOME": str(folder.parent),
    }
    use = ["--use-postprocessor", "GptasrSubs" + (f":{options}" if options else "")]
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(REPOSITORY),
        "--ignore-config",
        "--no-mtime",
        *use,
    ]
    command += ["-o", "%(title)s.%(ext)s", *arguments]
    folder.mkdir(exist_ok=True)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def tracks(path: Path) -> list[tuple[str, str, str]]:
    """Codec, language and title of the text tracks, by ffprobe."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_streams",
        "-select_streams",
        "s",
        "-of",
        "json",
        str(path),
    ]
    streams = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]
    tags = [{name.lower(): value for name, value in stream["tags"].items()} for stream in streams]
    titles = [tag.get("title") or tag.get("handler_name", "") for tag in tags]
    return [
        (s["codec_name"], tag["language"], title)
        for s, tag, title in zip(streams, tags, titles, strict=True)
    ]


def test_a_sidecar_is_written_and_named_as_yt_dlp_names_its_own(site: Home, tmp_path: Path) -> None:
    done = download(
        tmp_path / "d", f"{site.address}/talk.mp4", "-P", "temp:parts", options="lang=en;model=mine"
    )
    assert done.returncode == 0, done.stderr
    assert [name for name in names_in(tmp_path / "d") if name != "parts"] == [
        "talk.en.srt",
        "talk.mp4",
    ]
    assert (
        text_of(tmp_path / "d" / "talk.en.srt") == SPOKEN
        and tracks(tmp_path / "d" / "talk.mp4") == []
    )
    assert "a model is loaded: mine auto en" in done.stdout
    assert (
        '[GptasrSubs] Making subtitles for "' in done.stdout
        and "[GptasrSubs] Wrote 2 subtitles to" in done.stdout
    )


@pytest.mark.parametrize(
    "choice", [("-P", "subtitle:subs"), ("-o", "subtitle:subs/%(title)s.%(ext)s")]
)
def test_subtitles_lie_where_somebody_wants_those_of_sites(
    choice: list[str], site: Home, tmp_path: Path
) -> None:
    done = download(tmp_path / "d", f"{site.address}/talk.mp4", *choice)
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d") == ["subs", "talk.mp4"]
    assert text_of(tmp_path / "d" / "subs" / "talk.en.srt") == SPOKEN


def test_embedded_only(site: Home, tmp_path: Path) -> None:
    done = download(tmp_path / "d", f"{site.address}/talk.mp4", "--embed-subs")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d") == ["talk.mp4"]
    assert tracks(tmp_path / "d" / "talk.mp4") == [("mov_text", "eng", "English (automatic)")]


@pytest.mark.slow
def test_embedded_and_kept(site: Home, tmp_path: Path) -> None:
    done = download(tmp_path / "d", f"{site.address}/talk.mp4", "--embed-subs", "--write-subs")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d") == ["talk.en.srt", "talk.mp4"]
    assert (
        len(tracks(tmp_path / "d" / "talk.mp4")) == 1
        and text_of(tmp_path / "d" / "talk.en.srt") == SPOKEN
    )


@pytest.mark.slow
def test_webm_takes_vtt(site: Home, tmp_path: Path) -> None:
    done = download(tmp_path / "d", f"{site.address}/talk.webm", "--embed-subs", "--write-subs")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d") == ["talk.en.vtt", "talk.webm"]
    assert tracks(tmp_path / "d" / "talk.webm") == [("webvtt", "eng", "English (automatic)")]


@pytest.mark.slow
def test_a_playlist_is_done_with_one_model(site: Home, tmp_path: Path) -> None:
    done = download(tmp_path / "d", f"{site.address}/feed.xml", "--embed-subs", "--write-subs")
    assert done.returncode == 0, done.stderr
    films = sorted((tmp_path / "d").glob("*.mp4"))
    assert len(films) == 3 and done.stdout.count("a model is loaded") == 1
    for film in films:
        assert len(tracks(film)) == 1 and text_of(film.with_suffix(".en.srt")) == SPOKEN


@pytest.mark.slow
def test_after_the_move_the_sidecar_lies_beside_the_film(site: Home, tmp_path: Path) -> None:
    arguments = ["-P", "temp:parts", "-P", "home:films", f"{site.address}/talk.mp4"]
    done = download(tmp_path / "d", *arguments, options="when=after_move")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d" / "films") == ["parts", "talk.en.srt", "talk.mp4"]
    before = download(tmp_path / "e", *arguments)
    assert before.returncode == 0 and names_in(tmp_path / "e" / "films") == [
        "parts",
        "talk.en.srt",
        "talk.mp4",
    ]
    assert (
        names_in(tmp_path / "e" / "films" / "parts")
        == names_in(tmp_path / "d" / "films" / "parts")
        == []
    )


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("mute.mp4", "", "has no audio track"),
        ("talk.mp4", "format=doc", "There is no subtitle format 'doc'"),
        ("talk.mp4", "colour=red", "GptasrSubs has no option colour"),
        ("talk.mp4", "preset=large", "There is no preset 'large'; choose one of netflix, bbc"),
        ("talk.mp4", "when=before_dl", "needs a downloaded file"),
    ],
)
def test_a_subtitle_that_fails_is_yt_dlps_error_in_one_sentence(
    name: str, options: str, reason: str, site: Home, tmp_path: Path
) -> None:
    done = download(tmp_path / "d", f"{site.address}/{name}", "--embed-subs", options=options)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert errors and all(reason in error for error in errors)
    assert options == "when=before_dl" or names_in(tmp_path / "d") == [name]


@pytest.mark.slow
@pytest.mark.parametrize("force", [False, True])
def test_what_the_site_gives_is_kept_unless_forced(force: bool, site: Home, tmp_path: Path) -> None:
    film = {
        "id": "talk",
        "title": "talk",
        "ext": "mp4",
        "url": f"{site.address}/talk.mp4",
        "extractor": "generic",
    }
    film |= {"subtitles": {"en": [{"url": f"{site.address}/talk.en.vtt", "ext": "vtt"}]}}  # type: ignore[dict-item]
    (tmp_path / "talk.info.json").write_text(json.dumps(film))
    arguments = ["--load-info-json", str(tmp_path / "talk.info.json"), "--write-subs"]
    done = download(tmp_path / "d", *arguments, options="force=1" if force else "")
    assert done.returncode == 0, done.stderr
    assert names_in(tmp_path / "d") == [*["talk.en.srt"] * force, "talk.en.vtt", "talk.mp4"]
    assert ("The site gave subtitles" in done.stdout) != force


@pytest.mark.slow
def test_two_passes_write_two_formats(site: Home, tmp_path: Path) -> None:
    second = ["--use-postprocessor", "GptasrSubs:format=vtt"]
    done = download(tmp_path / "d", *second, f"{site.address}/talk.mp4")
    assert done.returncode == 0, done.stderr
    assert "The site gave subtitles" not in done.stdout
    stem = next((tmp_path / "d").glob("*.mp4")).stem
    assert names_in(tmp_path / "d") == [f"{stem}.en.srt", f"{stem}.en.vtt", f"{stem}.mp4"]


@pytest.mark.slow
def test_what_is_cut_out_of_the_film_is_cut_out_of_the_subtitles(
    site: Home, tmp_path: Path
) -> None:
    film = {
        "id": "talk",
        "title": "talk",
        "ext": "mp4",
        "url": f"{site.address}/talk.mp4",
        "extractor": "generic",
    }
    names = [("Talk", 0, 4), ("Sponsor", 4, 8)]
    film |= {
        "duration": 8,
        "chapters": [{"title": t, "start_time": a, "end_time": b} for t, a, b in names],
    }  # type: ignore[dict-item]
    (tmp_path / "talk.info.json").write_text(json.dumps(film))
    arguments = [
        "--load-info-json",
        str(tmp_path / "talk.info.json"),
        "--remove-chapters",
        "Sponsor",
    ]
    done = download(tmp_path / "d", *arguments)
    assert done.returncode == 0, done.stderr
    (cue,) = read(tmp_path / "d" / "talk.en.srt")
    assert " ".join(cue.lines) == "one two three"
    assert probe(tmp_path / "d" / "talk.mp4").duration == pytest.approx(4, abs=0.3)


@pytest.mark.slow
def test_a_second_run_keeps_what_is_there(site: Home, tmp_path: Path) -> None:
    for _ in range(2):
        done = download(tmp_path / "d", f"{site.address}/talk.mp4")
        assert done.returncode == 0, done.stderr
    assert "is there already and is kept" in done.stdout and "a model is loaded" not in done.stdout


def test_yt_dlp_starts_as_fast_as_before() -> None:
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-c",
        "import yt_dlp.postprocessor, yt_dlp_plugins.postprocessor.gptasr_subs",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins" / "yt-dlp")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    rows = [
        line.removeprefix("import time:").split("|")
        for line in done.stderr.splitlines()
        if "|" in line
    ]
    cost = next(
        int(total)
        for _, total, name in rows
        if name.strip() == "yt_dlp_plugins.postprocessor.gptasr_subs"
    )
    assert cost < 50_000  # microseconds
    assert not any(name.strip().startswith(("gptasr_subs", "torch", "numpy")) for *_, name in rows)
