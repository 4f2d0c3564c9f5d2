"""One media file in, its subtitles out: probe, decode, split at silences, recognise, snap, shape cues, write."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.shaping import shape_cues
from gptasr_subs.errors import MediaError, OutputError
from gptasr_subs.formats import Document, ReadableFormat, Style, find_formats, get_format, read, render
from gptasr_subs.media.decode import decode_blocks
from gptasr_subs.media.probe import MediaInfo, choose_track, probe
from gptasr_subs.media.shots import find_shot_changes
from gptasr_subs.media.sidecars import existing_subtitles, sidecar_path
from gptasr_subs.outputs.burning import burn, burned_path
from gptasr_subs.outputs.embedding import Track, embed, embedded_track
from gptasr_subs.outputs.progressive import Preview, previews
from gptasr_subs.recognition.cache import Film, Journal, open_journal
from gptasr_subs.recognition.loading import LazyRecognizer, identity_of, lazy_model
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.recognition.transcript import Heard, Transcript
from gptasr_subs.recognition.windows import recognize, recognize_groups, window_limits
from gptasr_subs.speech.segmentation import Window, segment_blocks
from gptasr_subs.storage.files import file_stamp, write_atomically
from gptasr_subs.types import FloatArray, Span, Word

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What to write and where. ``output`` names one file and its format; else one sidecar a format is written.

    ``embed`` puts a track into the film, ``burn`` draws the text into a copy of it; see ``embedding`` and ``burning``.
    ``journal``: keep on disk what is recognised, and take from there what was. ``start``: seconds at which to begin
    listening; what is before comes last. ``progressive``: write the files again and again while they grow.
    ``top`` places the text at the top of the picture; ``shot_changes`` has cues begin and end with near cuts.
    """

    formats: tuple[str, ...] = ("srt",)
    language: str = "en"
    output: Path | None = None
    output_dir: Path | None = None
    overwrite: bool = False
    audio_track: int | str | None = None
    batch_size: int = 0
    beams: int = 0
    norms: Norms = NETFLIX
    sdh: bool = False
    forced: bool = False
    embed: bool = False
    burn: bool = False
    burn_quality: int = 20
    burn_style: str = "outline"
    journal: bool = True
    style: Style = field(default_factory=Style)
    top: bool = False
    shot_changes: bool = False
    start: float = 0.0
    progressive: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work is: ``done`` of ``total`` seconds of the film.

    ``stage`` says what is done with it in a few words, nothing for the recognition.
    """

    done: float
    total: float
    stage: str = ""


Listener = Callable[[Progress], None]
_Report = Callable[[Sequence[Heard], float], None]  # what is heard so far, and how many seconds are done


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one media file. ``written`` are new files, ``kept`` are ones that stood there already.

    The media file itself is among the former if a track was put into it, among the latter if it had one. ``ready`` is
    the subtitle file of which the text was taken instead of recognising it.
    """

    media: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    document: Document | None
    seconds: float
    elapsed: float
    ready: Path | None = None

    @property
    def rtfx(self) -> float:
        """Seconds of film for each second of work."""
        return self.seconds / self.elapsed if self.elapsed > 0 else 0.0


