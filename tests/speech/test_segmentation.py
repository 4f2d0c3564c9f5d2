from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.speech.segmentation import (
    SegmentationOptions,
    Window,
    segment_blocks,
    split_speech,
)
from gptasr_subs.types import FloatArray, Span
from tests.support.media_maker import RATE, chords, noise, place, silence, speech, tone

PAD = SegmentationOptions().padding
EDGE = 0.06  # s; an edge of speech is found this well

PHRASES = (Span(2.0, 3.5), Span(6.0, 6.4), Span(9.0, 14.0), Span(14.3, 17.0), Span(25.0, 26.0))
MONOLOGUE = speech(25)
TALK = place(
    30.0, *((phrase.start, speech(phrase.seconds, seed=n)) for n, phrase in enumerate(PHRASES))
)


def windows_of(sound: FloatArray, rate: int = RATE, **options: float) -> list[Window]:
    return list(segment_blocks([sound], rate, SegmentationOptions(**options)))


def is_covered(phrase: Span, windows: list[Window]) -> bool:
    """Whether no moment of the phrase lies outside all windows."""
    spans = [
        window.span
        for window in windows
        if window.span.end > phrase.start and window.span.start < phrase.end
    ]
    whole = spans and spans[0].start <= phrase.start and spans[-1].end >= phrase.end
    return bool(whole) and all(before.end == after.start for before, after in pairwise(spans))


def test_every_phrase_lies_in_a_window_with_padding_around_it() -> None:
    windows = windows_of(TALK)
    assert all(is_covered(phrase, windows) for phrase in PHRASES)
    first = windows[0].span
    assert first.start == pytest.approx(PHRASES[0].start - PAD, abs=EDGE)
    assert first.end == pytest.approx(PHRASES[0].end + PAD, abs=EDGE)


def test_speech_edges_are_reported_in_film_time() -> None:
    found = [edge for window in windows_of(TALK) for edge in window.speech]
    assert len(found) == len(PHRASES)
    for edge, phrase in zip(found, PHRASES, strict=True):
        assert (edge.start, edge.end) == pytest.approx((phrase.start, phrase.end), abs=EDGE)


def test_a_short_pause_is_bridged_and_a_long_one_is_not() -> None:
    spans = [window.span for window in windows_of(TALK)]
    assert len(spans) == 4
    assert spans[2].start < 9.0 < 17.0 < spans[2].end


def test_a_window_holds_the_samples_of_its_span() -> None:
    for window in windows_of(TALK):
        begin = round(window.span.start * RATE)
        assert len(window.samples) == round(window.span.seconds * RATE)
        np.testing.assert_array_equal(window.samples, TALK[begin : begin + len(window.samples)])


def test_split_speech_gives_the_spans_of_the_windows() -> None:
    assert split_speech(TALK) == [window.span for window in windows_of(TALK)]


@pytest.mark.parametrize("gain", [-40, -20, 10])
def test_gain_does_not_matter(gain: float) -> None:
    quiet = windows_of((TALK * 10 ** (gain / 20)).astype(np.float32))
    assert all(is_covered(phrase, quiet) for phrase in PHRASES)
    assert len(quiet) == len(windows_of(TALK))


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0], ids=["white", "pink", "brown"])
def test_speech_is_found_in_noise_10_db_below_it(slope: float) -> None:
    windows = windows_of(TALK + noise(30.0, 0.0316, slope))
    assert all(is_covered(Span(p.start + EDGE, p.end - EDGE), windows) for p in PHRASES)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_other_sample_rates_give_the_same_windows(rate: int) -> None:
    times = np.arange(30 * rate) / rate
    sound = np.interp(times, np.arange(len(TALK)) / RATE, TALK).astype(np.float32)
    found = [window.span for window in windows_of(sound, rate)]
    for span, expected in zip(found, split_speech(TALK), strict=True):
        assert (span.start, span.end) == pytest.approx((expected.start, expected.end), abs=0.1)


NO_SPEECH = {
    "silence": silence(30),
    "room tone": noise(30, 0.0005, 1),
    "faint dither": noise(30, 1e-5),
    "white noise": noise(30, 0.05),
    "loud white noise": noise(30, 0.3),
    "pink noise": noise(30, 0.05, 1),
    "brown noise": noise(30, 0.05, 2),
    "a tone": tone(30),
    "hum": sum((tone(30, 50.0 * harmonic, 0.05) for harmonic in range(2, 8)), tone(30, 50.0, 0.1)),
    "one long chord": chords(30, each=30),
    "chords": chords(30),
    "fast chords": chords(30, each=0.5),
    "swelling noise": (noise(30, 0.05, 1) * (1.05 + np.sin(np.arange(30 * RATE) / RATE))).astype(
        np.float32
    ),
}


