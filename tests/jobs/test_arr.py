"""What Sonarr, Radarr and Lidarr tell their custom script, and what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gptasr_subs.errors import MediaError, UsageError
from gptasr_subs.jobs.arr import (
    ArrEvent,
    ArrEventKind,
    handle,
    local_path,
    parse_mapping,
    read_event,
)
from gptasr_subs.jobs.queue import State, open_queue
from gptasr_subs.jobs.worker import options_of
from gptasr_subs.pipeline.glossary import glossary_of
from gptasr_subs.pipeline.options import Options

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("program", ["Sonarr", "Radarr", "Lidarr"])
@pytest.mark.parametrize("change", [str.lower, str.upper, str])
def test_every_program_can_test_the_connection(program: str, change: type[str]) -> None:
    assert read_event({change(f"{program}_EventType"): "Test"}) == ArrEvent(
        program.lower(), ArrEventKind.TEST
    )


@pytest.mark.parametrize(
    ("facts", "paths"),
    [
        (
            {"sonarr_eventtype": "Download", "sonarr_episodefile_path": "/tv/a b's [x].mkv"},
            ["/tv/a b's [x].mkv"],
        ),
        (
            {"sonarr_eventtype": "Download", "sonarr_episodefile_paths": "/tv/1.mkv|/tv/2.mkv"},
            ["/tv/1.mkv", "/tv/2.mkv"],
        ),
        (
            {
                "Sonarr_EventType": "Download",
                "Sonarr_EpisodeFile_Path": "D:\\TV\\Übung\\1.mkv",
                "Sonarr_EpisodeFile_Paths": "D:\\TV\\Übung\\1.mkv|D:\\TV\\2.mkv",
            },
            ["D:\\TV\\Übung\\1.mkv", "D:\\TV\\2.mkv"],
        ),
        (
            {"radarr_eventtype": "Download", "radarr_moviefile_path": "/films/x.mkv"},
            ["/films/x.mkv"],
        ),
        (
            {"lidarr_eventtype": "AlbumDownload", "lidarr_addedtrackpaths": "/m/1.flac|/m/2.flac"},
            ["/m/1.flac", "/m/2.flac"],
        ),
        ({"lidarr_eventtype": "Download", "lidarr_addedtrackpaths": "/m/1.flac"}, ["/m/1.flac"]),
    ],
)
def test_imports_name_their_files_once(facts: dict[str, str], paths: list[str]) -> None:
    event = read_event(facts)
    assert event.kind is ArrEventKind.IMPORT and list(event.paths) == paths


@pytest.mark.parametrize(
    ("program", "files"),
    [("sonarr", "episodefile"), ("radarr", "moviefile"), ("lidarr", "trackfile")],
)
def test_renamings_name_old_and_new(program: str, files: str) -> None:
    facts = {f"{program}_eventtype": "Rename", f"{program}_{files}_paths": "/a|/b"}
    event = read_event(facts | {f"{program}_{files}_previouspaths": "/c|/d"})
    assert event == ArrEvent(program, ArrEventKind.RENAME, ("/a", "/b"), ("/c", "/d"))
    with pytest.raises(UsageError, match="names 1 old and 2 new files"):
        read_event(facts | {f"{program}_{files}_previouspaths": "/c"})


@pytest.mark.parametrize("folder", ["/tv/", "D:\\TV\\", "\\\\nas\\tv\\"])
def test_a_bar_in_a_name_does_not_split_it(folder: str) -> None:
    facts = {
        "sonarr_eventtype": "Rename",
        "sonarr_episodefile_paths": f"{folder}A|B.mkv|{folder}C.mkv",
        "sonarr_episodefile_previouspaths": f"{folder}a | b|.mkv|{folder}c.mkv|",
    }
    event = read_event(facts)
    assert event.paths == (f"{folder}A|B.mkv", f"{folder}C.mkv")
    assert event.previous == (f"{folder}a | b|.mkv", f"{folder}c.mkv")


@pytest.mark.parametrize("kind", ["Grab", "HealthIssue", "EpisodeFileDelete", "ApplicationUpdate"])
def test_what_does_not_concern_us_is_let_pass(kind: str, tmp_path: Path) -> None:
    event = read_event({"sonarr_eventtype": kind, "sonarr_episodefile_path": "/gone.mkv"})
    with open_queue(tmp_path / "queue") as queue:
        assert (
            event.kind is ArrEventKind.OTHER
            and handle(event, queue, {}) == []
            and queue.jobs() == []
        )


def test_called_by_nobody_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="custom script of Sonarr, Radarr or Lidarr"):
        read_event({"HOME": "/root"})


def test_one_import_told_of_twice_is_one_job(tmp_path: Path) -> None:
    films = [tmp_path / "1.mkv", tmp_path / "2.mkv"]
    for film in films:
        film.touch()
    each = [ArrEvent("sonarr", ArrEventKind.IMPORT, (str(film),)) for film in films]
    both = ArrEvent("sonarr", ArrEventKind.IMPORT, tuple(map(str, films)))
    with open_queue(tmp_path / "queue") as queue:
        assert [len(handle(event, queue, {"language": "en"})) for event in (*each, both)] == [
            1,
            1,
            0,
        ]
        for _ in films:  # and also when they are done already
            job = queue.claim("worker")
            assert job is not None
            queue.finish(job, State.DONE)
        assert handle(both, queue, {}) == []
        later = tmp_path / "new"
        later.touch()
        put_in = time.time()
        while later.stat().st_ctime <= put_in:  # the clock of a file system goes in steps
            os.utime(later)
        later.replace(films[0])  # an upgrade is another file
        upgraded = handle(both, queue, {})
        assert [job.path for job in upgraded] == [films[0]]


def test_sidecars_and_waiting_jobs_follow_a_renaming(tmp_path: Path) -> None:
    old, new = tmp_path / "Old (2020)" / "old.mkv", tmp_path / "New" / "new name.mkv"
    for folder in (old.parent, new.parent):
        folder.mkdir()
    old.touch()
    names = [
        "old.en.srt",
        "old.de.forced.vtt",
        "old.srt",
        "older.en.srt",
        "old.sample.srt",
        "old.nfo",
    ]
    for name in names:
        (old.parent / name).write_text(name)
    with open_queue(tmp_path / "queue") as queue:
        handle(ArrEvent("radarr", ArrEventKind.IMPORT, (str(old),)), queue, {})
        old.rename(new)
        handle(ArrEvent("radarr", ArrEventKind.RENAME, (str(new),), (str(old),)), queue, {})
        assert [job.path for job in queue.jobs()] == [new]
    there = {path.name: path.read_text() for path in new.parent.iterdir() if path != new}
    assert there == {
        "new name.en.srt": "old.en.srt",
        "new name.de.forced.vtt": "old.de.forced.vtt",
        "new name.srt": "old.srt",
    }
    assert {path.name for path in old.parent.iterdir()} == set(names[3:])


def test_a_sidecar_of_the_new_name_is_not_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.en.srt").write_text("old")
    (tmp_path / "b.en.srt").write_text("new")
    with open_queue(tmp_path / "queue") as queue:
        handle(
            ArrEvent(
                "sonarr",
                ArrEventKind.RENAME,
                (str(tmp_path / "b.mkv"),),
                (str(tmp_path / "a.mkv"),),
            ),
            queue,
            {},
        )
    assert (tmp_path / "a.en.srt").read_text() == "old" and (
        tmp_path / "b.en.srt"
    ).read_text() == "new"
    assert "b.en.srt' is there already" in caplog.text


def test_folders_are_translated_also_those_of_windows() -> None:
    mapping = parse_mapping(
        ["/tv=/mnt/media/tv", "D:\\Films=/mnt/films", "\\\\nas\\music\\=/mnt/music"]
    )
    for there, here in [
        ("/tv/Show/1.mkv", "/mnt/media/tv/Show/1.mkv"),
        ("/tvs/1.mkv", "/tvs/1.mkv"),
        ("d:\\films\\Alien (1979)\\Alien.mkv", "/mnt/films/Alien (1979)/Alien.mkv"),
        ("\\\\NAS\\music\\a\\1.flac", "/mnt/music/a/1.flac"),
    ]:
        assert local_path(there, mapping) == Path(here)
    with pytest.raises(UsageError, match="--map takes"):
        parse_mapping(["/tv"])


def test_a_file_that_is_not_here_says_so(tmp_path: Path) -> None:
    with (
        open_queue(tmp_path / "queue") as queue,
        pytest.raises(MediaError, match=r"Sonarr names the file .*--map"),
    ):
        handle(ArrEvent("sonarr", ArrEventKind.IMPORT, ("D:\\TV\\1.mkv",)), queue, {})


def script(folder: Path, *arguments: str, **facts: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "GPTASR_SUBS_DATA": str(folder / "data"),
        **facts,
    }
    command = [sys.executable, "-m", "gptasr_subs", "arr", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_the_script_enqueues_and_ends_at_once_however_many_call_it(tmp_path: Path) -> None:
    films = [tmp_path / f"{number}.mkv" for number in range(4)]
    for film in films:
        film.touch()
    calls = [
        {"sonarr_eventtype": "Download", "sonarr_episodefile_path": str(film)} for film in films
    ] * 2
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(lambda facts: script(tmp_path, "--format", "srt, vtt", **facts), calls)
        )
    assert [process.returncode for process in done] == [0] * len(calls), done
    with open_queue(tmp_path / "data" / "queue-1.sqlite3") as queue:
        assert sorted(job.path for job in queue.jobs()) == films
        assert [job.options for job in queue.jobs()] == [{"formats": ["srt", "vtt"]}] * len(films)


def test_the_script_answers_a_test_and_names_mistakes(tmp_path: Path) -> None:
    ended = script(tmp_path, RADARR_EVENTTYPE="Test")
    assert (ended.returncode, ended.stderr) == (0, "gptasr-subs is ready for Radarr.\n")
    ended = script(tmp_path)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    ended = script(
        tmp_path,
        "--map",
        "E:\\=/nowhere",
        radarr_eventtype="Download",
        radarr_moviefile_path="E:\\x.mkv",
    )
    assert ended.returncode == 1 and "'/nowhere/x.mkv', which is not there" in ended.stderr


def test_the_script_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, gptasr_subs.cli.main, gptasr_subs.jobs.arr; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert not {"torch", "numpy", "transformers", "rich.console"} & set(done.stdout.split())
    film = tmp_path / "x.mkv"
    film.touch()
    before = os.times()
    assert (
        script(tmp_path, radarr_eventtype="Download", radarr_moviefile_path=str(film)).returncode
        == 0
    )
    after = os.times()
    spent = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    assert spent < 1.0  # seconds of work; how long it takes depends on what else runs


def test_one_name_may_hold_the_sign_that_separates_names_in_lists() -> None:
    environment = {"sonarr_eventtype": "Download", "sonarr_episodefile_path": "/tv/A | B.mkv"}
    assert read_event(environment).paths == ("/tv/A | B.mkv",)


@pytest.mark.parametrize(
    ("program", "fact"),
    [("sonarr", "Series_Title"), ("radarr", "Movie_Title"), ("lidarr", "Artist_Name")],
)
def test_what_is_imported_may_be_named_in_it(program: str, fact: str) -> None:
    environment = {f"{program}_EventType": "Download", f"{program}_{fact}": "Young Sheldon"}
    assert read_event(environment).names == ("Young Sheldon",)


def test_names_are_expected_where_the_cast_is(tmp_path: Path) -> None:
    film, names = tmp_path / "x.mkv", tmp_path / "names.txt"
    film.touch()
    names.write_text("Picard\n")
    facts = {
        "sonarr_eventtype": "Download",
        "sonarr_episodefile_path": str(film),
        "sonarr_series_title": "Young Sheldon",
    }
    done = script(tmp_path, "--cast", "--glossary", str(names), **facts)
    assert done.returncode == 0, done.stderr
    with open_queue(tmp_path / "data" / "queue-1.sqlite3") as queue:
        (job,) = queue.jobs()
    options = options_of(job, Options())
    assert (options.cast, options.glossary, options.names) == (True, (names,), ("Young Sheldon",))
    terms = {term.text: term.fixed_case for term in glossary_of(film, options).terms}
    assert terms == {"Picard": True, "Young Sheldon": False, "Sheldon": False}
