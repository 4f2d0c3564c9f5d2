"""Films whose jobs are done, as the page asks for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.films import make_film
from tests.support.served import Served


@dataclass
class PageFilm:
    """A job of a server, and its film."""

    server: Served
    number: int
    path: Path

    def get(self, address: str, **settings: Any) -> httpx.Response:
        """What the server answers below the address of the job."""
        return self.server.get(f"/jobs/{self.number}/{address}", **settings)

    def post(self, address: str, **settings: Any) -> httpx.Response:
        """What the server answers below the address of the job."""
        return self.server.post(f"/jobs/{self.number}/{address}", **settings)

    def put(self, cues: list[dict[str, Any]], version: int) -> httpx.Response:
        """Save cues that were made of a version."""
        address = f"{self.server.url}/jobs/{self.number}/document"
        tag = {"if-match": f'"{version}"'}
        return self.server.client.put(address, json={"cues": cues}, headers=tag)

    @property
    def cues(self) -> list[dict[str, Any]]:
        """Those of the newest version."""
        cues: list[dict[str, Any]] = self.get("document").json()["cues"]
        return cues


def begin_film(server: Served, path: Path) -> PageFilm:
    """A film and its job, which is done when this returns."""
    number = server.post("/jobs", json={"path": str(make_film(path))}).json()["id"]
    assert events_of(server, number)[-1][1]["state"] == "done"
    return PageFilm(server, number, path)


def events_of(server: Served, number: int) -> list[tuple[str, dict[str, Any]]]:
    """All events of a job until it is over: their names and what they say."""
    found = []
    name = ""
    for line in server.get(f"/jobs/{number}/events").text.split("\n"):
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            found.append((name, json.loads(line.removeprefix("data: "))))
    return found