@pytest.mark.parametrize("kind", NO_SPEECH)
def test_without_speech_there_is_no_window(kind: str) -> None:
    assert windows_of(NO_SPEECH[kind]) == []


@pytest.mark.parametrize(
    "kind", ["silence", "pink noise", "white noise", "chords", "one long chord"]
)
def test_noises_cost_at_most_the_padding_and_half_a_second(kind: str) -> None:
    sound = place(50, (2, speech(6)), (8, NO_SPEECH[kind]), (38, speech(6, seed=1)))
    windows = windows_of(sound)
    assert is_covered(Span(2, 8), windows) and is_covered(Span(38, 44), windows)
    reach = PAD + 0.5
    assert not [w for w in windows if w.span.end > 8 + reach and w.span.start < 38 - reach]


@pytest.mark.parametrize("kind", ["white noise", "pink noise", "one long chord"])
def test_speech_is_reported_without_the_noise_beside_it(
    kind: str,
) -> None:
    sound = place(
        30,
        (0, NO_SPEECH[kind][: 10 * RATE]),
        (10.15, speech(4)),
        (14.3, NO_SPEECH[kind][: 15 * RATE]),
    )
    part = max(
        (part for window in windows_of(sound) for part in window.speech),
        key=lambda part: part.seconds,
    )
    assert (part.start, part.end) == pytest.approx((10.15, 14.15), abs=EDGE)


def test_a_click_just_before_speech_is_not_reported_as_its_beginning() -> None:
    sound = place(10, (2.85, noise(0.005, 0.5)), (3, speech(2)))
    (part,) = (part for window in windows_of(sound) for part in window.speech)
    assert part.start == pytest.approx(3, abs=EDGE)


def test_sound_that_begins_or_ends_with_speech_loses_nothing() -> None:
    windows = windows_of(speech(5))
    assert [(w.span.start, w.span.end) for w in windows] == [(0.0, 5.0)]


def test_a_click_is_no_speech() -> None:
    assert windows_of(place(10, (5, noise(0.005, 0.5)))) == []


@pytest.mark.parametrize("seconds", [0, 0.001, 0.02, 0.3])
def test_sound_too_short_for_a_word_is_no_error(seconds: float) -> None:
    assert windows_of(silence(seconds)) == []


def test_no_sound_at_all_gives_no_window() -> None:
    assert list(segment_blocks([], RATE)) == []


def phrases_apart(count: int, seconds: float, pause: float) -> tuple[FloatArray, list[Span]]:
    """Phrases with the same pause after each, in a film that starts with a second of room tone."""
    phrases = [
        Span(1 + n * (seconds + pause), 1 + n * (seconds + pause) + seconds) for n in range(count)
    ]
    sounds = [(phrase.start, speech(seconds, seed=n)) for n, phrase in enumerate(phrases)]
    return place(phrases[-1].end + 1, *sounds), phrases


@pytest.mark.parametrize("pause", [0.12, 0.2, 0.3])
def test_long_speech_is_cut_only_in_pauses_however_short(pause: float) -> None:
    sound, phrases = phrases_apart(14, 3.0, pause)
    windows = windows_of(sound)
    assert len(windows) > 2
    for before, after in pairwise(windows):
        assert before.span.end == pytest.approx(after.span.start, abs=0.1)
        assert any(p.end - EDGE < before.span.end < n.start + EDGE for p, n in pairwise(phrases)), (
            before.span
        )


def test_the_longest_of_several_pauses_is_chosen() -> None:
    sound = place(
        24,
        (1, speech(9)),
        (10.1, speech(1.9, seed=1)),
        (12.22, speech(2, seed=2)),
        (14.3, speech(8, seed=3)),
    )
    assert 12.0 < windows_of(sound)[0].span.end < 12.22


def test_speech_without_a_pause_is_cut_without_loss() -> None:
    windows = windows_of(place(62, (1, speech(60))))
    assert is_covered(Span(1, 61), windows)
    assert max(window.span.seconds for window in windows) <= 16
    assert min(window.span.seconds for window in windows) > 1


def test_a_cut_leaves_no_mere_scrap() -> None:
    windows = windows_of(place(20, (1, speech(15.2)), (16.3, speech(0.7, seed=1))))
    assert len(windows) == 2
    assert windows[1].span.seconds > 1.5


