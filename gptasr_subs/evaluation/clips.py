"""Many short audio files to text: what scoring and transcribing folders have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from gptasr_subs.errors import GptasrError
from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import AudioTrack, choose_track, probe
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.windows import recognize, window_limits
from gptasr_subs.speech.segmentation import Window, segment_blocks
from gptasr_subs.types import FloatArray, Span


@dataclass(slots=True)
class ClipTranscript:
    """What was heard in one audio file, or in a ``span`` of it, of ``seconds``.

    Or why it could not be read.
    """

    path: Path
    span: Span | None = None
    text: str = ""
    seconds: float = 0.0
    error: GptasrError | None = None


def transcribe_clips(
    paths: Sequence[Path],
    recognizer: Recognizer,
    *,
    spans: Sequence[Span | None] = (),
    batch_size: int = 0,
    beams: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> list[ClipTranscript]:
    """The text of each file, in order. Windows of several files share a batch.

    Where ``spans`` (seconds) has one for a file, it is the text of that part. A file that cannot be
    read has its error in its place; ``on_progress`` is told the number of files done so far.
    """
    transcripts = [ClipTranscript(path, span) for path, span in zip_longest(paths, spans)]
    owners: list[int] = []

    def windows() -> Iterator[Window]:
        for index, transcript in enumerate(transcripts):
            for window in _readable_windows(transcript, recognizer):
                owners.append(index)
                yield window

    found = recognize(recognizer, windows(), batch_size=batch_size, beams=beams)
    # Windows come back in order, so each finds its owner
    for position, (_, words) in enumerate(found):
        owner = transcripts[owners[position]]
        owner.text = " ".join([owner.text, *(word.text for word in words)]).strip()
        if on_progress:
            on_progress(owners[position] + 1)
    return transcripts


def to_tsv(transcripts: Iterable[ClipTranscript], folder: Path) -> str:
    """A manifest of what was recognised: path (relative to ``folder``) and text of each file."""
    lines = ["path\ttext\n"]
    for transcript in transcripts:
        if not transcript.error:
            path = transcript.path.relative_to(folder).as_posix()
            # What would end the column or the line.
            path = path.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
            lines.append(f"{path}\t{transcript.text}\n")
    return "".join(lines)


def _readable_windows(transcript: ClipTranscript, recognizer: Recognizer) -> Iterator[Window]:
    """Windows of one file; where it cannot be read on, its error is noted and the windows end."""
    try:
        yield from _windows(transcript, recognizer)
    except GptasrError as error:
        transcript.error = error


def _windows(transcript: ClipTranscript, recognizer: Recognizer) -> Iterator[Window]:
    """A file (or span) that fits into one window whole, else its stretches of speech."""
    rate = recognizer.sample_rate
    limits = window_limits(recognizer)
    info = probe(transcript.path)
    track = info.audio[choose_track(info, None)]

    def counted() -> Iterator[FloatArray]:
        for block in _decode(transcript, track, rate):
            transcript.seconds += len(block) / rate
            yield block

    blocks = counted()
    head: list[FloatArray] = []
    for block in blocks:
        head.append(block)
        if transcript.seconds > limits.max_seconds:
            yield from segment_blocks(chain(head, blocks), rate, limits)
            return
    if transcript.seconds:
        span = Span(0.0, transcript.seconds)
        yield Window(span, np.concatenate(head), (span,))


def _decode(transcript: ClipTranscript, track: AudioTrack, rate: int) -> Iterator[FloatArray]:
    span = transcript.span
    blocks = decode_blocks(
        transcript.path, track=track, sample_rate=rate, start=span.start if span else 0.0
    )
    left = round((span.end - span.start) * rate) if span else sys.maxsize
    for block in blocks:
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return
