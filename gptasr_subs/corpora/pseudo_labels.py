"""Pseudo-labels: a recogniser's transcripts of clips without text, where it is confident enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from gptasr_subs.corpora.audio import LoadedClip, load_clips, origin
from gptasr_subs.corpora.manifest import Clip, read_clips
from gptasr_subs.corpora.report import Report
from gptasr_subs.corpora.shards import Row
from gptasr_subs.corpora.writer import CorpusWriter, manifest_row
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.windows import clip_windows, window_limits
from gptasr_subs.types import FloatArray, Word

CONFIDENCE = "confidence"  # column of the manifest, see the function

_WINDOWS_AT_ONCE = 64
_FLOOR = 1e-4  # confidence of a word at least, so that one cannot take all of a clip's


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """Clips of a confidence below ``min_confidence`` are dropped.

    The others are for the recogniser (0: it chooses).
    """

    min_confidence: float = 0.0
    batch_size: int = 0
    beams: int = 0


class _Piece(NamedTuple):
    """A stretch to recognise of ``whole``, the clip that it was found in."""

    whole: Clip
    clip: Clip
    samples: FloatArray


@dataclass(slots=True)
class _Batch:
    """Pieces of some clips, and those clips that have none."""

    clips: int = 0
    pieces: list[_Piece] = field(default_factory=list)
    dropped: list[tuple[Clip, str]] = field(default_factory=list)


def label(
    manifest: Path,
    recognizer: Recognizer,
    folder: Path,
    options: LabelOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Make, or resume, a corpus of the audio of ``manifest`` and ``recognizer``'s text.

    The audio stays where it is; clips longer than the recogniser's window become several.
    ``on_progress`` gets the number of clips done, and of all. Raises ``UsageError`` and
    ``FormatError``.
    """
    options = options or LabelOptions()
    done = 0
    corpus = CorpusWriter(folder, manifest, (CONFIDENCE,))
    clips = [clip for clip in read_clips(manifest) if origin(clip) not in corpus.known]
    for batch in _batches(load_clips(clips), recognizer):
        rows = list(_labelled(batch, recognizer, options))
        corpus.add(rows, batch.dropped)
        done += batch.clips
        if on_progress:
            on_progress(done, len(clips))
    return corpus.report()


def confidence(words: Sequence[Word]) -> float:
    """Of a whole clip, 0 to 1: the geometric mean over its words; 0 where there are none."""
    logs = [math.log(max(word.confidence, _FLOOR)) for word in words]
    return math.exp(math.fsum(logs) / len(logs)) if logs else 0.0


def _batches(clips: Iterable[LoadedClip], recognizer: Recognizer) -> Iterator[_Batch]:
    """Yield whole clips whose windows together are worth a call.

    A clip that fits into one window is one, of a longer one its stretches of speech are.
    """
    import soxr

    batch = _Batch()
    for loaded in clips:
        clip = loaded.clip
        pieces = []
        if not loaded.trouble:
            rate = recognizer.sample_rate
            samples = loaded.samples
            if loaded.rate != rate:
                samples = soxr.resample(samples, loaded.rate, rate)
            for window in clip_windows([samples], rate, window_limits(recognizer)):
                offset = clip.offset + window.span.start
                piece = replace(clip, offset=offset, seconds=window.span.seconds)
                pieces.append(_Piece(clip, piece, window.samples))
        batch.clips += 1
        batch.pieces += pieces
        if not pieces:
            batch.dropped.append((clip, loaded.trouble or "no speech"))
        if len(batch.pieces) >= _WINDOWS_AT_ONCE:
            yield batch
            batch = _Batch()
    if batch.clips:
        yield batch


def _labelled(batch: _Batch, recognizer: Recognizer, options: LabelOptions) -> Iterator[Row]:
    """Yield rows of the pieces that are recognised with confidence; the others join what is
    dropped.
    """
    samples = [piece.samples for piece in batch.pieces]
    found = dict(recognizer.transcribe(samples, batch_size=options.batch_size, beams=options.beams))
    for index, piece in enumerate(batch.pieces):
        words = found.get(index, [])
        certainty = confidence(words)
        if words and certainty >= options.min_confidence:
            said = replace(piece.clip, text=" ".join(word.text for word in words))
            row = manifest_row(str(said.file.absolute()), said.offset, said, piece.whole)
            yield (*row, f"{certainty:.4f}")
        else:
            reason = (
                f"confidence under {options.min_confidence:g}" if words else "nothing recognised"
            )
            batch.dropped.append((replace(piece.whole, seconds=piece.clip.seconds), reason))
