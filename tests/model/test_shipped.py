"""The checkpoint that ships, end to end: real audio in, the right words out, none for silence."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

import gptasr_subs as gs
from gptasr_subs.evaluation.wer import count_errors, normalize
from gptasr_subs.pipeline.recognize import recognize_file
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from tests.support.films import REFERENCE_TALK as TALK
from tests.support.media_maker import run_ffmpeg

REPOSITORY = Path(__file__).parents[2]
SAMPLE = REPOSITORY / "examples" / "sample.mp4"
NOISES = REPOSITORY.parent / "shared" / "speech" / "noise"

SILENCES = {
    "silence": "anullsrc=r=44100:cl=mono",
    "white noise": "anoisesrc=color=white:amplitude=0.1:seed=1",
    "pink noise": "anoisesrc=color=pink:amplitude=0.3:seed=2",
    "brown noise": "anoisesrc=color=brown:amplitude=0.5:seed=3",
    "hum": "sine=frequency=100",
    "chord": "aevalsrc=0.2*sin(2*PI*220*t)+0.2*sin(2*PI*277.2*t)+0.2*sin(2*PI*329.6*t)",
    "beat": "aevalsrc=0.6*sin(2*PI*80*t)*exp(-12*mod(t\\,0.5))"
    "+0.2*sin(2*PI*440*t)*exp(-4*mod(t\\,0.25))",
}
MUSIC = {
    "melody": "aevalsrc=0.4*sin(2*PI*t*220*pow(2\\,floor(mod(t*3\\,7))*2/12))*exp(-4*mod(t\\,1/3))",
    "two voices": "aevalsrc=0.2*sin(2*PI*t*330*pow(2\\,floor(mod(t*2\\,5))/12))"
    "*exp(-2*mod(t\\,0.5))"
    "+0.2*sin(2*PI*t*110*pow(2\\,floor(mod(t\\,4))*5/12))",
    "tremolo": "sine=frequency=392,tremolo=f=6:d=0.8,vibrato=f=5:d=0.4",
}


@pytest.fixture(scope="module")
def model() -> GptAsrRecognizer:
    return gs.load_model("default", device="cpu")


def test_at_most_a_quarter_of_the_sample_is_wrong(
    model: GptAsrRecognizer,
) -> None:
    document = recognize_file(SAMPLE, model)
    said = normalize((REPOSITORY / "examples" / "sample.txt").read_text(encoding="utf-8"))
    assert count_errors(said, normalize(" ".join(word.text for word in document.words))).wer <= 25


def test_its_words_and_cues_are_in_order_and_inside_the_film(model: GptAsrRecognizer) -> None:
    document = recognize_file(SAMPLE, model)
    assert document.seconds is not None and document.words[-1].end <= document.seconds
    assert all(before.start <= after.start for before, after in pairwise(document.words))
    assert all(before.end <= after.start for before, after in pairwise(document.cues))
    assert all(0 < word.confidence <= 1 for word in document.words)


@pytest.mark.parametrize("sound", SILENCES)
def test_where_nobody_speaks_nothing_is_written(
    sound: str, model: GptAsrRecognizer, tmp_path: Path
) -> None:
    run_ffmpeg("-f", "lavfi", "-i", SILENCES[sound], "-t", "20", str(tmp_path / "quiet.wav"))
    assert recognize_file(tmp_path / "quiet.wav", model).words == ()


@pytest.mark.slow
def test_ten_minutes_of_music_noise_and_silence_have_no_words(
    model: GptAsrRecognizer, tmp_path: Path
) -> None:
    sounds = [*SILENCES.values(), *MUSIC.values()]
    sources = [word for sound in sounds for word in ("-f", "lavfi", "-t", "60", "-i", sound)]
    joined = f"concat=n={len(sounds)}:v=0:a=1"
    run_ffmpeg(*sources, "-filter_complex", joined, str(tmp_path / "quiet.wav"))
    document = recognize_file(tmp_path / "quiet.wav", model)
    assert document.seconds == pytest.approx(600, abs=1)
    assert document.words == ()


@pytest.mark.slow
@pytest.mark.skipif(not NOISES.exists(), reason="the recorded noises are not at hand")
def test_recorded_noises_have_no_words(model: GptAsrRecognizer) -> None:
    noises = sorted(NOISES.glob("noise-*.flac"))
    found = {
        noise.name: " ".join(word.text for word in recognize_file(noise, model).words)
        for noise in noises
    }
    assert len(noises) > 10
    assert {name: text for name, text in found.items() if text} == {}


@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
def test_real_voices_and_no_cue_over_what_is_not_speech(model: GptAsrRecognizer) -> None:
    truth = json.loads(TALK.with_name("talk.truth.json").read_text())
    document = recognize_file(TALK, model)
    said = normalize(" ".join(utterance["text"] for utterance in truth["speech"]))
    assert count_errors(said, normalize(" ".join(word.text for word in document.words))).wer < 80
    quiet = [(stretch["start"], stretch["end"]) for stretch in truth["no_speech"]]
    assert not [cue for cue in document.cues for start, end in quiet if start <= cue.start < end]
