"""A database that many processes open at once is there for all of them."""

from __future__ import annotations

import multiprocessing
import sqlite3
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from gptasr_subs.storage.sqlite import open_database

SCHEMA = "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS things (name TEXT UNIQUE);"
OPENERS, ROUNDS = 8, 40  # without waiting, SQLite refuses one of some hundred openers


def write(path: Path, number: int, together: Barrier) -> None:
    together.wait(20)
    database = open_database(path, SCHEMA, 20)
    database.execute("INSERT INTO things VALUES (?)", (str(number),))
    database.close()


def test_many_that_begin_a_database_at_once_all_get_it(tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    for number in range(ROUNDS):
        path, together = tmp_path / str(number) / "things", forking.Barrier(OPENERS)
        openers = [
            forking.Process(target=write, args=(path, opener, together))
            for opener in range(OPENERS)
        ]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
        assert [opener.exitcode for opener in openers] == [0] * OPENERS
        assert open_database(path, SCHEMA, 1).execute("SELECT count(*) FROM things").fetchone() == (
            OPENERS,
        )


def test_patience_ends(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "things", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        open_database(tmp_path / "things", SCHEMA, 0.05)
