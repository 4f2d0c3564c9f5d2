"""One line of JSON a film on disk: what became of it, and what a later run need not do again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import IO

from gptasr_subs.errors import FormatError, system_reason
from gptasr_subs.jobs.hooks import Event
from gptasr_subs.jobs.queue import Job
from gptasr_subs.pipeline.options import Options
from gptasr_subs.storage.files import cut_torn_line, write_error


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one film: ``outcome`` is done, skipped or failed.

    ``seconds`` of audio took ``elapsed`` seconds on ``node``, at the last of ``tries``;
    ``confidence`` is the mean of its ``words``. ``settings`` names what the subtitles depend on,
    ``at`` is when it was over, in seconds since 1970.
    """

    film: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0
    elapsed: float = 0.0
    words: int = 0
    confidence: float = 0.0
    node: str = ""
    tries: int = 1
    settings: str = ""
    at: float = 0.0


class Manifest:
    """A file that grows by a line with each film that is over."""

    def __init__(self, file: IO[str] | None, settings: str, earlier: dict[str, Entry]) -> None:
        """Made by ``open_manifest``; without a ``file`` nothing is written."""
        self._file = file
        self._settings = settings
        self._earlier = earlier

    def add(self, job: Job, event: Event) -> Entry:
        """Write the line of a film, at once."""
        entry = Entry(
            job.address or str(job.path),
            event.state,
            reason=event.reason,
            seconds=round(event.seconds, 3),
            elapsed=round(event.elapsed, 3),
            words=event.words,
            confidence=round(event.confidence, 4),
            node=event.node,
            tries=job.attempts,
            settings=self._settings,
            at=round(time.time(), 3),
        )
        if self._file:
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()
        return entry

    def seconds_of(self, film: str) -> float:
        """The length of a film, where an earlier run has found it; else 0."""
        return self._earlier[film].seconds if film in self._earlier else 0.0

    def is_done(self, film: str) -> bool:
        """Whether an earlier run did the film with the same settings, and it is as it was."""
        entry = self._earlier.get(film)
        if entry is None or entry.outcome != "done" or entry.settings != self._settings:
            return False
        try:
            return Path(film).stat().st_mtime <= entry.at
        except OSError:  # at an address, of which no change is known
            return True


@contextmanager
def open_manifest(path: Path | None, settings: str) -> Iterator[Manifest]:
    """The manifest at ``path``, which goes on where an earlier run was stopped.

    Raises FormatError where the file is no manifest, OutputError where it cannot be written.
    """
    if path is None:
        yield Manifest(None, settings, {})
        return
    earlier = {entry.film: entry for entry in read_manifest(path)} if path.exists() else {}
    try:
        cut_torn_line(path)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise write_error(path, error) from error
    with file:
        yield Manifest(file, settings, earlier)


def read_manifest(path: Path) -> Iterator[Entry]:
    """All lines, also those of earlier runs over the same films. Raises FormatError."""
    known = {field.name for field in fields(Entry)}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):  # its writer was killed
                    return
                try:
                    facts = json.loads(line)
                    yield Entry(**{name: facts[name] for name in known & facts.keys()})
                except (ValueError, TypeError, AttributeError) as error:
                    raise FormatError(
                        f"{str(path)!r}, line {number} is none of a farm's manifest ({error});"
                        " name another file."
                    ) from error
    except OSError as error:
        raise FormatError(f"{str(path)!r} could not be read: {system_reason(error)}.") from error


def settings_of(options: Options, model: str) -> str:
    """A name for what subtitles depend on, whether they are there already or not."""
    same = replace(options, overwrite=False, output_dir=None)
    return blake2b(f"{model}\n{same}".encode(), digest_size=8).hexdigest()
