"""Cuts are found where the picture was cut, and cues move to those that are near."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.shaping import shape_cues
from gptasr_subs.errors import MediaError
from gptasr_subs.formats import read
from gptasr_subs.media.shots import find_shot_changes
from gptasr_subs.pipeline.options import Options, Progress
from gptasr_subs.pipeline.subtitle import subtitle
from gptasr_subs.types import Word
from tests.support.cue_maker import assert_hard_rules, patiently, presets, speak, spoken_words
from tests.support.ended import Program, one_line
from tests.support.fake_recognizer import FakeRecognizer, say
from tests.support.films import TALK, TALK_SECONDS, make_film
from tests.support.media_maker import make_media, place, run_ffmpeg

CUTS = [0.92, 4.2, 6.52]


def make_cut_film(path: Path) -> Path:
    """The usual talk, with a picture that changes at ``CUTS``: moving, still, moving again."""
    seconds = [b - a for a, b in itertools.pairwise([0.0, *CUTS, TALK_SECONDS])]
    pictures = [
        "testsrc=s=320x240",
        "color=navy:s=320x240",
        "mandelbrot=s=320x240",
        "color=white:s=320x240",
    ]
    sound = make_media(
        path.with_suffix(".wav"), place(TALK_SECONDS, (0.0, say(TALK, TALK_SECONDS)))
    )
    inputs = [word for picture in pictures for word in ("-f", "lavfi", "-i", f"{picture}:r=25")]
    parts = [
        f"[{k}:v]trim=duration={length:.2f},setsar=1[v{k}];" for k, length in enumerate(seconds)
    ]
    joined = (
        "".join(parts)
        + "".join(f"[v{k}]" for k in range(len(seconds)))
        + f"concat=n={len(seconds)}[v]"
    )
    options = [
        "-filter_complex",
        joined,
        "-map",
        "[v]",
        "-map",
        "4:a",
        "-c:a",
        "pcm_s16le",
        "-pix_fmt",
        "yuv420p",
    ]
    run_ffmpeg(*inputs, "-i", str(sound), *options, str(path))
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cut_film(tmp_path_factory.mktemp("cuts") / "talk.mkv")


def test_cuts_are_found_to_the_frame(film: Path) -> None:
    progress: list[float] = []
    assert find_shot_changes(film, progress.append) == pytest.approx(CUTS, abs=0.011)
    assert progress == sorted(progress) and progress[-1] == pytest.approx(TALK_SECONDS, abs=0.1)


def test_a_film_of_one_shot_has_no_cuts(tmp_path: Path) -> None:
    assert find_shot_changes(make_film(tmp_path / "talk.mp4")) == []


def test_sound_alone_has_no_picture(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no picture"):
        find_shot_changes(make_film(tmp_path / "talk.wav"))


def test_subtitles_begin_and_end_with_the_cuts_of_the_film(
    film: Path, program: Program, fake: FakeRecognizer
) -> None:
    assert program(film, "--shot-changes").code == 0
    first, second = read(film.with_suffix(".en.srt"))
    assert first.start == pytest.approx(0.92, abs=0.011)  # the voice begins at 1.0
    # it ends at 5.9, and half a second is for reading
    assert second.end == pytest.approx(6.52 - 2 / 25, abs=0.011)
    assert program(film, "--overwrite").code == 0
    first, second = read(film.with_suffix(".en.srt"))
    assert first.start == pytest.approx(1.0, abs=0.03) and second.end == pytest.approx(
        6.4, abs=0.03
    )


def test_the_search_for_cuts_is_a_stage_of_its_own(film: Path, tmp_path: Path) -> None:
    places: list[Progress] = []
    options = Options(output_dir=tmp_path, shot_changes=True, journal=False)
    subtitle(film, FakeRecognizer(), options=options, on_progress=places.append)
    assert list(dict.fromkeys(place.stage for place in places)) == ["", "cuts of the picture"]
    assert places[-1].done == pytest.approx(places[-1].total, abs=0.1)


def test_sound_alone_is_subtitled_without_cuts(
    tmp_path: Path, program: Program, fake: FakeRecognizer
) -> None:
    ended = program(make_film(tmp_path / "talk.wav"), "--shot-changes")
    assert ended.code == 0 and "talk.en.srt" in one_line(ended.err)


@pytest.mark.parametrize("rate", ["1", "1/4", "5", "vfr"])
@pytest.mark.parametrize("flags", [[], ["--shot-changes"]])
def test_slides_have_the_cues_of_their_sound(
    tmp_path: Path, program: Program, fake: FakeRecognizer, rate: str, flags: list[str]
) -> None:
    talk = [(0.5 + 0.45 * k, TALK[k % len(TALK)][1]) for k in range(30)]
    sound = make_film(tmp_path / "sound.wav", talk, seconds=16.0)
    slides = tmp_path / "slides.mkv"
    picture = f"testsrc=s=64x48:r={30 if rate == 'vfr' else rate}:d=16"
    picture += ",select='not(mod(n,47))'" if rate == "vfr" else ""
    run_ffmpeg(
        "-f",
        "lavfi",
        "-i",
        picture,
        "-i",
        str(sound),
        "-fps_mode",
        "vfr",
        "-c:a",
        "pcm_s16le",
        str(slides),
    )
    assert program(sound).code == 0
    ended = program(slides, *flags)
    assert ended.code == 0, ended.err
    pairs = zip(read(tmp_path / "sound.en.srt"), read(tmp_path / "slides.en.srt"), strict=True)
    for plain, cue in pairs:
        assert cue.lines == plain.lines
        assert abs(cue.start - plain.start) <= (0.26 if flags else 0.005)
        assert abs(cue.end - plain.end) <= (0.26 if flags else 0.005)


WORDS = speak("we went home early", start=3.0)
OUT = WORDS[-1].end + 0.5


@pytest.mark.parametrize(
    ("shots", "start", "end"),
    [
        ([2.8], 2.8, OUT),  # the cut comes a little before the voice
        ([3.2], 3.2, OUT),  # or after
        ([2.7, 3.3], 3.0, OUT),  # too far away
        ([OUT], 3.0, OUT - 2 / 24),
        ([OUT + 0.2], 3.0, OUT + 0.2 - 2 / 24),
        ([OUT - 0.4], 3.0, OUT),
    ],
)
def test_cues_move_to_cuts_that_are_near(shots: list[float], start: float, end: float) -> None:
    (cue,) = shape_cues(WORDS, shots=shots)
    assert (cue.start, cue.end) == (pytest.approx(start), pytest.approx(end))


def test_no_voice_is_cut_off_for_a_cut() -> None:
    words = [
        *speak("He went home so early that"),
        Word("nobody.", 3.0, 3.3),
        Word("Yes.", 3.45, 4.5),
    ]
    plain, snapped = shape_cues(words), shape_cues(words, shots=[3.3])
    assert [cue.lines for cue in plain] == [cue.lines for cue in snapped]
    assert [cue.start for cue in plain] == [cue.start for cue in snapped]


@patiently
@given(spoken_words(), presets, st.lists(st.floats(0, 150), max_size=60).map(sorted))
def test_hard_rules_hold_whatever_the_cuts(
    words: list[Word], norms: Norms, shots: list[float]
) -> None:
    cues = shape_cues(words, norms, shots=shots)
    assert_hard_rules(cues, words, norms)
    assert [cue.lines for cue in cues] == [cue.lines for cue in shape_cues(words, norms)]
    for cue, plain in zip(cues, shape_cues(words, norms), strict=True):
        assert abs(cue.start - plain.start) <= norms.shot_radius + 1e-6
        assert cue.start == plain.start or min(abs(cue.start - shot) for shot in shots) < 1e-6


@pytest.mark.parametrize("fps", [0.1, 1.0])
def test_six_frames_of_slides_are_not_six_seconds(fps: float) -> None:
    (cue,) = shape_cues(WORDS, Norms(fps=fps), shots=[2.0, 4.0, OUT + 1.0])
    assert (cue.start, cue.end) == (pytest.approx(3.0), pytest.approx(OUT))


def test_the_reach_is_a_norm() -> None:
    (cue,) = shape_cues(WORDS, Norms(shot_frames=1), shots=[2.9])
    assert cue.start == 3.0 and NETFLIX.shot_frames > 1
