"""A format: ``gptasr-subs --format lrc song.mp3`` writes LRC, which music players show line by line."""

from __future__ import annotations

from gptasr_subs.formats import Document


class Lyrics:
    """What the entry point names: a class that is made without arguments. With ``read`` it could be read back, too."""

    name = "lrc"
    extension = "lrc"

    def write(self, document: Document) -> str:
        """The whole file. ``document`` has cues, words, source, seconds, language and model."""
        lines = [f"[{int(cue.start // 60):02d}:{cue.start % 60:05.2f}]{' '.join(cue.lines)}" for cue in document.cues]
        return "".join(f"{line}\n" for line in lines)
