"""Formats are chosen by extension or name; plugins are formats too, and broken ones do no harm."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gptasr_subs import formats
from gptasr_subs.errors import FormatError, OutputError
from gptasr_subs.formats import Document, registry
from tests.support.documents import CUES, DOCUMENT, NAMES, WORDS


def test_the_extension_chooses_the_format(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.VTT", CUES)
    assert (
        (tmp_path / "talk.VTT").read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:01.000 -->")
    )


def test_a_format_named_beats_the_extension(tmp_path: Path) -> None:
    formats.write(
        tmp_path / "talk.part", iter(CUES), iter(WORDS), format="json", source="a.mkv", seconds=9.0
    )
    assert json.loads((tmp_path / "talk.part").read_text(encoding="utf-8"))["source"] == "a.mkv"


def test_files_have_unix_line_ends_and_no_byte_order_mark(tmp_path: Path) -> None:
    formats.write(tmp_path / "talk.srt", CUES)
    data = (tmp_path / "talk.srt").read_bytes()
    assert data.startswith(b"1\n00:00:01,000 --> ")
    assert b"\r" not in data
    assert "Zoë".encode() in data


def test_an_unknown_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        FormatError, match="choose one of ass, json, lrc, sbv, srt, tsv, ttml, txt, vtt"
    ):
        formats.write(tmp_path / "talk.doc", CUES)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder does not exist"):
        formats.write(tmp_path / "none" / "talk.srt", CUES)


GROUP = "gptasr_subs.formats"


class Shout:
    name = "shout"
    extension = "loud"

    def write(self, document: Document) -> str:
        return document.cues[0].text.upper()


class Mute:
    name = "mute"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that other packages would have declared."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr("gptasr_subs.plugins.entry_points", lambda group: entries)
    registry.find_formats.cache_clear()
    yield entries
    registry.find_formats.cache_clear()


def test_formats_are_found_where_no_metadata_is_installed(plugins: list[EntryPoint]) -> None:
    assert list(formats.find_formats()) == NAMES


def test_a_plugin_is_a_format_like_any_other(plugins: list[EntryPoint], tmp_path: Path) -> None:
    plugins.append(EntryPoint("shout", f"{__name__}:Shout", GROUP))
    formats.write(tmp_path / "talk.loud", CUES)
    assert (tmp_path / "talk.loud").read_text(encoding="utf-8") == "TOM & ZOË ASKED:\nIS 3 < 4?"
    assert formats.get_format("shout") is formats.get_format(".loud")


@pytest.mark.parametrize(
    "value", ["no_such_module:Format", f"{__name__}:Absent", f"{__name__}:Mute"]
)
def test_a_broken_plugin_is_named_and_left_out(
    value: str, plugins: list[EntryPoint], caplog: pytest.LogCaptureFixture
) -> None:
    plugins.append(EntryPoint("broken", value, GROUP))
    with caplog.at_level(logging.WARNING):
        assert list(formats.find_formats()) == NAMES
    assert "The plugin broken of gptasr-subs is left out" in caplog.text


def test_a_broken_plugin_does_not_replace_a_built_in(plugins: list[EntryPoint]) -> None:
    plugins.append(EntryPoint("srt", "no_such_module:Srt", GROUP))
    assert formats.render(DOCUMENT, "srt").startswith("1\n")


def test_importing_formats_does_not_import_pysrt() -> None:
    code = "import sys, gptasr_subs.formats; sys.exit('pysrt' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
    )
