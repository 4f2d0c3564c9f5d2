"""Scores a recogniser on a manifest of clips whose text is known."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gptasr_subs.errors import FormatError, GptasrError
from gptasr_subs.evaluation.clips import transcribe_clips
from gptasr_subs.evaluation.wer import (
    WordErrors,
    confidence_interval,
    count_errors,
    is_unformatted,
    normalize,
)
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.storage.files import read_text
from gptasr_subs.types import Span

_MANIFEST_FILE = "manifest.tsv"  # of a corpus that is given as a folder


@dataclass(frozen=True, slots=True)
class Clip:
    """One line of a manifest: what is said in the file ``path``, and by whom where that is known.

    ``span`` is the part of the file, in seconds; without one it is all of it.
    """

    path: Path
    text: str
    speaker: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """What was written for a clip. ``word_errors`` are without case and punctuation,
    ``formatted_errors`` with them."""

    clip: Clip
    text: str
    seconds: float
    word_errors: WordErrors
    formatted_errors: WordErrors


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of all clips that could be read.

    ``elapsed`` seconds were spent on decoding and recognising them.
    """

    model: str
    clips: tuple[ScoredClip, ...]
    failures: tuple[GptasrError, ...]
    elapsed: float

    @property
    def seconds(self) -> float:
        """Length of all clips together."""
        return sum(scored.seconds for scored in self.clips)

    @property
    def rtfx(self) -> float:
        """Seconds of audio for each second of work."""
        return self.seconds / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def total(self) -> WordErrors:
        """Errors of all clips, case and punctuation apart."""
        return _total(scored.word_errors for scored in self.clips)

    @property
    def formatted_total(self) -> WordErrors | None:
        """Errors with case and punctuation, in the clips whose text has them.

        None where there are none.
        """
        return _total(self._formatted) if self._formatted else None

    @property
    def formatted_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of that rate, in percent."""
        return confidence_interval(self._formatted) if self._formatted else None

    @property
    def _formatted(self) -> list[WordErrors]:
        return [
            scored.formatted_errors for scored in self.clips if not is_unformatted(scored.clip.text)
        ]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the WER, in percent."""
        return confidence_interval([scored.word_errors for scored in self.clips])

    @property
    def speakers(self) -> dict[str, WordErrors]:
        """Errors by speaker, the worst first; empty where no speaker is named."""
        names = {scored.clip.speaker for scored in self.clips} - {""}
        totals = {
            name: _total(scored.word_errors for scored in self.clips if scored.clip.speaker == name)
            for name in names
        }
        return dict(sorted(totals.items(), key=lambda item: (-item[1].wer, item[0])))

    def worst(self, count: int) -> list[ScoredClip]:
        """The clips that cost most errors."""
        faulty = [scored for scored in self.clips if scored.word_errors.errors]
        faulty.sort(key=lambda scored: (-scored.word_errors.errors, -scored.word_errors.wer))
        return faulty[:count]

    def to_dict(self, worst: int = 10) -> dict[str, Any]:
        """Everything as plain values for JSON; rates are percent."""
        written = self.formatted_total
        formatted_interval = self.formatted_interval
        return {
            "model": self.model,
            "clips": len(self.clips),
            "failed": [str(failure) for failure in self.failures],
            "seconds": round(self.seconds, 3),
            "elapsed": round(self.elapsed, 3),
            "rtfx": round(self.rtfx, 2),
            **_rates(self.total),
            "interval": [round(end, 3) for end in self.interval],
            "wer_with_case_and_punctuation": round(written.wer, 3) if written else None,
            "interval_with_case_and_punctuation": [
                round(end, 3) for end in formatted_interval or ()
            ]
            or None,
            "speakers": {name: _rates(total) for name, total in self.speakers.items()},
            "worst": [
                {
                    "path": str(scored.clip.path),
                    "said": scored.clip.text,
                    "written": scored.text,
                    **_rates(scored.word_errors),
                }
                for scored in self.worst(worst)
            ],
        }


def read_manifest(path: Path) -> list[Clip]:
    """Clips of a tab-separated file with a header: columns path (or file) and text.

    Others are ignored. But for speaker, and offset and seconds, which say where in the file the
    clip lies. Paths are relative to the manifest's folder; a folder stands for the ``manifest.tsv``
    in it. Raises FormatError.
    """
    path = path / _MANIFEST_FILE if path.is_dir() else path
    rows = csv.reader(io.StringIO(read_text(path)), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = ["path" if name == "file" else name for name in next(rows, [])]
    if missing := [name for name in ("path", "text") if name not in header]:
        raise FormatError(
            f"{str(path)!r} has no column {missing[0]!r}; its first line must name the columns."
        )
    clips = []
    for row in rows:
        if len(row) not in (0, len(header)):
            line = f"line {rows.line_num} has {len(row)} columns instead of {len(header)}"
            raise FormatError(f"{str(path)!r}: {line}; columns are separated by single tabs.")
        if row:
            fields = dict(zip(header, row, strict=True))
            speaker = fields.get("speaker", "")
            span = _span(path, fields)
            clips.append(Clip(path.parent / fields["path"], fields["text"], speaker, span))
    if not clips:
        raise FormatError(
            f"{str(path)!r} lists no clips; add a line for each clip below the header."
        )
    return clips


def _span(manifest: Path, fields: dict[str, str]) -> Span | None:
    """Where in its file a clip lies; None where the manifest does not say: then it is all of it."""
    if not (fields.get("offset") and fields.get("seconds")):
        return None
    try:
        offset, seconds = (float(fields[name]) for name in ("offset", "seconds"))
    except ValueError as error:
        raise FormatError(
            f"{str(manifest)!r} has an offset or a length that is no number ({error})."
        ) from error
    return Span(offset, offset + seconds)


def evaluate(
    clips: list[Clip],
    recognizer: Recognizer,
    *,
    batch_size: int = 0,
    beams: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Recognise and score the clips. Raises the error of the first where not one can be read."""
    began = time.monotonic()
    paths = [clip.path for clip in clips]
    spans = [clip.span for clip in clips]
    found = transcribe_clips(
        paths, recognizer, spans=spans, batch_size=batch_size, beams=beams, on_progress=on_progress
    )
    elapsed = time.monotonic() - began
    failures = tuple(transcript.error for transcript in found if transcript.error)
    if len(failures) == len(clips):
        raise failures[0]
    scored = tuple(
        ScoredClip(
            clip,
            text=transcript.text,
            seconds=transcript.seconds,
            word_errors=count_errors(normalize(clip.text), normalize(transcript.text)),
            formatted_errors=count_errors(clip.text, transcript.text),
        )
        for clip, transcript in zip(clips, found, strict=True)
        if not transcript.error
    )
    return Evaluation(recognizer.name, scored, failures, elapsed)


def _total(tallies: Iterable[WordErrors]) -> WordErrors:
    return sum(tallies, WordErrors())


def _rates(total: WordErrors) -> dict[str, Any]:
    return {"wer": round(total.wer, 3), "errors": total.errors, **asdict(total)}
