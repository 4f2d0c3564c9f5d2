"""Cues begin with the voice and do not end before it, on real voices whose times are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.word_timing import measure, read_truth
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.types import Cue, Span, Word
from tests.support.films import REFERENCE_TALK as TALK


def test_the_measure_sees_wrong_edges_and_cues_over_silence() -> None:
    utterances, silence = [Span(1, 3), Span(4, 6)], [Span(6.2, 10)]
    words = [Word("one", 1.1, 2), Word("two", 2, 2.9), Word("three", 4.3, 5), Word("four", 8, 9)]
    cues = [
        Cue(1.1, 2, ("one",)),
        Cue(2, 2.9, ("two",)),
        Cue(4.3, 6.6, ("three",)),
        Cue(8, 9, ("four",)),
    ]
    timing = measure(words, cues, utterances, silence)
    assert timing.starts == pytest.approx((0.1, 0.3))
    assert timing.ends == pytest.approx((-0.1, 0.6))
    assert timing.over_silence == (cues[3],)


@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
def test_cues_of_real_voices_begin_and_end_with_them() -> None:
    document = recognize_file(TALK, "default", device="cpu")
    timing = measure(document.words, document.cues, *read_truth(TALK.with_name("talk.truth.json")))
    late = np.abs(timing.starts)
    assert len(late) >= 20 and len(timing.ends) >= 20
    assert np.median(late) <= 0.08 and np.percentile(late, 95) <= 0.25
    assert min(timing.ends) >= 0
    assert timing.over_silence == ()
