"""A format: ``gptasr-subs --format notes talk.mp4`` writes Markdown, a timed point a cue."""

from __future__ import annotations

from gptasr_subs.formats import Document


class Notes:
    """The entry point names this class, which is made without arguments.

    With a method ``read`` its files could be read back, too.
    """

    name = "notes"
    extension = "md"

    def write(self, document: Document) -> str:
        """The whole file. ``document`` has cues, words, source, seconds, language and model."""
        points = [
            f"- {int(cue.start // 60)}:{int(cue.start % 60):02d} {' '.join(cue.lines)}"
            for cue in document.cues
        ]
        return "\n".join([f"# {document.source}", "", *points, ""])
