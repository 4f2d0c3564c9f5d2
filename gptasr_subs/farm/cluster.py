"""The workers of a farm as actors on a Ray cluster. The only module that knows Ray."""

from __future__ import annotations

import importlib
import logging
import math
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from gptasr_subs import __version__
from gptasr_subs.errors import FarmError, UsageError
from gptasr_subs.farm.films import Answer, Film, Node, Work

_LOCAL = re.compile(r"local:([1-9]\d*)")
_HOST_AND_PORT = re.compile(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)")
_PATIENCE = 10.0  # seconds that a cluster may take to answer


@dataclass(frozen=True, slots=True)
class Started:
    """A worker has found its place and waits for films."""

    worker: int
    node: Node


@dataclass(frozen=True, slots=True)
class Answered:
    """A worker is through with its film."""

    worker: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone, with what it was doing."""

    worker: int
    reason: str


Message = Started | Answered | Lost


class Cluster(Protocol):
    """Where workers are, each known by a number."""

    def nodes(self) -> dict[str, int]:
        """How many workers each node has room for, those that are there included."""

    def start(self) -> int:
        """Ask for another worker, which starts once there is room."""

    def give(self, worker: int, film: Film) -> None:
        """Let a worker that waits do a film."""

    def halt(self, worker: int, job: int) -> None:
        """Tell a worker to stop that film."""

    def end(self, worker: int) -> None:
        """End a worker, whatever it does."""

    def wait(self, seconds: float) -> list[Message]:
        """What happened since, waiting that long for it."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker takes of a cluster."""

    cpus: float = 1.0
    gpus: float = 0.0


class FilmActor:
    """A worker on a node. ``halt`` is called while ``do`` runs, in another thread."""

    def __init__(self, make: Callable[[], Work]) -> None:
        """``make`` gives what does a film."""
        self._make = make
        self._work: Work | None = None
        self._halted: set[int] = set()
        self._lock = threading.Lock()

    def where(self) -> Node:
        """The machine that this is."""
        ray = import_ray()
        node = ray.get_runtime_context().get_node_id()
        return Node(socket.gethostname(), str(node), __version__)

    def do(self, film: Film) -> Answer:
        """Do a film."""
        if self._work is None:
            self._work = self._make()
        answer = self._work(film, lambda: film.job in self._halted)
        with self._lock:
            self._halted.clear()
        return answer

    def halt(self, job: int) -> None:
        """Stop a film as soon as that leaves nothing half done."""
        with self._lock:
            self._halted.add(job)


class RayCluster:
    """The workers as actors. None is restarted by Ray: the driver says what becomes of a film."""

    def __init__(self, make: Callable[[], Work], share: Share = Share()) -> None:
        """Made by ``joined``."""
        self._ray = import_ray()
        self._make = make
        self._share = share
        self._kind = self._ray.remote(FilmActor).options(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=2,
        )
        self._actors: dict[int, Any] = {}
        self._answers: dict[Any, int] = {}  # what workers are asked for, and who
        self._last = 0

    def nodes(self) -> dict[str, int]:
        """As the protocol says."""
        try:
            nodes = self._ray.nodes()
        except Exception as error:
            raise FarmError(
                "The Ray cluster is gone; start it again, and run the same command to go on."
            ) from error
        return {
            node["NodeID"]: room_for_workers(node["Resources"], self._share)
            for node in nodes
            if node["Alive"]
        }

    def start(self) -> int:
        """As the protocol says."""
        self._last += 1
        actor = self._kind.remote(self._make)
        self._actors[self._last] = actor
        self._answers[actor.where.remote()] = self._last
        return self._last

    def give(self, worker: int, film: Film) -> None:
        """As the protocol says."""
        self._answers[self._actors[worker].do.remote(film)] = worker

    def halt(self, worker: int, job: int) -> None:
        """As the protocol says."""
        self._actors[worker].halt.remote(job)

    def end(self, worker: int) -> None:
        """As the protocol says."""
        self._answers = {ref: other for ref, other in self._answers.items() if other != worker}
        self._ray.kill(self._actors.pop(worker))

    def wait(self, seconds: float) -> list[Message]:
        """As the protocol says."""
        if not self._answers:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait(list(self._answers), timeout=seconds)
        messages: list[Message] = []
        for answer in ready:
            worker = self._answers.pop(answer)
            try:
                said = self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                self.end(worker)  # one that cannot be reached may live
                messages.append(Lost(worker, _reason(error)))
            else:
                is_start = isinstance(said, Node)
                messages.append(Started(worker, said) if is_start else Answered(worker, said))
        return messages


def import_ray() -> Any:
    """The package ``ray``. Raises FarmError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what later versions do
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise FarmError(
            "Work on many machines needs Ray; install it with: pip install 'gptasr-subs[farm]'."
        ) from error


@contextmanager
def joined(address: str, make: Callable[[], Work], share: Share = Share()) -> Iterator[RayCluster]:
    """The cluster at ``auto``, ``HOST:PORT`` or ``ray://HOST:PORT``; ``local:2`` starts one here
    with room for two workers, until the end of the block.

    ``make`` runs on each worker. Raises FarmError where there is no cluster.
    """
    _connect(address, share)
    try:
        yield RayCluster(make, share)
    finally:
        import_ray().shutdown()


def _connect(address: str, share: Share) -> None:
    ray = import_ray()
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    local = _LOCAL.fullmatch(address)
    if address.startswith("local") and not local:
        raise UsageError(f"--ray {address!r} is no number of workers here; write it like local:2.")
    if local:
        settings |= {"address": "local", "include_dashboard": False}
        settings["num_cpus"] = math.ceil(int(local[1]) * share.cpus)
    else:
        settings["address"] = address
    try:
        place = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
        named = _HOST_AND_PORT.fullmatch(place)
        if named and not local:  # local:2 looks like a host and a port
            # Where nobody listens, Ray itself would ask for minutes.
            socket.create_connection((named[1], int(named[2])), _PATIENCE).close()
        ray.init(**settings)
    except Exception as error:  # of several kinds, by the version and what is wrong
        raise FarmError(
            f"There is no Ray cluster at {address!r} ({_reason(error)}); start one with"
            " `ray start --head`, or write --ray local:2 to use this machine."
        ) from error
    # Ray is kept from printing what happens to nodes: the driver says what it means for films.
    module = importlib.import_module("ray._private.worker")
    name = "print_to_stdstream"
    if hasattr(module, name):
        setattr(module, name, lambda *arguments, **settings: None)


def room_for_workers(resources: dict[str, float], share: Share) -> int:
    """Return how many workers of ``share`` a node with ``resources`` takes."""
    rooms = [resources.get("CPU", 0.0) / share.cpus if share.cpus else math.inf]
    if share.gpus:
        rooms.append(resources.get("GPU", 0.0) / share.gpus)
    room = min(rooms)
    return int(room + 1e-6) if room < math.inf else 1


def _reason(error: Exception) -> str:
    """What Ray says of a lost worker, in one line: the first, or where it could not start, the
    error that ends the traceback.
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (lines[-1] if "creation task" in lines[0] else lines[0]).strip().rstrip(".:")
