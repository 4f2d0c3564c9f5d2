"""One media file to words and cues: probe, decode, split at silences, recognise, snap, shape.

Nothing is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from gptasr_subs.cues.shaping import shape_cues
from gptasr_subs.errors import MediaError
from gptasr_subs.formats import Document
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.media.decode import CountedBlocks, decode_blocks
from gptasr_subs.media.languages import same_language
from gptasr_subs.media.probe import AudioTrack, MediaInfo, choose_track, probe
from gptasr_subs.media.shots import find_shot_changes
from gptasr_subs.outputs.progressive import Preview
from gptasr_subs.pipeline.glossary import glossary_of
from gptasr_subs.pipeline.options import Options, Progress, ProgressCallback
from gptasr_subs.recognition.cache import Journal, open_journal
from gptasr_subs.recognition.loading import (
    LazyRecognizer,
    gives_readings,
    identity_of,
    lazy_model,
    weights_of,
    with_glossary,
)
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.record import Record
from gptasr_subs.recognition.transcript import RecognizedWindow, Transcript
from gptasr_subs.recognition.windows import recognize, recognize_groups, window_limits
from gptasr_subs.speech.segmentation import Window, segment_blocks
from gptasr_subs.storage.files import file_stamp
from gptasr_subs.types import FloatArray, Span, Word

_log = logging.getLogger(__name__)


def recognize_file(
    media: Path,
    model: str | Recognizer = "default",
    *,
    device: str = "auto",
    options: Options = Options(),
    on_progress: ProgressCallback | None = None,
    preview: Preview | None = None,
    record: Record | None = None,
    glossary: Glossary | None = None,
) -> Document:
    """Words and cues of one media file, nothing written.

    ``preview`` is called with what is known so far. ``record`` is what the journal holds of the
    file, as ``open_record`` gives it; without one the journal is opened. ``glossary`` are the words
    to expect, by default those that the options say and that are found.
    """
    info = probe(media)
    track = info.audio[choose_track(info, options.audio_track, options.language)]
    _warn_of_language(media, track, options)
    recognizer = lazy_model(model, device, options.language) if isinstance(model, str) else model
    terms = glossary_of(media, options) if glossary is None else glossary
    recognizer = with_glossary(recognizer, terms)
    with open_journal(options.journal and record is None) as journal:
        if record is None:
            record = open_record(
                journal,
                media,
                info=info,
                recognizer=recognizer,
                options=options,
                glossary=terms,
            )
        transcript = record.finished()
        if transcript is None:
            if isinstance(recognizer, LazyRecognizer):
                recognizer.begin()

            def show(recognized: Sequence[RecognizedWindow], done: float) -> None:
                if on_progress:
                    on_progress(Progress(done, info.duration))
                if preview:  # without cuts of the picture: to look for them takes long
                    words = [word for window in recognized for word in window.words]
                    preview(document_of(words, media, info, recognizer.name, options=options))

            transcript = _transcribe_file(
                media, track, recognizer, record=record, options=options, report=show
            )
    # The audio was counted; what containers say is often a guess, or missing.
    info = replace(info, duration=transcript.seconds or info.duration)

    def show_shots(done: float) -> None:
        if on_progress:
            on_progress(Progress(min(done, info.duration), info.duration, "cuts of the picture"))

    shots = find_shot_changes(media, show_shots) if options.shot_changes and info.fps else ()
    return document_of(
        transcript.words, media, info, transcript.model, options=options, shots=shots
    )


def open_record(
    journal: Journal,
    media: Path,
    *,
    info: MediaInfo,
    recognizer: Recognizer,
    options: Options,
    glossary: Glossary = Glossary(),
    needs_readings: bool = True,
) -> Record:
    """What the journal holds of the audio track that is taken, recognised in this way.

    ``recognizer`` listens for the ``glossary``. Where it gives readings, words that were stored
    without theirs count only if these are not needed.
    """
    track = choose_track(info, options.audio_track, options.language)
    identity = identity_of(recognizer, options.language)
    return journal.record(
        media,
        track,
        identity=identity,
        beams=options.beams,
        weights=weights_of(recognizer, options.language),
        glossary=glossary,
        readings=needs_readings and gives_readings(recognizer),
    )


def transcribe(
    model: Recognizer,
    audio: FloatArray,
    spans: Sequence[Span],
    *,
    batch_size: int = 0,
    beams: int = 0,
) -> list[Word]:
    """Return words of the spans of ``audio`` (n_samples,), at the model's sample rate, in order."""
    rate = model.sample_rate
    speech = [
        part
        for window in segment_blocks([audio], rate, window_limits(model))
        for part in window.speech
    ]
    windows = []
    for span in spans:
        samples = audio[round(span.start * rate) : round(span.end * rate)]
        cut = (Span(max(part.start, span.start), min(part.end, span.end)) for part in speech)
        windows.append(Window(span, samples, tuple(part for part in cut if part.seconds > 0)))
    found = recognize(model, windows, batch_size=batch_size, beams=beams)
    return [word for _, words in found for word in words]


