"""Which words a cue's lines are made of, for formats that show the time and confidence of each."""

from __future__ import annotations

from itertools import islice

from gptasr_subs.cues.timed_words import tokens
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue, Word

Lines = tuple[tuple[Word, ...], ...]


def spoken_lines(document: Document) -> list[Lines | None]:
    """For each cue, line by line, its words.

    None where style asks for none or the words are not those of the cues.
    """
    nothing: list[Lines | None] = [None] * len(document.cues)
    if not (document.style.word_times or document.style.mark_confidence_below > 0):
        return nothing
    spoken = tokens(document.words)
    found: list[Lines] = [
        tuple(tuple(islice(spoken, len(line))) for line in words_of(cue)) for cue in document.cues
    ]
    texts = [[[word.text for word in line] for line in lines] for lines in found]
    return [*found] if texts == [words_of(cue) for cue in document.cues] else nothing


def words_of(cue: Cue) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in cue.lines]
