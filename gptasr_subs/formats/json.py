"""JSON (.json): everything that is known, for programs."""

from __future__ import annotations

import json
from math import isfinite

from gptasr_subs.errors import FormatError
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue


class Json:
    """Facts of the video, cues, and words with their confidence.

    Times are seconds, to the millisecond.
    """

    name = "json"
    extension = "json"

    def write(self, document: Document) -> str:
        """One object; the keys keep this order."""
        content = {
            "source": document.source,
            "duration": document.seconds,
            "language": document.language,
            "model": document.model,
            "cues": [
                {
                    "start": round(cue.start, 3),
                    "end": round(cue.end, 3),
                    "lines": list(cue.lines),
                    **({} if cue.position == 2 else {"position": cue.position}),
                }
                for cue in document.cues
            ],
            "words": [
                {
                    "text": word.text,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": round(word.confidence, 4),
                    **({"readings": list(word.readings)} if word.readings else {}),
                }
                for word in document.words
            ],
        }
        return json.dumps(content, ensure_ascii=False, indent=2) + "\n"

    def read(self, text: str) -> list[Cue]:
        """The cues. Raises FormatError when the object has none."""
        cues = []
        try:
            for cue in json.loads(text)["cues"]:
                start = float(cue["start"])
                end = float(cue["end"])
                position = int(cue.get("position", 2))
                if not (isfinite(start) and isfinite(end) and 1 <= position <= 9):
                    raise ValueError("no time or no place")
                lines = cue["lines"]
                if isinstance(lines, str):
                    lines = lines.split("\n")
                cues.append(Cue(start, end, tuple(map(str, lines)), position))
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError(
                'This JSON file has no "cues" with "start", "end" and "lines".'
            ) from error
        return cues
