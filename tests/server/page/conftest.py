"""Films of the page, each with a job that is done."""

from __future__ import annotations

import pytest

from tests.support.page_films import PageFilm, begin_film
from tests.support.served import Served


@pytest.fixture
def talk(server: Served, request: pytest.FixtureRequest) -> PageFilm:
    """A film of its own for each test."""
    return begin_film(server, server.folder / "films" / f"{request.node.name[:60]}.mkv")
