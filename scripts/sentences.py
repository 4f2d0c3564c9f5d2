"""Make sentences for text-only training and synthetic speech out of plain-text books.

    python scripts/sentences.py BOOK.txt ... --out sentences.txt --dev DEV.tsv --rare rare.txt

Quotation marks go, dashes become commas; what has digits, other symbols or acronyms is left out,
and so is every sentence that shares five words in a row with a text of a ``--dev`` manifest.
``--rare`` takes those short ones that have a word which the chosen sentences before them say less
than 12 times: material for a synthesiser.
"""

from __future__ import annotations

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from gptasr_subs.corpora.manifest import read_clips
from gptasr_subs.model import ctc
from gptasr_subs.storage.files import read_text, write_atomically

_SHORTEST = 15  # characters
_LONGEST = 260
_LONGEST_READ = 170  # of a sentence that is read aloud: some ten seconds
_WORDS_IN_COMMON = 5
_OFTEN = 12
_FRONT = re.compile(r"\*\*\* ?START OF.*?\n")
_BACK = re.compile(r"\*\*\* ?END OF")
_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCES = re.compile(r"(?<=[.!?][\"'])\s+(?=[\"'A-Z])|(?<=[.!?])\s+(?=[\"'A-Z])")
_OTHER = re.compile(r"[^A-Za-z',.;:!?— -]|\b[A-Z]{2,}\b")
_QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "_": ""})


def sentences_of(book: str) -> Iterator[str]:
    """The sentences of one book, front matter and licence left out."""
    begin = _FRONT.search(book)
    end = _BACK.search(book)
    body = book[begin.end() if begin else 0 : end.start() if end else len(book)]
    for paragraph in _PARAGRAPHS.split(body.translate(_QUOTES).replace("--", " — ")):
        line = " ".join(paragraph.split())
        if not line.isupper():
            yield from filter(None, map(_plain, _SENTENCES.split(line)))


def _plain(sentence: str) -> str:
    """``sentence`` as it is read aloud; empty where it cannot be."""
    sentence = sentence.replace('"', "").strip()
    if not _SHORTEST <= len(sentence) <= _LONGEST or _OTHER.search(sentence):
        return ""
    sentence = sentence.replace(" — ", ", ").replace("—", ", ").replace(" ,", ",")
    sentence = re.sub(r",\s*,", ",", sentence).strip(" ,-'")
    if not sentence or not sentence[0].isalpha() or sentence[-1] not in ".!?":
        return ""
    return sentence[0].upper() + sentence[1:]


def word_runs(text: str) -> set[str]:
    """Every five words in a row of ``text``, spelled."""
    words = ctc.normalize_text(text).split()
    return {
        " ".join(words[first : first + _WORDS_IN_COMMON])
        for first in range(len(words) - _WORDS_IN_COMMON + 1)
    }


def with_rare_words(sentences: Iterable[str]) -> Iterator[str]:
    """Short sentences with a word that those before them say less than 12 times."""
    counts: Counter[str] = Counter()
    for sentence in sentences:
        words = ctc.normalize_text(sentence).split()
        if len(sentence) <= _LONGEST_READ and any(counts[word] < _OFTEN for word in words):
            counts.update(words)
            yield sentence


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", nargs="+", type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--rare", type=Path)
    parser.add_argument("--dev", action="append", default=[], type=Path)
    given = parser.parse_args()
    held_out = {run for clip in read_clips(*given.dev) for run in word_runs(clip.text)}
    found = dict.fromkeys(
        sentence for book in given.books for sentence in sentences_of(read_text(book))
    )
    kept = [sentence for sentence in found if not word_runs(sentence) & held_out]
    write_atomically(given.out, "\n".join(kept) + "\n")
    print(f"{given.out}: {len(kept):,} sentences; {len(found) - len(kept)} left out for a dev text")
    if given.rare:
        random.Random(1).shuffle(kept)
        rare = list(with_rare_words(kept))
        write_atomically(given.rare, "\n".join(rare) + "\n")
        print(f"{given.rare}: {len(rare):,} sentences")


if __name__ == "__main__":
    main()
