"""The Dockerfile copies what the package is built from, and starts a command that there is."""

from __future__ import annotations

import json
import re

from gptasr_subs.storage.folders import CACHE_VARIABLE, DATA_VARIABLE
from tests.support.pages import REPOSITORY, find_command, read_page

DOCKERFILE = read_page("Dockerfile").replace("\\\n", " ")


def test_what_is_copied_is_there_and_let_into_the_build() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (?!--)(.*)", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert all((REPOSITORY / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} <= set(read_page(".dockerignore").split())
    pyproject = read_page("pyproject.toml")
    for needed in ("README.md", "LICENSE", "NOTICE", "licenses", "gptasr_subs", "plugins/yt-dlp"):
        assert needed in copied and needed in pyproject


def test_it_serves_and_writes_to_the_folders_that_it_names() -> None:
    entry, arguments = (
        json.loads(re.findall(rf"^{name} (.*)", DOCKERFILE, re.MULTILINE)[0])
        for name in ("ENTRYPOINT", "CMD")
    )
    command, words = find_command(" ".join(entry + arguments))
    assert command.make_context("serve", words).params["host"] == "0.0.0.0"
    (volumes,) = re.findall(r"^VOLUME (.*)", DOCKERFILE, re.MULTILINE)
    places = dict(re.findall(r"(GPTASR_\w+)=(\S+)", DOCKERFILE))
    assert places.keys() == {CACHE_VARIABLE, DATA_VARIABLE}
    assert sorted(places.values()) == json.loads(volumes)
