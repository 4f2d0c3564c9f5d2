"""A file that the journal may know, of which nobody reads the audio."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def media(tmp_path: Path) -> Path:
    (tmp_path / "film.mkv").write_bytes(b"a film")
    return tmp_path / "film.mkv"