def subtitle(
    media: str | os.PathLike[str],
    model: str | Recognizer = "default",
    *,
    device: str = "auto",
    options: Options = Options(),
    listener: Listener | None = None,
) -> Result:
    """Write subtitles for one media file; ``model`` is a recogniser or what ``load_model`` takes.

    A subtitle that is already there is kept unless ``options.overwrite``; if all are, nothing is recognised. Raises
    MediaError, ModelError, OutputError or FormatError; no partial file is ever left.
    """
    began, path = time.monotonic(), Path(media)
    plan = make_plan(path, options)
    if plan.is_done:
        return Result(path, (), plan.kept, None, 0.0, 0.0)
    _refuse_unwritable(plan.outputs(path))
    if plan.ready:
        document = Document(tuple(read(plan.ready)))
    else:
        with previews(plan.wanted if options.progressive else {}) as write:
            preview = write if options.progressive else None
            document = recognize_file(path, model, device=device, options=options, listener=listener, preview=preview)
    for name, target in plan.wanted.items():
        write_atomically(target, render(document, name))
    _change_picture(path, plan, document, options, listener)
    elapsed = time.monotonic() - began
    return Result(path, plan.outputs(path), plan.kept, document, document.seconds or 0.0, elapsed, plan.ready)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one media file: subtitle files by format, a track in it, a copy with text in the picture.

    ``kept`` is what is there already; ``ready`` a subtitle file that makes recognising it again needless.
    """

    wanted: dict[str, Path]
    kept: tuple[Path, ...]
    embed: bool = False
    burned: Path | None = None
    ready: Path | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return not (self.wanted or self.embed or self.burned)

    @property
    def needs_model(self) -> bool:
        """Whether the film has to be listened to."""
        return not (self.is_done or self.ready)

    def outputs(self, media: Path) -> tuple[Path, ...]:
        """All files that will be written."""
        burned = [self.burned] if self.burned else []
        return (*self.wanted.values(), *[media] * self.embed, *burned)


def make_plan(media: Path, options: Options) -> Plan:
    """See what is there already. Raises MediaError where a track is to go into a file that can have none."""
    targets = target_paths(media, options)
    kept = kept_paths(targets.values(), options)
    wanted = {name: target for name, target in targets.items() if target not in kept}
    has_track = options.embed and embedded_track(media, _track(options)) and not options.overwrite
    burned = burned_path(media, options.output_dir) if options.burn else None
    kept_copy = kept_paths([burned], options) if burned else ()
    kept = (*kept, *[media] * has_track, *kept_copy)
    plan = Plan(wanted, kept, options.embed and not has_track, None if kept_copy else burned)
    return replace(plan, ready=None if wanted or plan.is_done else _ready_subtitles(media, options))


def _ready_subtitles(media: Path, options: Options) -> Path | None:
    """A subtitle file of the film, perhaps corrected by hand, whose text can go into the film."""
    if options.overwrite:
        return None
    there = existing_subtitles(media, options.language, forced=options.forced, directory=options.output_dir)
    readable = [f".{found.extension}" for found in find_formats().values() if isinstance(found, ReadableFormat)]
    return next((path for path in there if path.suffix.lower() in readable), None)


def _track(options: Options) -> Track:
    return Track(options.language, options.sdh, options.forced)


def _change_picture(media: Path, plan: Plan, document: Document, options: Options, listener: Listener | None) -> None:
    def report(done: float, total: float) -> None:
        if listener:
            listener(Progress(done, total, "into the picture"))

    if plan.burned:
        style, quality = options.burn_style, options.burn_quality
        burn(media, document.cues, plan.burned, quality=quality, style=style, listener=report)
    if plan.embed:
        embed(media, document.cues, _track(options))


def recognize_file(
    media: Path,
    model: str | Recognizer = "default",
    *,
    device: str = "auto",
    options: Options = Options(),
    listener: Listener | None = None,
    preview: Preview | None = None,
) -> Document:
    """Words and cues of one media file, nothing written; ``preview`` is called with what is known so far."""
    info = probe(media)
    track = choose_track(info, options.audio_track)
    recognizer = lazy_model(model, device, options.language) if isinstance(model, str) else model
    with open_journal(options.journal) as journal:
        film = _film(journal, media, recognizer, options)
        transcript = film.finished()
        if transcript is None:
            if isinstance(recognizer, LazyRecognizer):
                recognizer.begin()

            def show(heard: Sequence[Heard], done: float) -> None:
                if listener:
                    listener(Progress(done, info.duration))
                if preview:
                    quick = replace(options, shot_changes=False)  # to look for them takes long
                    preview(document_of(_words(heard), media, info, recognizer.name, quick))

            transcript = _transcribe_film(media, track, recognizer, film, options, show)
    info = replace(info, duration=info.duration or transcript.seconds)  # some containers do not say how long they are
    shots = _shots(media, info, listener) if options.shot_changes and info.fps else ()
    return document_of(transcript.words, media, info, transcript.model, options, shots)


def _shots(media: Path, info: MediaInfo, listener: Listener | None) -> list[float]:
    def report(done: float) -> None:
        if listener:
            listener(Progress(min(done, info.duration), info.duration, "cuts of the picture"))

    return find_shot_changes(media, report)


def is_recognized(media: Path, recognizer: Recognizer, options: Options) -> bool:
    """Whether the journal holds all words of a film, so that no model is needed for it."""
    with open_journal(options.journal) as journal:
        return _film(journal, media, recognizer, options).finished() is not None


def _film(journal: Journal, media: Path, recognizer: Recognizer, options: Options) -> Film:
    return journal.film(media, options.audio_track, identity_of(recognizer, options.language), options.beams)


def _words(heard: Iterable[Heard]) -> list[Word]:
    """In the order of the film."""
    return [word for part in sorted(heard, key=lambda part: part.span.start) for word in part.words]


def _transcribe_film(
    media: Path, track: int, recognizer: Recognizer, film: Film, options: Options, report: _Report
) -> Transcript:
    """Decode, split and recognise what the journal does not hold; raises MediaError if the file changes meanwhile."""
    stamp, heard, done = file_stamp(media), [], 0.0
    sizes = {"batch_size": options.batch_size, "beams": options.beams}
    for start, seconds in [(options.start, inf), (0.0, options.start)] if options.start else [(0.0, inf)]:
        decoded = decode_blocks(media, track=track, sample_rate=recognizer.sample_rate, start=start)
        blocks = _Clock(decoded, recognizer.sample_rate, seconds)
        windows = segment_blocks(blocks, recognizer.sample_rate, window_limits(recognizer))
        for group in recognize_groups(recognizer, (window.shifted(start) for window in windows), film=film, **sizes):
            heard += [Heard(window.span, window.speech, tuple(words)) for window, words in group]
            report(heard, done + heard[-1].span.end - start)
        done += blocks.seconds
    if file_stamp(media) != stamp:
        raise MediaError(f"{str(media)!r} was removed or changed while it was read; run again once it is complete.")
    transcript = Transcript(recognizer.name, done, tuple(sorted(heard, key=lambda part: part.span.start)))
    if not options.start:  # windows lie elsewhere than in an undisturbed run
        film.finish(transcript)
    _warn_of_lost(media, film.lost)
    return transcript


def _warn_of_lost(media: Path, lost: Sequence[tuple[Span, str]]) -> None:
    if lost:
        places = ", ".join(f"{span.start:.1f}-{span.end:.1f} s" for span, _ in lost)
        _log.warning("%r has no subtitles at %s: not recognised (%s).", str(media), places, lost[-1][1])


class _Clock:
    """Passes sound on, at most so many seconds of it, and counts it."""

    def __init__(self, blocks: Iterable[FloatArray], sample_rate: int, limit: float = inf) -> None:
        self.seconds, self._blocks, self._sample_rate, self._limit = 0.0, blocks, sample_rate, limit

    def __iter__(self) -> Iterator[FloatArray]:
        for block in self._blocks:
            if self.seconds + len(block) / self._sample_rate >= self._limit:
                block = block[: round((self._limit - self.seconds) * self._sample_rate)]
            self.seconds += len(block) / self._sample_rate
            yield block
            if self.seconds >= self._limit - 0.5 / self._sample_rate:
                return


def document_of(
    words: Sequence[Word], media: Path, info: MediaInfo, model: str, options: Options, shots: Sequence[float] = ()
) -> Document:
    """Words shaped into cues, with the facts of the film; ``shots`` as for ``shape_cues``."""
    norms = replace(options.norms, fps=info.fps) if info.fps else options.norms
    cues = [replace(cue, position=8) if options.top else cue for cue in shape_cues(words, norms, shots=shots)]
    style = replace(options.style, text_height=norms.text_height)
    return Document(tuple(cues), tuple(words), media.name, info.duration, options.language, model, style)


def transcribe(
    model: Recognizer, audio: FloatArray, spans: Sequence[Span], *, batch_size: int = 0, beams: int = 0
) -> list[Word]:
    """Words of the spans of ``audio`` (n_samples,) at the model's sample rate, in order, with times in seconds."""
    rate = model.sample_rate
    speech = [part for window in segment_blocks([audio], rate, window_limits(model)) for part in window.speech]
    windows = (
        Window(span, audio[round(span.start * rate) : round(span.end * rate)], _within(span, speech)) for span in spans
    )
    found = recognize(model, windows, batch_size=batch_size, beams=beams)
    return [word for _, words in found for word in words]


