"""What the pipeline asks of a recogniser, ours or that of a plugin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from gptasr_subs.glossary.terms import Glossary
from gptasr_subs.types import FloatArray, Word


class Recognizer(Protocol):
    """Turns windows of audio into words.

    Those of other packages are found by ``gptasr_subs.plugins``.
    """

    @property
    def name(self) -> str:
        """What a person calls it.

        The journal knows it by this unless it has an ``identity``, see ``loading``.
        """

    @property
    def sample_rate(self) -> int:
        """Samples a second that ``transcribe`` expects."""

    @property
    def max_seconds(self) -> float:
        """The longest window it takes."""

    def transcribe(
        self, clips: Sequence[FloatArray], *, batch_size: int = 0, beams: int = 0
    ) -> Iterator[tuple[int, list[Word]]]:
        """Yield ``(index of the clip, its words)`` as clips are finished, in any order.

        Word times are seconds from the start of the clip; 0 lets the recogniser choose batch size
        or beams.
        """


@runtime_checkable
class GlossaryRecognizer(Recognizer, Protocol):
    """One that takes words to expect."""

    def with_glossary(self, glossary: Glossary) -> Recognizer:
        """The same recogniser, listening for these terms and no others.

        Its ``identity`` differs by the digest of the glossary. If it writes ``WordsWithSounds``,
        ``weights`` is its identity without one.
        """


class ReadingsRecognizer(Recognizer, Protocol):
    """One that can say what else a word may be."""

    @property
    def gives_readings(self) -> bool:
        """Whether its words have their ``readings``, which takes a little longer."""

    def with_readings(self) -> Recognizer:
        """The same recogniser, whose words have them; it finds the same words as before."""


@runtime_checkable
class CtcRecognizer(Recognizer, Protocol):
    """One with a CTC head: it can align a known text, for it gives the letters frame by frame."""

    @property
    def frame_seconds(self) -> float:
        """Length of a frame of ``ctc_log_probs``."""

    def ctc_log_probs(self, clips: Sequence[FloatArray]) -> list[FloatArray]:
        """CTC log-probabilities (T, C) of each clip, over the alphabet of ``model.ctc``."""
