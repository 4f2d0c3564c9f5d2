"""Word errors apart: of the words that a glossary lists, and of all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from gptasr_subs.evaluation.wer import WordErrors, normalize
from gptasr_subs.glossary.terms import Glossary


@dataclass(frozen=True, slots=True)
class BiasedErrors:
    """B-WER and U-WER (Le et al. 2021, "Contextualized Streaming End-to-End Speech Recognition").

    ``listed`` are the errors at words of the glossary, ``others`` those at all other words; a word
    that was inserted counts as what it is. ``false_accepts``: words of the glossary that were
    written where others or none are said.
    """

    listed: WordErrors = field(default_factory=WordErrors)
    others: WordErrors = field(default_factory=WordErrors)
    false_accepts: int = 0

    def __add__(self, other: BiasedErrors) -> BiasedErrors:
        """Both together."""
        return BiasedErrors(
            self.listed + other.listed,
            self.others + other.others,
            self.false_accepts + other.false_accepts,
        )


def words_of(glossary: Glossary) -> frozenset[str]:
    """Return the words of all terms, as WER compares them."""
    return frozenset(word for term in glossary.terms for word in normalize(term.text).split())


def count_biased_errors(said: str, written: str, words: Collection[str]) -> BiasedErrors:
    """Word errors of ``written`` against ``said``, both normalised: of ``words`` and of others."""
    import jiwer

    reference = said.split()
    hypothesis = written.split()
    if not reference:
        alignment = [jiwer.AlignmentChunk("insert", 0, 0, 0, len(hypothesis))]
    else:
        alignment = jiwer.process_words(said, written).alignments[0]
    # By whether the word is listed: words, substitutions, deletions, insertions.
    counts = {True: [0, 0, 0, 0], False: [0, 0, 0, 0]}
    for word in reference:
        counts[word in words][0] += 1
    false_accepts = 0
    for chunk in alignment:
        spoken = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        found = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if chunk.type == "equal":
            continue
        kind = {"substitute": 1, "delete": 2, "insert": 3}[chunk.type]
        for word in spoken or found:
            counts[word in words][kind] += 1
        false_accepts += sum(word in words for word in found)
    return BiasedErrors(WordErrors(*counts[True]), WordErrors(*counts[False]), false_accepts)
