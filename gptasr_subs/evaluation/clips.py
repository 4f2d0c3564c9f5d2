"""Many clips of audio to text: what scoring and transcribing folders have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.errors import GptasrError
from gptasr_subs.media.decode import CountedBlocks, decode_blocks
from gptasr_subs.media.probe import choose_track, probe
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.windows import clip_windows, recognize, window_limits
from gptasr_subs.speech.segmentation import Window


@dataclass(slots=True)
class ClipTranscript:
    """What was recognised in the ``seconds`` of a clip, or why it could not be read."""

    clip: Clip
    text: str = ""
    seconds: float = 0.0
    error: GptasrError | None = None


def transcribe_clips(
    clips: Iterable[Clip],
    recognizer: Recognizer,
    *,
    batch_size: int = 0,
    beams: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> list[ClipTranscript]:
    """Recognise clips, in order; windows of several share a batch. Their own text is not read.

    A clip that cannot be read has its error in its place; ``on_progress`` gets the number of clips
    done so far.
    """
    transcripts = [ClipTranscript(clip) for clip in clips]
    owners: list[int] = []
    rate = recognizer.sample_rate
    limits = window_limits(recognizer)

    def windows() -> Iterator[Window]:
        for index, transcript in enumerate(transcripts):
            clip = transcript.clip
            try:
                info = probe(clip.file)
                track = info.audio[choose_track(info, None)]
                audio = CountedBlocks(
                    decode_blocks(clip.file, track=track, sample_rate=rate, start=clip.offset),
                    rate,
                    clip.seconds or inf,
                )
                for window in clip_windows(audio, rate, limits):
                    owners.append(index)
                    yield window
                transcript.seconds = audio.seconds
            except GptasrError as error:  # the windows read so far stay
                transcript.error = error

    found = recognize(recognizer, windows(), batch_size=batch_size, beams=beams)
    # Windows come back in order, so each finds its owner
    for position, (_, words) in enumerate(found):
        owner = transcripts[owners[position]]
        owner.text = " ".join([owner.text, *(word.text for word in words)]).strip()
        if on_progress:
            on_progress(owners[position] + 1)
    return transcripts


def to_tsv(transcripts: Iterable[ClipTranscript], folder: Path) -> str:
    """Return a manifest of what was recognised: path (relative to ``folder``) and text of each
    file.
    """
    lines = ["path\ttext\n"]
    for transcript in transcripts:
        if not transcript.error:
            path = transcript.clip.file.relative_to(folder).as_posix()
            # What would end the column or the line.
            path = path.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
            lines.append(f"{path}\t{transcript.text}\n")
    return "".join(lines)
