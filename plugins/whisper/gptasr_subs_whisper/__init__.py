"""Whisper as a recogniser: ``gptasr-subs --model whisper:tiny.en``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

from gptasr_subs.errors import ModelError
from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.media.languages import shortest_code
from gptasr_subs.recognition.gptasr import choose_device
from gptasr_subs.recognition.recognizer import Recognizer
from gptasr_subs.types import FloatArray, Word

DEFAULT = "small"
_WITHOUT_SPACES = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
_BEAMS = 5


def load(model: str, device: str, language: str) -> Recognizer:
    """A model by faster-whisper's name for it or by its folder. Raises ModelError."""
    from faster_whisper import WhisperModel

    model = model or DEFAULT
    code = shortest_code(language)
    if Path(model).name.endswith(".en") and code != "en":
        raise ModelError(
            f"The Whisper model {model!r} knows English only; "
            f"leave out '.en' for --lang {language}."
        )
    processor = "cuda" if choose_device(device).startswith("cuda") else "cpu"
    precision = "int8" if processor == "cpu" else "default"
    try:
        whisper = WhisperModel(model, device=processor, compute_type=precision)
    except Exception as error:  # there are many for a missing model or network
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
    source = str(Path(model).resolve()) if Path(model).exists() else model
    return Whisper(
        whisper,
        f"whisper-{Path(model).name}-{code}",
        language=code,
        identity=f"faster-whisper {source} {processor}",
    )


class Whisper:
    """A loaded model that recognises one language."""

    sample_rate = 16000
    max_seconds = 30.0

    def __init__(self, model: Any, name: str, language: str, identity: str = "") -> None:
        """``model`` is faster-whisper's, ``language`` an ISO 639-1 code.

        ``identity`` keeps its results apart from those of other models in the cache; without one
        nothing is cached.
        """
        self.name = name
        self.identity = identity
        self._model = model
        self._language = language
        self._weights = identity
        self._hotwords: str | None = None

    def with_glossary(self, glossary: Glossary) -> Whisper:
        """The same model with the terms as hotwords, as many as Whisper has room for."""
        listening = copy(self)
        listening.identity = f"{self._weights} {glossary.digest}" if self._weights else ""
        listening._hotwords = ", ".join(term.text for term in glossary.terms)
        return listening

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
                hotwords=self._hotwords,
            )
            yield index, self._words(segments, len(clip) / self.sample_rate)

    def _words(self, segments: Iterable[Any], seconds: float) -> list[Word]:
        """Parts of a word ("-known", "'s") are joined to it; times stay inside the clip, and in
        order.
        """
        words: list[Word] = []
        for part in (part for segment in segments for part in segment.words or ()):
            text = part.word.strip()
            last = words[-1] if words else None
            start = min(max(part.start, last.end if last else 0.0), seconds)
            end = min(max(part.end, start), seconds)
            joined = not part.word.startswith(" ") and self._language not in _WITHOUT_SPACES
            if last and joined:
                confidence = min(last.confidence, part.probability)
                words[-1] = Word(last.text + text, last.start, end, confidence=confidence)
            elif text:
                words.append(Word(text, start, end, confidence=part.probability))
        return words
