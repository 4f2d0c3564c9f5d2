"""Films of the page, each with a job that is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser import launched, window
from tests.support.page_films import PageFilm, begin_film
from tests.support.served import Served


@pytest.fixture
def talk(server: Served, request: pytest.FixtureRequest) -> PageFilm:
    """A film of its own for each test."""
    return begin_film(server, server.folder / "films" / f"{request.node.name[:60]}.mkv")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium, for all tests of this folder."""
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Any, server: Served) -> Iterator[Any]:
    """A window of its own for each test, on the list of films."""
    with window(browser, server.url) as page:
        page.goto(f"{server.url}/")
        yield page
