"""Scores a recogniser on a manifest of clips whose text is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gptasr_subs.corpora.manifest import Clip
from gptasr_subs.errors import GptasrError
from gptasr_subs.evaluation.biased import BiasedErrors, count_biased_errors
from gptasr_subs.evaluation.clips import transcribe_clips
from gptasr_subs.evaluation.wer import (
    WordErrors,
    confidence_interval,
    count_errors,
    is_unformatted,
    normalize,
)
from gptasr_subs.recognition.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """What was recognised in a clip.

    ``word_errors`` are without case and punctuation, ``formatted_errors`` with them.
    ``biased_errors`` are the former by whether the words are listed in a glossary.
    """

    clip: Clip
    text: str
    seconds: float
    word_errors: WordErrors
    formatted_errors: WordErrors
    biased_errors: BiasedErrors | None = None


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
    def biased_total(self) -> BiasedErrors | None:
        """Errors at words of the glossary and at others; None where there was no glossary."""
        biased = [scored.biased_errors for scored in self.clips if scored.biased_errors]
        return sum(biased, BiasedErrors()) if biased else None

    @property
    def biased_intervals(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The 95 % intervals of both rates, in percent. Raises UsageError without a glossary."""
        biased = [scored.biased_errors for scored in self.clips if scored.biased_errors]
        return (
            confidence_interval([errors.listed for errors in biased]),
            confidence_interval([errors.others for errors in biased]),
        )

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
        """Return the clips that cost most errors."""
        faulty = [scored for scored in self.clips if scored.word_errors.errors]
        faulty.sort(key=lambda scored: (-scored.word_errors.errors, -scored.word_errors.wer))
        return faulty[:count]

    def to_dict(self, worst: int = 10) -> dict[str, Any]:
        """Return everything as plain values for JSON; rates are percent."""
        written = self.formatted_total
        formatted_interval = self.formatted_interval
        biased = self.biased_total
        glossary = None
        if biased:
            listed, others = self.biased_intervals
            glossary = {
                "listed": {**_rates(biased.listed), "interval": [round(end, 3) for end in listed]},
                "others": {**_rates(biased.others), "interval": [round(end, 3) for end in others]},
                "false_accepts": biased.false_accepts,
            }
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
            "glossary": glossary,
            "speakers": {name: _rates(total) for name, total in self.speakers.items()},
            "worst": [
                {
                    "path": str(scored.clip.file),
                    "said": scored.clip.text,
                    "written": scored.text,
                    **_rates(scored.word_errors),
                }
                for scored in self.worst(worst)
            ],
        }


def evaluate(
    clips: list[Clip],
    recognizer: Recognizer,
    *,
    batch_size: int = 0,
    beams: int = 0,
    listed: Collection[str] = (),
    on_progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Recognise and score the clips. Raises the error of the first where not one can be read.

    Errors at the ``listed`` words (normalised) are also counted apart.
    """
    began = time.monotonic()
    found = transcribe_clips(
        clips, recognizer, batch_size=batch_size, beams=beams, on_progress=on_progress
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
            biased_errors=count_biased_errors(
                normalize(clip.text), normalize(transcript.text), listed
            )
            if listed
            else None,
        )
        for clip, transcript in zip(clips, found, strict=True)
        if not transcript.error
    )
    return Evaluation(recognizer.name, scored, failures, elapsed)


def _total(errors: Iterable[WordErrors]) -> WordErrors:
    return sum(errors, WordErrors())


def _rates(total: WordErrors) -> dict[str, Any]:
    return {"wer": round(total.wer, 3), "errors": total.errors, **asdict(total)}