def test_a_cut_leaves_no_mere_scrap_before_a_pause_either() -> None:
    """The voice falls quiet 6.2 s in: a cut there would leave too little of the phrase after it."""
    phrases = Span(0.0, 6.25), Span(7.25, 8.25)
    sound = place(
        9.25, *((phrase.start, MONOLOGUE[: round(phrase.seconds * RATE)]) for phrase in phrases)
    )
    assert all(is_covered(phrase, windows_of(sound, max_seconds=4.0)) for phrase in phrases)


def test_a_pause_too_short_for_both_paddings_is_split_in_the_middle() -> None:
    before, after = windows_of(
        place(24, (1, speech(13)), (14.4, speech(8, seed=1))), shortest_pause=0.25
    )
    assert before.span.end == after.span.start == pytest.approx(14.2, abs=EDGE)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(TALK)), max_size=12))
def test_the_size_of_the_blocks_does_not_matter(cuts: list[int]) -> None:
    whole, pieces = windows_of(TALK), list(segment_blocks(np.split(TALK, sorted(cuts)), RATE))
    assert [(window.span, window.speech) for window in pieces] == [
        (window.span, window.speech) for window in whole
    ]
    assert all(
        np.array_equal(one.samples, other.samples) for one, other in zip(pieces, whole, strict=True)
    )


@pytest.mark.parametrize("frames", [401, 500, 633, 999])
def test_where_the_film_begins_does_not_matter(frames: int) -> None:
    hop = RATE // 100
    later = place((len(TALK) + frames * hop) / RATE, (frames * hop / RATE, TALK))
    for window, expected in zip(windows_of(later), windows_of(TALK), strict=True):
        shift = frames * hop / RATE
        for found, before in zip(window.speech, expected.speech, strict=True):
            assert (found.start, found.end) == pytest.approx(
                (before.start + shift, before.end + shift), abs=0.02
            )


@st.composite
def talks(draw: st.DrawFn) -> tuple[FloatArray, list[Span]]:
    """Phrases of 0.3 to 25 s with pauses of 0.1 to 5 s between them."""
    sounds, phrases, now = [], [], draw(st.floats(0, 3))
    for _ in range(draw(st.integers(1, 6))):
        seconds = draw(st.floats(0.3, 25))
        phrases.append(Span(now, now + seconds))
        sounds.append((now, MONOLOGUE[: round(seconds * RATE)]))
        now += seconds + draw(st.floats(0.1, 5))
    return place(now + 1, *sounds), phrases


@settings(max_examples=15, deadline=None)
@given(talks(), st.sampled_from([4.0, 8.0, 16.0]))
def test_windows_are_short_enough_in_order_apart_and_cover_all_speech(
    talk: tuple[FloatArray, list[Span]], longest: float
) -> None:
    sound, phrases = talk
    windows = windows_of(sound, max_seconds=longest)
    assert all(0 < len(window.samples) <= longest * RATE for window in windows)
    assert all(before.span.end <= after.span.start for before, after in pairwise(windows))
    assert windows[0].span.start >= 0 and windows[-1].span.end <= len(sound) / RATE
    assert all(is_covered(phrase, windows) for phrase in phrases)
    for window in windows:
        edges = [time for part in window.speech for time in (part.start, part.end)]
        assert edges == sorted(edges)
        assert window.span.start <= edges[0] and edges[-1] <= window.span.end


def test_windows_come_while_sound_still_comes() -> None:
    given_out = 0

    def film() -> Iterator[FloatArray]:
        nonlocal given_out
        for _ in range(40):
            given_out += 10
            yield place(10, (2, MONOLOGUE[: 3 * RATE]))

    for window in segment_blocks(film(), RATE):
        assert given_out - window.span.end <= 100 or given_out == 400


def test_memory_does_not_grow_with_the_film() -> None:
    def peak(minutes: int) -> int:
        block = place(30, (5, speech(20)))
        tracemalloc.start()
        for _ in segment_blocks((block for _ in range(2 * minutes)), RATE):
            pass
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(12) < 1.1 * peak(4)


@pytest.mark.parametrize("options", [{"max_seconds": 0.5}, {"max_seconds": 2.0, "padding": 1.0}])
def test_options_that_leave_no_room_for_speech_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="too short"):
        windows_of(TALK, **options)


def test_a_sample_rate_too_low_for_speech_is_refused() -> None:
    with pytest.raises(ValueError, match="8000"):
        split_speech(TALK, 4000)
