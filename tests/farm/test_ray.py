"""A farm on a real Ray cluster: nodes die and join, and nothing is lost or written twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gptasr_subs.farm.cluster import import_ray, joined
from gptasr_subs.farm.driver import Farm
from gptasr_subs.farm.manifest import read_manifest
from gptasr_subs.farm.subtitler import make_subtitler
from gptasr_subs.jobs.hooks import Event, Hooks
from gptasr_subs.jobs.queue import MEMORY, Job, Queue, State, open_queue
from gptasr_subs.pipeline.options import Options
from gptasr_subs.storage.files import file_stamp
from tests.support.farm import (
    FORMATS,
    alone,
    alone_on_one_core,
    begun,
    make_gate,
    make_scripted,
    texts,
)
from tests.support.films import TALK, make_film, names_in
from tests.support.media_maker import run_ffmpeg
from tests.support.processes import REPOSITORY, start

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="pipes, signals, and nodes on one machine"),
]

SAMPLE = REPOSITORY / "examples" / "sample.mp4"
OPTIONS = Options(formats=FORMATS)
WORDS = ("one", "two", "three", "four")
Act = Callable[[], None]


class Nodes:
    """A cluster with a head that does no work; each node has room for one worker."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        settings = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 << 20}
        self._cluster: Any = Cluster(initialize_head=True, head_node_args=settings)
        self.address = str(self._cluster.address)
        self.there: dict[str, Any] = {}

    def add(self) -> None:
        for patience in (2, 1, 0):
            try:
                node = self._cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
                break
            except Exception:  # Ray gives a node 30 seconds to start, however busy the machine is
                if not patience:
                    raise
        self.there[node.node_id] = node

    def kill(self, number: str) -> None:
        self._cluster.remove_node(self.there.pop(number), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    import_ray()
    with pytest.MonkeyPatch.context() as patch:
        inherited = os.environ.get("PYTHONPATH", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(REPOSITORY), inherited])))
        # or workers give way to whatever else the machine does
        patch.setenv("RAY_worker_niceness", "0")
        nodes = Nodes()
        try:
            yield nodes
        finally:
            nodes.close()


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    """The cluster with two nodes."""
    while len(cluster.there) < 2:
        cluster.add()
    while len(cluster.there) > 2:
        cluster.kill(next(iter(cluster.there)))
    return cluster


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "script").mkdir()
    return tmp_path / "script"


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Six films; the first is the longest."""
    (tmp_path / "films").mkdir()
    make_films(tmp_path / "films", 6)
    return tmp_path / "films"


def make_films(folder: Path, count: int) -> None:
    for number in range(count):
        words = [*TALK, (7.0, WORDS[number % 4]), (8.0, WORDS[number // 4 % 4])]
        make_film(folder / f"{number:02d}.wav", words, 24.0 - 0.25 * number)


def run(
    address: str, films: Path, script: Path, report: Callable[[Job, Event], None] | None = None
) -> Counter[str]:
    """Do all films of a folder and below; gives the outcomes."""
    outcomes: Counter[str] = Counter()

    def note(job: Job, event: Event) -> None:
        outcomes[event.state] += 1
        if report:
            report(job, event)

    with open_queue(MEMORY) as queue, joined(address, partial(make_scripted, script)) as cluster:
        for path in sorted(films.rglob("*.wav")):
            queue.add(path, priority=path.stat().st_size)
        farm(queue, cluster, note).run()
    return outcomes


def farm(queue: Queue, cluster: Any, report: Callable[[Job, Event], None]) -> Farm:
    hooks = Hooks(notifiers={})
    return Farm(queue, cluster, options=OPTIONS, hooks=hooks, report=report, retry=False)


class Acting(threading.Thread):
    """Acts while the farm runs; its error is raised at the end."""

    def __init__(self, act: Act) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._act()
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Acting:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join(60)
        if self._error:
            raise self._error
        assert not self.is_alive(), "no worker came to the gate"


def test_forty_films_are_the_same_bytes_as_on_one_machine(
    nodes: Nodes, tmp_path: Path, script: Path
) -> None:
    (tmp_path / "films").mkdir()
    make_films(tmp_path / "films", 40)
    nodes_used: Counter[str] = Counter()

    def report(job: Job, event: Event) -> None:
        nodes_used[event.node] += 1

    assert run(nodes.address, tmp_path / "films", script, report) == {"done": 40}
    assert texts(tmp_path / "films") == alone(tmp_path / "films")
    assert len(texts(tmp_path / "films")) == 120 and len(nodes_used) == 2
    assert Counter(film for film, _ in begun(script)) == {f"{n:02d}": 1 for n in range(40)}


def test_six_real_films_are_the_same_bytes_as_on_one_machine(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for number in range(6):
        cut = ["-ss", str(2 * number), "-i", f"file:{SAMPLE}", "-t", "20"]
        run_ffmpeg(*cut, f"file:{tmp_path / 'films' / str(number)}.mp4")
    make = partial(make_subtitler, "default", "cpu", "en")
    with open_queue(MEMORY) as queue, joined(nodes.address, make) as cluster:
        for path in sorted((tmp_path / "films").iterdir()):
            queue.add(path)
        farm(queue, cluster, lambda job, event: None).run()
    assert texts(tmp_path / "films") == alone_on_one_core(tmp_path / "films")
    assert len(texts(tmp_path / "films")) == 18


def test_a_node_killed_in_mid_film_costs_only_time(nodes: Nodes, films: Path, script: Path) -> None:
    gate = make_gate(script, "00")
    done = threading.Event()

    def act() -> None:
        with gate.open("w"):  # once the film is in its second window, where it stays
            gate.unlink()
            nodes.kill(dict(begun(script))["00"])
            assert done.wait(300)

    def report(job: Job, event: Event) -> None:
        if job.path.stem == "00":
            done.set()

    with Acting(act):
        assert run(nodes.address, films, script, report) == {"done": 6}
    assert texts(films) == alone(films)
    times = Counter(film for film, _ in begun(script))
    assert times.pop("00") == 2 and set(times.values()) == {1}


def test_films_that_crash_their_workers_cost_only_themselves(
    nodes: Nodes, films: Path, script: Path
) -> None:
    """One does so always, one while its subtitles are written, and only once."""
    (script / "01.crash").touch()
    (script / "04.tear").touch()
    reasons: dict[str, str] = {}

    def report(job: Job, event: Event) -> None:
        if event.state == "failed":
            reasons[job.path.stem] = event.reason

    assert run(nodes.address, films, script, report) == {"done": 5, "failed": 1}
    assert "its worker was lost 3 times" in reasons["01"]
    times = Counter(film for film, _ in begun(script))
    assert (times["01"], times["04"], times["00"]) == (3, 2, 1)
    expected = alone(films)
    assert texts(films) == {
        name: text for name, text in expected.items() if not name.startswith("01.")
    }
    (script / "01.crash").unlink()
    assert run(nodes.address, films, script) == {"done": 1, "skipped": 5}
    assert texts(films) == expected


def test_a_node_that_joins_late_does_its_share(cluster: Nodes, films: Path, script: Path) -> None:
    while len(cluster.there) > 1:
        cluster.kill(next(iter(cluster.there)))
    if not cluster.there:
        cluster.add()
    first = next(iter(cluster.there))
    gate = make_gate(script, "01")
    others = threading.Semaphore(0)

    def act() -> None:
        with gate.open("w"):  # the first node has enough to do
            gate.unlink()
            for _ in range(4):
                assert others.acquire(timeout=300)

    def report(job: Job, event: Event) -> None:
        if job.path.stem == "00":
            cluster.add()
        else:
            others.release()

    with Acting(act):
        assert run(cluster.address, films, script, report) == {"done": 6}
    assert [film for film, node in begun(script) if node == first] == ["00", "01"]
    assert texts(films) == alone(films)


def test_a_folder_that_turns_read_only_is_said_and_made_up_for(
    nodes: Nodes, films: Path, script: Path
) -> None:
    closed = films / "closed"
    closed.mkdir()
    for name in ("00", "01"):
        (films / f"{name}.wav").rename(closed / f"{name}.wav")
    gate = make_gate(script, "00")

    def act() -> None:
        with gate.open("w"):
            gate.unlink()
            set_read_only(closed, True)

    reasons: list[str] = []

    def report(job: Job, event: Event) -> None:
        if event.state == "failed":
            reasons.append(event.reason)

    try:
        with Acting(act):
            outcomes = run(nodes.address, films, script, report)
    finally:
        set_read_only(closed, False)
    assert outcomes["failed"] >= 1 and outcomes["done"] >= 4 and outcomes.total() == 6
    assert all("closed" in reason for reason in reasons)
    assert not [name for name in names_in(closed) if name.startswith("00.en")]
    assert not [name for name in names_in(closed) if name.startswith(".")]
    assert run(nodes.address, films, script)["failed"] == 0
    assert {Path(name).name for name in texts(films)} == set(alone(films))


def set_read_only(folder: Path, wanted: bool) -> None:
    """Let nobody write there; root is only stopped by the flag of the file system."""
    if os.geteuid() == 0:
        flag = ["chattr", "+i" if wanted else "-i", str(folder)]
        if subprocess.run(flag, check=False, capture_output=True).returncode:
            pytest.skip("root may write everywhere, and this file system has no flags")
    else:
        folder.chmod(0o555 if wanted else 0o755)


def test_a_driver_that_was_killed_goes_on_where_it_was(
    nodes: Nodes, films: Path, script: Path, tmp_path: Path
) -> None:
    manifest = tmp_path / "out.jsonl"
    gate = make_gate(script, "02")
    command = ["-c", "from tests.support.farm import main; main()", "farm", films, "--quiet"]
    command += ["--ray", nodes.address, "--model", script, "--format", "srt,vtt,json"]
    command += ["--manifest", manifest]
    driver = start(*command, cwd=REPOSITORY)
    with gate.open("w"):
        before = {path: file_stamp(path) for path in films.iterdir() if path.suffix != ".wav"}
        driver.send_signal(signal.SIGKILL)
        assert driver.wait() == -signal.SIGKILL
        gate.unlink()
    assert start(*command, cwd=REPOSITORY).wait() == 0
    assert texts(films) == alone(films)
    assert before and all(file_stamp(path) == stamp for path, stamp in before.items())
    lines = list(read_manifest(manifest))
    assert max(Counter(entry.film for entry in lines if entry.outcome == "done").values()) == 1
    assert {Path(entry.film).name for entry in lines} == set(map(name_of, films.glob("*.wav")))


def name_of(path: Path) -> str:
    return path.name


def test_ctrl_c_ends_it_cleanly_and_it_goes_on(nodes: Nodes, films: Path, script: Path) -> None:
    gate = make_gate(script, "02")
    command = ["-c", "from tests.support.farm import main; main()", "farm", films]
    command += ["--ray", nodes.address, "--model", script, "--format", "srt,vtt,json"]
    unblock = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    driver = start(*command, cwd=REPOSITORY, stderr=-1, **unblock)
    with gate.open("w"):
        driver.send_signal(signal.SIGINT)
        assert driver.stderr and any("Stopping" in line for line in driver.stderr)
        gate.unlink()
    rest = driver.stderr.read()
    assert driver.wait() == 130
    assert "to do; run it again to go on." in rest and "Traceback" not in rest
    assert not [name for name in names_in(films) if name.startswith(".")]
    assert start(*command, "--quiet", cwd=REPOSITORY).wait() == 0
    assert texts(films) == alone(films)


def test_the_queue_is_worked_off_by_the_cluster(nodes: Nodes, films: Path, script: Path) -> None:
    with open_queue() as queue:
        for path in sorted(films.iterdir()):
            queue.add(path, {"formats": ["srt", "vtt"]})
        command = ["-c", "from tests.support.farm import main; main()", "jobs", "run"]
        command += ["--ray", nodes.address, "--model", str(script), "--quiet"]
        assert start(*command, cwd=REPOSITORY).wait() == 0
        assert queue.counts() == {State.DONE: 6}
    expected = alone(films)
    assert texts(films) == {name: text for name, text in expected.items() if "json" not in name}