def target_paths(media: Path, options: Options) -> dict[str, Path]:
    """The file each format goes to; raises FormatError for a format that is not known."""
    if options.output:
        return {get_format(options.output.suffix).name: options.output}
    extensions = {name: get_format(name).extension for name in options.formats}
    flags = {"sdh": options.sdh, "forced": options.forced, "directory": options.output_dir}
    return {name: sidecar_path(media, options.language, end, **flags) for name, end in extensions.items()}  # type: ignore[arg-type]


def kept_paths(targets: Iterable[Path], options: Options) -> tuple[Path, ...]:
    """Those of ``targets`` that are there already and are to stay."""
    # Unlike Path.exists, this is plain False where a name is too long or a folder is closed to us.
    return () if options.overwrite else tuple(filter(os.path.exists, targets))


def _refuse_unwritable(targets: Iterable[Path]) -> None:
    """Say so before the long work, not after it."""
    for folder in {target.parent for target in targets}:
        if not folder.is_dir():
            raise OutputError(f"The folder {str(folder)!r} does not exist; create it or choose another --output-dir.")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"The folder {str(folder)!r} is not writable; choose another with --output-dir.")


def _within(span: Span, parts: Iterable[Span]) -> tuple[Span, ...]:
    cut = (Span(max(part.start, span.start), min(part.end, span.end)) for part in parts)
    return tuple(part for part in cut if part.seconds > 0)