def document_of(
    words: Sequence[Word],
    media: Path,
    info: MediaInfo,
    model: str,
    *,
    options: Options,
    shots: Sequence[float] = (),
) -> Document:
    """Words shaped into cues, with the facts of the video; ``shots`` as for ``shape_cues``."""
    norms = replace(options.norms, fps=info.even_fps) if info.even_fps else options.norms
    cues = [
        replace(cue, position=8) if options.top else cue
        for cue in shape_cues(words, norms, shots=shots)
    ]
    style = replace(options.style, text_height=norms.text_height)
    return Document(
        tuple(cues),
        words=tuple(words),
        source=media.name,
        seconds=info.duration,
        language=options.language,
        model=model,
        style=style,
        fps=info.even_fps,
    )


def _warn_of_language(media: Path, track: AudioTrack, options: Options) -> None:
    if track.language and not same_language(track.language, options.language):
        _log.warning(
            "The audio of %r is said to be in %r, and is taken for %r:"
            " choose --audio-track or --lang.",
            str(media),
            track.language,
            options.language,
        )


def _transcribe_file(
    media: Path,
    track: AudioTrack,
    recognizer: Recognizer,
    *,
    record: Record,
    options: Options,
    report: Callable[[Sequence[RecognizedWindow], float], None],
) -> Transcript:
    """Decode, split and recognise what the journal does not hold.

    ``report`` is called with what is recognised so far, in order, and how many seconds are done.
    Raises MediaError if the file changes meanwhile.
    """
    stamp = file_stamp(media)
    rate = recognizer.sample_rate
    recognized: list[RecognizedWindow] = []
    done = 0.0
    # Where recognition begins amid the file, what is before comes last.
    parts = [(options.start, inf), (0.0, options.start)] if options.start else [(0.0, inf)]
    for start, seconds in parts:
        blocks = CountedBlocks(
            decode_blocks(media, track=track, sample_rate=rate, start=start), rate, seconds
        )
        windows = segment_blocks(blocks, rate, window_limits(recognizer))
        groups = recognize_groups(
            recognizer,
            (window.shifted(start) for window in windows),
            batch_size=options.batch_size,
            beams=options.beams,
            record=record,
        )
        for group in groups:
            recognized += [window for _, window in group]
            reached = recognized[-1].span.end - start
            recognized.sort(key=lambda window: window.span.start)
            report(recognized, done + reached)
        done += blocks.seconds
    if file_stamp(media) != stamp:
        raise MediaError(
            f"{str(media)!r} was removed or changed while it was read;"
            " run again once it is complete."
        )
    transcript = Transcript(recognizer.name, done, tuple(recognized))
    if not options.start:  # else windows lie elsewhere than in an undisturbed run
        record.finish(transcript)
    if record.failed:
        places = ", ".join(f"{span.start:.1f}-{span.end:.1f} s" for span, _ in record.failed)
        reason = record.failed[-1][1]
        _log.warning("%r has no subtitles at %s: not recognised (%s).", str(media), places, reason)
    return transcript
