"""One server for all tests of this folder that need nothing special: to start one takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.fake_recognizer import say
from tests.support.films import TALK, TALK_SECONDS, make_film
from tests.support.served import Served, served


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose folder ``films`` is a root, and known to Bazarr as /films."""
    folder = tmp_path_factory.mktemp("server")
    films = folder / "films"
    films.mkdir()
    make_film(films / "talk.mkv")
    with served(
        folder,
        *("--root", films, "--map", f"/films={films}", "--max-upload", "4", "--wyoming", "0"),
        keepalive=0.3,
    ) as server:
        yield server
        server.wait_until_free()


@pytest.fixture(scope="session")
def pcm() -> bytes:
    """The talk as Bazarr sends it: 16 bits, mono, 16 kHz, no container."""
    return (say(TALK, TALK_SECONDS) * 32767).astype(np.dtype("<i2")).tobytes()


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The talk in an MP4 file, which a pipe could not be read from."""
    return make_film(tmp_path_factory.mktemp("film") / "talk.mp4").read_bytes()
