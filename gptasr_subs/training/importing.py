"""A public corpus in our one format: a manifest, its sound in shards or where it lies, and what was dropped and why."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gptasr_subs.errors import FormatError, MediaError, UsageError
from gptasr_subs.model import ctc
from gptasr_subs.training.corpora import COLUMNS, MANIFEST_FILE, Clip, cut, read_clips, read_rows, read_sound
from gptasr_subs.training.readers import LAYOUTS, Layout
from gptasr_subs.training.readers.utterance import Utterance
from gptasr_subs.training.report import Report
from gptasr_subs.training.shards import Row, add_rows, open_table, write_shard
from gptasr_subs.types import FloatArray

DROPPED_FILE = "dropped.tsv"

_ORIGIN = "origin"  # column that says where a clip was found: by it is known what is there already
_DROPPED_COLUMNS = (_ORIGIN, "source", "seconds", "reason")
_CLIPS_PER_SHARD = 50
_SHARD_NAME = re.compile(r"(\d{6})-\d+$")
_BREAKS_LINES = re.compile(r"[\t\n\r]")

Numbered = tuple[int, list[Utterance]]


@dataclass(frozen=True, slots=True)
class Importing:
    """``in_place`` leaves the sound where it is; ``untranscribed`` keeps what has no text, for pseudo-labels."""

    parts: tuple[str, ...] = ()
    in_place: bool = False
    untranscribed: bool = False
    workers: int = 2


@dataclass(slots=True)
class _Batch:
    """Rows of the manifest and of the table of what was dropped."""

    rows: list[Row] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)


class _Heard(NamedTuple):
    """A clip with its length and samples (n_samples,), or the reason why not."""

    clip: Clip
    samples: FloatArray
    rate: int
    reason: str


def import_corpus(
    kind: str,
    root: Path,
    folder: Path,
    options: Importing | None = None,
    listener: Callable[[int], None] | None = None,
) -> Report:
    """Bring the corpus of layout ``kind`` in ``root`` into ``folder``, or go on with it; report on all that is there.

    ``listener`` hears how many utterances have been looked at. Raises ``UsageError`` where there are none.
    """
    options, layout = options or Importing(), _layout(kind)
    if root.resolve() == folder.resolve():
        raise UsageError(f"{folder} is the corpus itself; give another folder to --out.")
    manifest = open_table(folder / MANIFEST_FILE, (*COLUMNS, _ORIGIN))
    dropped = open_table(folder / DROPPED_FILE, _DROPPED_COLUMNS)
    known = {row.get(_ORIGIN, "") for table in (manifest, dropped) for row in read_rows(table)}
    fresh = (found for found in _read(kind, root, options.parts) if _origin(found.clip) not in known)
    looked_at = 0
    for batch in _in_order(partial(_take, folder, options), _batches(fresh, _next_number(manifest)), options.workers):
        add_rows(manifest, batch.rows)
        add_rows(dropped, batch.dropped)
        looked_at += len(batch.rows) + len(batch.dropped)
        if listener:
            listener(looked_at)
    if not known and not looked_at:
        raise UsageError(f"{root} has nothing of a {kind} corpus to read; its folder would hold {layout.holds}.")
    return _report(manifest, dropped)


def _layout(kind: str) -> Layout:
    if kind not in LAYOUTS:
        raise UsageError(f"There is no corpus layout {kind!r}; take one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[kind]


def _read(kind: str, root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    try:
        yield from _layout(kind).read(root, parts)
    except (KeyError, ValueError, IndexError) as error:  # a column or a number that is not there
        raise FormatError(
            f"A table of the corpus in {root} is not as {kind} has it ({error!r}); look at it."
        ) from error


def _origin(clip: Clip) -> str:
    return _BREAKS_LINES.sub("?", f"{clip.file.absolute()}@{clip.offset:.3f}")


def _next_number(manifest: Path) -> int:
    names = (_SHARD_NAME.match(clip.file.stem) for clip in read_clips(manifest))
    return 1 + max((int(name[1]) for name in names if name), default=-1)


def _batches(utterances: Iterator[Utterance], first: int) -> Iterator[Numbered]:
    while batch := list(islice(utterances, _CLIPS_PER_SHARD)):
        yield first, batch
        first += 1


def _in_order(make: Callable[[Numbered], _Batch], batches: Iterable[Numbered], workers: int) -> Iterator[_Batch]:
    """``make`` of each batch, in order, by threads that are few batches ahead: codecs leave the interpreter free."""
    ahead: deque[Future[_Batch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            ahead.append(pool.submit(make, batch))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _take(folder: Path, options: Importing, numbered: Numbered) -> _Batch:
    """Hear the clips of a batch, and write a shard for each sample rate among them, unless they stay in place."""
    number, utterances = numbered
    batch, shards = _Batch(), defaultdict[int, list[_Heard]](list)
    for heard in _hear(utterances, options.untranscribed):
        clip = heard.clip
        if heard.reason:
            batch.dropped.append((_origin(clip), clip.source, f"{clip.seconds:.3f}", heard.reason))
        elif options.in_place:
            batch.rows.append(_row(str(clip.file.absolute()), clip.offset, clip))
        else:
            shards[heard.rate].append(heard)
    for rate, sounds in shards.items():
        batch.rows += _write(folder, f"{number:06d}-{rate}.flac", rate, sounds)
    return batch


def _hear(utterances: Iterable[Utterance], untranscribed: bool) -> Iterator[_Heard]:
    """Every utterance with its sound, each file read once."""
    for file, group in groupby(utterances, key=lambda utterance: utterance.clip.file):
        mono, rate, trouble = _sound(file)
        for clip, unfit in group:
            samples = cut(mono, rate, clip) if clip.seconds else mono[round(clip.offset * rate) :]
            known = replace(clip, seconds=len(samples) / rate)
            without = "" if untranscribed or ctc.spell_text(clip.text) else "no transcript"
            silent = "" if samples.any() else "no sound"
            yield _Heard(known, samples, rate, unfit or trouble or without or silent)


def _sound(file: Path) -> tuple[FloatArray, int, str]:
    """Samples and rate, or what is wrong with the file."""
    nothing = np.zeros(0, np.float32), 1
    if _BREAKS_LINES.search(str(file)):
        return *nothing, "tab or line break in its name"
    if not file.exists():
        return *nothing, "file missing"
    try:
        return *read_sound(file), ""
    except MediaError:
        return *nothing, "unreadable"


def _write(folder: Path, name: str, rate: int, sounds: Sequence[_Heard]) -> Iterator[Row]:
    write_shard(folder / name, [heard.samples for heard in sounds], rate)
    position = 0
    for heard in sounds:
        yield _row(name, position / rate, heard.clip)
        position += len(heard.samples)


def _row(file: str, offset: float, clip: Clip) -> Row:
    words = (" ".join(text.split()) for text in (clip.speaker, clip.source, clip.licence, clip.text))
    return file, f"{offset:.6f}", f"{clip.seconds:.6f}", *words, _origin(clip)


def _report(manifest: Path, dropped: Path) -> Report:
    """On everything in the folder, and left there."""
    report = Report(list(read_clips(manifest)))
    for row in read_rows(dropped):
        clip = Clip(Path(row[_ORIGIN]), 0.0, float(row["seconds"]), "", row["source"], "", "")
        report.dropped.append((clip, row["reason"]))
    report.write(manifest.parent)
    return report
