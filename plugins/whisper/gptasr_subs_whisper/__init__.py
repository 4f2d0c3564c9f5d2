"""Whisper as a recogniser: ``gptasr-subs --model whisper:tiny.en``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gptasr_subs.errors import ModelError
from gptasr_subs.media.languages import shortest_code
from gptasr_subs.recognition.gptasr import choose_device
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.types import FloatArray, Word

USUAL = "small"
_WITHOUT_SPACES = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
_BEAMS = 5


def load(model: str, device: str, language: str) -> Recognizer:
    """A model by faster-whisper's name for it or by its folder. Raises ModelError."""
    from faster_whisper import WhisperModel

    model, kind, code = model or USUAL, choose_device(device), shortest_code(language)
    if Path(model).name.endswith(".en") and code != "en":
        raise ModelError(
            f"The Whisper model {model!r} knows English only; "
            f"leave out '.en' for --lang {language}."
        )
    processor = "cuda" if kind.startswith("cuda") else "cpu"
    try:
        whisper = WhisperModel(
            model, device=processor, compute_type="int8" if processor == "cpu" else "default"
        )
    except (
        Exception
    ) as error:  # it has many ways to say that there is no such model, or no network to fetch it
        raise ModelError(
            f"The Whisper model {model!r} cannot be loaded ({error}); give a name that "
            "faster-whisper knows, with a network the first time, or the folder of a converted "
            "model."
        ) from error
    if code not in whisper.supported_languages:
        raise ModelError(
            f"The Whisper model {model!r} does not know the language {language!r}; "
            "choose another --lang."
        )
    place = str(Path(model).resolve()) if Path(model).exists() else model
    return Whisper(
        whisper, f"whisper-{Path(model).name}-{code}", code, f"faster-whisper {place} {processor}"
    )


class Whisper:
    """A loaded model that listens for one language."""

    sample_rate = 16000
    max_seconds = 30.0

    def __init__(self, model: Any, name: str, language: str, identity: str = "") -> None:
        """``model`` is faster-whisper's, ``language`` an ISO 639-1 code.

        ``identity`` tells its results from those of other models in the journal; without one
        nothing is remembered.
        """
        self.name, self.identity, self._model, self._language = name, identity, model, language

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """Words of each clip with times and probabilities; one clip at a time, whatever the batch
        size.
        """
        for index, clip in enumerate(clips):
            segments, _ = self._model.transcribe(
                clip,
                language=self._language,
                beam_size=beams or _BEAMS,
                word_timestamps=True,
                condition_on_previous_text=False,  # clips need not follow one another
            )
            yield index, self._words(segments, len(clip) / self.sample_rate)

    def _words(self, segments: Iterable[Any], seconds: float) -> list[Word]:
        """Parts of a word ("-known", "'s") are joined to it; times stay inside the clip, and in
        order.
        """
        words: list[Word] = []
        for part in (part for segment in segments for part in segment.words or ()):
            text, last = part.word.strip(), words[-1] if words else None
            start = min(max(part.start, last.end if last else 0.0), seconds)
            end = min(max(part.end, start), seconds)
            joined = not part.word.startswith(" ") and self._language not in _WITHOUT_SPACES
            if last and joined:
                words[-1] = Word(
                    last.text + text, last.start, end, min(last.confidence, part.probability)
                )
            elif text:
                words.append(Word(text, start, end, part.probability))
        return words
