"""Where the package keeps things between runs."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

CACHE_VARIABLE = "GPTASR_SUBS_CACHE"
DATA_VARIABLE = "GPTASR_SUBS_DATA"


def cache_folder() -> Path:
    """Return what can be made or fetched again: journal, models.

    ``GPTASR_SUBS_CACHE`` overrides the user's cache folder.
    """
    return _folder(CACHE_VARIABLE) or user_cache_path("gptasr-subs")


def data_folder() -> Path:
    """Return what must not be lost: the queue. ``GPTASR_SUBS_DATA`` overrides the user's data
    folder.
    """
    return _folder(DATA_VARIABLE) or user_data_path("gptasr-subs")


def _folder(variable: str) -> Path | None:
    chosen = os.environ.get(variable)
    return Path(chosen).expanduser() if chosen else None
