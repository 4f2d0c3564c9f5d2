"""A database that many open at once is there for all of them."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from gptasr_subs.database import open_database

SCHEMA = "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS things (name TEXT UNIQUE);"
OPENERS = 8


def test_many_that_begin_a_database_at_once_all_get_it(tmp_path: Path) -> None:
    def write(path: Path, number: int, together: Barrier) -> None:
        together.wait(20)
        database = open_database(path, SCHEMA, 20)
        database.execute("INSERT INTO things VALUES (?)", (str(number),))
        database.close()

    for round_ in range(15):
        path, together = tmp_path / str(round_) / "things", Barrier(OPENERS)
        with ThreadPoolExecutor(OPENERS) as pool:
            list(pool.map(lambda number, p=path, t=together: write(p, number, t), range(OPENERS)))
        assert open_database(path, SCHEMA, 1).execute("SELECT count(*) FROM things").fetchone() == (OPENERS,)


def test_patience_ends(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "things", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        open_database(tmp_path / "things", SCHEMA, 0.05)
