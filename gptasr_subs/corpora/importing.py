"""A public corpus in our one format: a manifest, and its audio in shards or where it lies."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

from gptasr_subs.corpora.audio import LoadedClip, load_clips, origin
from gptasr_subs.corpora.manifest import Clip, read_clips
from gptasr_subs.corpora.readers import LAYOUTS, Layout
from gptasr_subs.corpora.readers.utterance import Utterance
from gptasr_subs.corpora.report import Report
from gptasr_subs.corpora.shards import Row, write_shard
from gptasr_subs.corpora.writer import CorpusWriter, manifest_row
from gptasr_subs.errors import FormatError, UsageError
from gptasr_subs.model import ctc

_CLIPS_PER_SHARD = 50  # at least, but in the last one
_SHARD_NAME = re.compile(r"(\d{6})-\d+$")

Numbered = tuple[int, list[Utterance]]


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """``in_place`` leaves the audio where it is.

    ``untranscribed`` keeps what has no text, for pseudo-labels.
    """

    parts: tuple[str, ...] = ()
    in_place: bool = False
    untranscribed: bool = False
    workers: int = 2


@dataclass(slots=True)
class _Batch:
    """Rows of the manifest, and what was dropped."""

    rows: list[Row] = field(default_factory=list)
    dropped: list[tuple[Clip, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.dropped)


def import_corpus(
    kind: str,
    root: Path,
    folder: Path,
    options: ImportOptions | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Report:
    """Bring the corpus of layout ``kind`` in ``root`` into ``folder``, or resume; report on it all.

    ``on_progress`` gets the number of utterances done so far. Raises ``UsageError`` where there are
    none, and ``FormatError`` where a table of the corpus is not as it should be.
    """
    options = options or ImportOptions()
    layout = _layout(kind)
    corpus = CorpusWriter(folder, root)
    looked_at = 0
    fresh = (
        found
        for found in _read(kind, root, options.parts)
        if origin(found.clip) not in corpus.known
    )
    first = 0
    if corpus.begun:
        names = (_SHARD_NAME.match(clip.file.stem) for clip in read_clips(corpus.manifest))
        first = 1 + max((int(name[1]) for name in names if name), default=-1)
    batches = _batches(fresh, first)
    for batch in _in_order(partial(_take, folder, options), batches, options.workers):
        corpus.add(batch.rows, batch.dropped)
        looked_at += len(batch)
        if on_progress:
            on_progress(looked_at)
    if not corpus.begun:
        raise UsageError(
            f"{root} has nothing of a {kind} corpus to read; its folder would hold {layout.holds}."
        )
    return corpus.report()


def _layout(kind: str) -> Layout:
    if kind not in LAYOUTS:
        raise UsageError(f"There is no corpus layout {kind!r}; take one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[kind]


def _read(kind: str, root: Path, parts: Sequence[str]) -> Iterator[Utterance]:
    try:
        yield from _layout(kind).read(root, parts)
    except (KeyError, ValueError, IndexError) as error:  # a column or a number that is not there
        raise FormatError(
            f"A table in {root} is not as {kind} has it ({error!r}); look at it."
        ) from error


def _batches(utterances: Iterable[Utterance], first: int) -> Iterator[Numbered]:
    """Numbered from ``first``.

    Neighbours in one file share a batch, or it would be decoded for each.
    """
    batch: list[Utterance] = []
    for _, neighbours in groupby(utterances, key=lambda utterance: utterance.clip.file):
        batch += neighbours
        if len(batch) >= _CLIPS_PER_SHARD:
            yield first, batch
            batch = []
            first = first + 1
    if batch:
        yield first, batch


def _in_order(
    make: Callable[[Numbered], _Batch], batches: Iterable[Numbered], workers: int
) -> Iterator[_Batch]:
    """``make`` of each batch, in order, by threads that are few batches ahead.

    Codecs leave the interpreter free.
    """
    ahead: deque[Future[_Batch]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for batch in batches:
            ahead.append(pool.submit(make, batch))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _take(folder: Path, options: ImportOptions, numbered: Numbered) -> _Batch:
    """Read the clips of a batch; write a shard for each sample rate, unless they stay in place."""
    number, utterances = numbered
    batch = _Batch()
    shards = defaultdict[int, list[LoadedClip]](list)
    clips = [utterance.clip for utterance in utterances]
    for utterance, loaded in zip(utterances, load_clips(clips), strict=True):
        reason = utterance.unfit or loaded.trouble
        if not (reason or options.untranscribed or ctc.normalize_text(loaded.clip.text)):
            reason = "no transcript"
        if reason:
            batch.dropped.append((loaded.clip, reason))
        elif options.in_place:
            clip = loaded.clip
            batch.rows.append(manifest_row(str(clip.file.absolute()), clip.offset, clip, clip))
        else:
            shards[loaded.rate].append(loaded)
    for rate, of_rate in shards.items():
        name = f"{number:06d}-{rate}.flac"
        write_shard(folder / name, [loaded.samples for loaded in of_rate], rate)
        position = 0
        for loaded in of_rate:
            batch.rows.append(manifest_row(name, position / rate, loaded.clip, loaded.clip))
            position += len(loaded.samples)
    return batch
